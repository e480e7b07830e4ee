import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import { z } from 'zod'

/** What a keyboard can reach, without the bars of the chart, whose links its table has too, and without the search, the menu and the link to the content, which are the same on each page. */
const IN_MAIN = ':is(a[href]:not(svg *), button, input:not([type=hidden]), select, textarea, summary)'

/**
 * In the browser: marks what can be used now, and returns how many there are. An update would remove an attribute. Tab leads to
 * one radio button of a group, and the arrow keys to the others.
 */
const MARK = `(() => {
  const isFurther = (one) => one.type === 'radio' && one !== document.querySelector('[type=radio][name=' + one.name + ']')
  const all = [...document.querySelectorAll('main ${IN_MAIN}')].filter(
    (one) => one.checkVisibility({ visibilityProperty: true }) && !isFurther(one),
  )
  all.forEach((one, index) => { one.stop = String(index) })
  return all.length
})()`

/** In the browser: which of them is focused, and how it shows that. */
const WHERE = `(() => {
  const one = document.activeElement
  const { outlineStyle, outlineWidth } = getComputedStyle(one)
  const { top, bottom, left, right, width } = one.getBoundingClientRect()
  const isInWindow = bottom > 0 && top < innerHeight && right > 0 && left < innerWidth && width > 0
  return {
    stop: one.stop ?? null,
    html: one.outerHTML.slice(0, 200),
    isShown: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 && isInWindow,
    isOutside: one === document.body,
  }
})()`

const whereSchema = z.object({
  stop: z.string().nullable(),
  html: z.string(),
  isShown: z.boolean(),
  isOutside: z.boolean(),
})

/** Checks that the first stop of the keyboard leads to the content, and that Tab then reaches all of it, visibly. */
export async function assertKeyboard(page: Page, what: string): Promise<void> {
  await page.keyboard.press('Tab')
  assert.equal(await page.locator(':focus').textContent(), 'Skip to content', what)
  await page.keyboard.press('Enter')
  assert.equal(await page.locator(':focus').getAttribute('id'), 'main', what)
  const unreached = new Set(Array.from({ length: z.number().parse(await page.evaluate(MARK)) }, (_, i) => String(i)))
  for (let presses = 0; unreached.size > 0 && presses < 300; presses++) {
    await page.keyboard.press('Tab')
    const { stop, html, isShown, isOutside } = whereSchema.parse(await page.evaluate(WHERE))
    if (isOutside) break
    assert.ok(isShown, `${what}: the focus can't be seen on ${html}`)
    if (stop !== null) unreached.delete(stop)
  }
  const left = await page.evaluate(
    `[...document.querySelectorAll('main *')].filter(({ stop }) => ${JSON.stringify([...unreached])}.includes(stop)).map((one) => one.outerHTML)`,
  )
  assert.deepEqual([...unreached], [], `${what}: Tab does not reach ${left}`)
}

/** In the browser: whatever moves, also while htmx waits for an answer. */
const MOVING = `(() => {
  document.body.classList.add('htmx-request')
  const isLong = (times) => times.split(',').some((time) => parseFloat(time) > 0)
  const moving = [...document.querySelectorAll('*')].filter((one) => {
    const { animationName, transitionDuration, scrollBehavior } = getComputedStyle(one)
    return animationName !== 'none' || isLong(transitionDuration) || scrollBehavior === 'smooth'
  })
  document.body.classList.remove('htmx-request')
  return [...moving.map((one) => one.outerHTML.slice(0, 200)), ...document.getAnimations().map(String)]
})()`

/** Checks that nothing moves for a reader who asked for that. */
export async function assertCalm(page: Page, what: string): Promise<void> {
  await page.emulateMedia({ reducedMotion: 'reduce' })
  assert.deepEqual(await page.evaluate(MOVING), [], `${what} moves`)
  await page.emulateMedia({ reducedMotion: null })
}

const WIDTHS = [1280, 1024, 768, 390]

