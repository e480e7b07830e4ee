// Parts of a page update themselves, by htmx. This script makes sure that an update takes nothing from the reader, and that
// the page says so when its updates wait or have stopped.

/** How often the page looks whether its updates still come: ms. */
const WATCH_MS = 1000
/** Before this, an answer is only slow: ms. */
const SLOW_MS = 5000
const began = Date.now()
/** By what they update: when the last good answer came, and since when one is awaited, ms since 1970. */
const answered = new Map()
const awaited = new Map()
let isSignedOut = false
/** Where the focus was before a swap, if it was in what the swap replaced. */
let focusedBefore = null
let lmsBefore = ''

const polls = () => [...document.querySelectorAll('[data-every]')]
const keyOf = (poll) => poll.getAttribute('hx-target')
const regionOf = (poll) => document.querySelector(keyOf(poll))
const isPoll = (element) => element instanceof Element && element.hasAttribute('data-every')
const lmsShown = () => document.querySelector('#health .breaker')?.className ?? ''

/** Whether the reader can write, or has written, into the region. Nothing may change around what they write. */
function isWritten(region) {
  const fields = region.querySelectorAll('input:not([type=hidden]), textarea:not([readonly]), select')
  // The check boxes of a list are always there, and only a selection is something that the reader did.
  return [...fields].some(
    (field) => (!['checkbox', 'radio'].includes(field.type) && isVisible(field)) || isUnsent(field),
  )
}

/** Safari before 17.4 has no checkVisibility, and lays out nothing in a closed panel. */
const isVisible = (field) => field.checkVisibility?.() ?? field.getClientRects().length > 0

/** Whether a field, shown or not, has something else than what the service sent. */
function isUnsent(field) {
  if (field instanceof HTMLSelectElement) return [...field.options].some((one) => one.selected !== one.defaultSelected)
  return field.value !== field.defaultValue || (field.checked ?? false) !== (field.defaultChecked ?? false)
}

function isSelected(region) {
  const selection = document.getSelection()
  return selection !== null && !selection.isCollapsed && selection.containsNode(region, true)
}

/** Why an update waits; null if it does not. In a list, it also waits while a link has the focus, and is not needed unseen. */
function waitsFor(poll) {
  const region = regionOf(poll)
  if (region === null) return null
  if (isWritten(region)) return 'writing'
  if (isSelected(region)) return 'reading'
  if (!poll.hasAttribute('data-waits-for-reader')) return null
  return document.hidden || region.contains(document.activeElement) ? 'reading' : null
}

function hold(event) {
  if (isPoll(event.target) && waitsFor(event.target) !== null) event.preventDefault()
}

/** An update never leads away from a page: the text in it would be lost. */
function read(event) {
  const { status } = event.detail.ctx.response
  const isForm = event.target instanceof Element && event.target.matches('form[method=post]')
  const isSearch = event.target instanceof Element && event.target.id === 'q'
  if (status === 401 && (isPoll(event.target) || isForm || isSearch)) {
    isSignedOut = true
    event.preventDefault()
  } else if (status < 400 && isPoll(event.target)) {
    isSignedOut = false
    answered.set(keyOf(event.target), Date.now())
    awaited.set(keyOf(event.target), Date.now())
  }
  watch()
}

/** Since when no update has come, ms since 1970; null if they come. */
function stoppedSince() {
  const now = Date.now()
  const late = polls().filter((poll) => {
    const key = keyOf(poll)
    // A page that waits for its reader, or was not shown, is not late.
    if (document.hidden || waitsFor(poll) !== null || !awaited.has(key)) awaited.set(key, now)
    return now - awaited.get(key) > Math.max(SLOW_MS, 2000 * Number(poll.dataset.every) - WATCH_MS)
  })
  if (late.length === 0 && !isSignedOut) return null
  return Math.min(...(late.length === 0 ? polls() : late).map((poll) => answered.get(keyOf(poll)) ?? began))
}

/** Shows whether the updates have stopped or wait, and since when. */
function watch() {
  const since = stoppedSince()
  const waiting = polls().filter((poll) => waitsFor(poll) === 'writing')
  const isWaiting = since === null && waiting.length > 0
  document.documentElement.toggleAttribute('data-stopped', since !== null)
  say('signed-out', isSignedOut ? since : null)
  say('stopped', isSignedOut ? null : since)
  say('waiting', isWaiting ? Math.min(...waiting.map((poll) => answered.get(keyOf(poll)) ?? began)) : null)
}

function say(what, since) {
  const text = document.querySelector(`[data-updates="${what}"]`)
  if (text === null || text.hidden === (since === null)) return
  text.hidden = since === null
  if (since === null) return
  const look = { dateStyle: 'medium', timeStyle: 'medium', timeZone: document.documentElement.dataset.zone }
  text.querySelector('[data-since]').textContent = new Intl.DateTimeFormat('en-GB', look).format(since)
}

function beforeSwap(event) {
  hold(event)
  const region = isPoll(event.target) ? regionOf(event.target) : null
  focusedBefore = region?.contains(document.activeElement) ? document.activeElement : null
  lmsBefore = lmsShown()
}

function afterSwap() {
  show()
  // What had the focus may be gone. From the start of the content, the keyboard is where it was or a little above.
  if (focusedBefore !== null && document.activeElement === document.body) {
    document.querySelector('#main').focus({ preventScroll: true })
  }
  focusedBefore = null
  // The line about the LMS and the page below it must not contradict each other until the page's next update.
  if (lmsShown() !== lmsBefore) {
    for (const poll of polls()) if (poll.id !== 'health') htmx.trigger(poll, 'every')
  }
}

/** Shows what is only true where scripts run. */
function show() {
  for (const element of document.querySelectorAll('[data-scripted][hidden]')) element.hidden = false
}

document.addEventListener('htmx:before:request', hold)
document.addEventListener('htmx:before:swap', beforeSwap)
document.addEventListener('htmx:after:swap', afterSwap)
document.addEventListener('htmx:after:request', read)
document.addEventListener('visibilitychange', watch)
setInterval(watch, WATCH_MS)
watch()
show()