/** In the browser: what is wider than its place, without a way to scroll there. */
const OVERFLOWING = `[...document.querySelectorAll('main table, main pre, main form, main dl')].filter((one) => {
  const place = one.parentElement
  return one.offsetWidth > place.clientWidth + 1 && getComputedStyle(place).overflowX === 'visible' && place.clientWidth > 0
}).map((one) => one.outerHTML.slice(0, 200))`

/** In the browser: the short words that a narrow place breaks, and the times that it cuts. */
const BROKEN = `(() => {
  const texts = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT)
  const broken = []
  for (let text = texts.nextNode(); text !== null; text = texts.nextNode()) {
    if (!text.parentElement.checkVisibility()) continue
    for (const { 0: word, index } of text.data.matchAll(/(?<!\\S)\\p{L}{2,10}(?!\\S)/gu)) {
      const range = new Range()
      range.setStart(text, index)
      range.setEnd(text, index + word.length)
      const lines = [...range.getClientRects()].filter(({ width }) => width > 0).map(({ top }) => top)
      if (new Set(lines).size > 1) broken.push(word + ' in ' + text.data.trim())
    }
  }
  const isCut = (one) => one.scrollWidth > one.clientWidth && getComputedStyle(one).textOverflow === 'ellipsis'
  const cut = [...document.querySelectorAll('main td:has(> time)')].filter(isCut)
  return [...broken, ...cut.map((one) => one.outerHTML)]
})()`

/** Checks that no short word is broken, and no time is cut. */
export const assertWhole = async (page: Page, what: string): Promise<void> =>
  assert.deepEqual(await page.evaluate(BROKEN), [], what)

/** Checks that nothing reaches over its neighbor, and no word has to break, on a phone, a tablet and a desktop. */
export async function assertFits(page: Page, what: string): Promise<void> {
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 900 })
    assert.deepEqual(await page.evaluate(OVERFLOWING), [], `${what} at ${width} px`)
    await assertWhole(page, `${what} at ${width} px`)
  }
}

/** Opens all parts of the page that are closed at first. */
export const openAll = (page: Page): Promise<unknown> =>
  page.evaluate("document.querySelectorAll('main details').forEach((one) => { one.open = true })")

/** In the browser: the headings and the column names, which say what a page shows. */
const OUTLINE =
  "[...document.querySelectorAll('main :is(h1, h2, h3, h4, th[scope=col], summary)')].map((one) => one.textContent.trim())"

/** Returns what the page shows, without its numbers, which may change meanwhile. */
export const outlineOf = async (page: Page): Promise<string[]> =>
  z
    .array(z.string())
    .parse(await page.evaluate(OUTLINE))
    .map((text) => text.replaceAll(/a second|\d+ s/g, '…').replaceAll(/\d+/g, '…'))

/** Checks without JavaScript that the forms of a page can be sent, and that those that change nothing lead to a page. */
export async function assertForms(page: Page, what: string): Promise<void> {
  const at = page.url()
  await openAll(page)
  const forms = page.locator('main form[method="get"]')
  for (let index = 0; index < (await forms.count()); index++) {
    const form = forms.nth(index)
    const button = form.locator('button:visible').first()
    const box = form.locator('.pick input').first()
    if ((await box.count()) > 0) await box.check() // the buttons show for a selection
    const field = form.locator('input:is([type=search], [type=date], :not([type])):visible').first()
    await Promise.all([
      page.waitForResponse((response) => response.request().isNavigationRequest() && response.ok()),
      (await button.count()) > 0 ? button.click() : field.press('Enter'),
    ])
    await page.locator('main h1').waitFor()
    await page.goto(at)
    await openAll(page)
  }
  const opens = page.locator('main > * [popovertarget]:visible').first()
  const scripted = page.locator('[hidden]:visible')
  assert.equal(await scripted.count(), 0, `${what}: what only a script makes work, ${await scripted.allTextContents()}`)
  const isOpen = (await page.locator('[popover]:popover-open').count()) > 0
  if (!isOpen && (await opens.count()) > 0) await opens.click()
  const unsendable = page.locator('form[method="post"]:not(:has(button:visible))')
  assert.equal(await unsendable.count(), 0, `${what}: a form without a button`)
}
