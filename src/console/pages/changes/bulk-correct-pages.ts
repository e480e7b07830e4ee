import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import type { DeliveryFilter } from '../../../operators/find/filter.ts'
import type { Summary } from '../../../operators/find/listing.ts'
import { isBeingWithdrawn, isWrongKey, mayBeOut } from '../../../queue/correct.ts'
import { courseIdentity, isSameCourse } from '../../../sale/course-key.ts'
import { courseOfReason, REASONS, type ReasonCode } from '../../../sale/types.ts'
import { type CourseName, courseNameHtml } from '../../layout/course-names.ts'
import { differenceHtml, figureHtml, hiddenFields, invalidMark, listTable, problemHtml } from '../../layout/elements.ts'
import { fillCount, numberText, timeHtml } from '../../layout/format.ts'
import { queryOf } from '../../layout/request.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import type { PageParts } from '../../parts.ts'
import { filterOf, type ListQuery, queryText, readQuery } from '../deliveries/list-filters.ts'
import { hasWrongKey } from '../deliveries/list-rows.ts'

const words = TEXTS.bulkCorrection
/** The preview lists this many buyers, and asks the LMS for their accounts. */
const SHOWN = 200
const KEY_MAX = 255

/** The title of the pages of one bulk correction. @param to the key of the right course */
export const correctionTitle = (count: number, to: string, courseName: CourseName): string =>
  fillCount(words.title, count, { to: courseName(to) ?? to })

const STEPS = ['preview', 'confirm', 'run', 'result'] as const

/** Shows which step of a bulk correction this is. */
export function stepsHtml(current: (typeof STEPS)[number]): string {
  const items = STEPS.map(
    (step) => html`<li!${step === current ? ' aria-current="step"' : ''}>${words.steps[step]}</li>`,
  )
  return html`<ol class="steps" aria-label="${words.steps.label}">!${items.join('')}</ol>`
}

/**
 * Adds the page that corrects a course key for many sales at once: it shows the buyers, and starts the correction after one
 * confirmation. Then see addReplayPages.
 */
export function addBulkCorrection(parts: PageParts): void {
  const { scope, operations, now } = parts
  const crumbs = [{ path: '/', label: TEXTS.overview.title }]

  scope.page('/correct', async ({ request }) => {
    const parameters = queryOf(request)
    const query = readQuery(parameters)
    const wrong = await wrongKeysOf(parts, request, query)
    const [first] = wrong
    if (first === undefined || wrong.length > 1) {
      const main = choiceHtml(query, wrong)
      return { title: words.untitled, crumbs, current: '/deliveries', main }
    }
    const view = await readPreview(parts, { request, query: { ...query, ...first }, written: targetOf(parameters) })
    const title = view.to === null ? words.untitled : correctionTitle(view.total, view.to, request.courseName)
    return { title, crumbs, current: '/deliveries', main: previewHtml(view) }
  })

  scope.form('/correct', async ({ request, form, by }) => {
    const query = readQuery(form)
    const until = Number(form.get('until') ?? Number.NaN)
    const course = await parts.lms.findCourse(targetOf(form))
    const isOurs = isWrongKey(query.cause) && query.about !== '' && until <= now()
    // Without the course in the LMS, all of them would fail again: the preview says so.
    if (!isOurs || !course.ok || course.value === null) {
      return `/correct${queryText({ ...query, enroll_in: targetOf(form) })}`
    }
    const filter = { ...filterOf(query, request.zone), to: until }
    const corrects = { from: query.about, to: course.value.key }
    const { id } = await operations.startReplay({ filter, corrects, by })
    return `/replays/${id}`
  })
}

const targetOf = (parameters: URLSearchParams): string => (parameters.get('enroll_in') ?? '').trim().slice(0, KEY_MAX)

interface WrongKey {
  readonly cause: ReasonCode
  readonly about: string
}

/** The wrong keys of what the query names: that of its cause, or those of the selected deliveries. */
async function wrongKeysOf({ operations }: PageParts, { zone }: FastifyRequest, query: ListQuery): Promise<WrongKey[]> {
  const { cause, about } = query
  if (cause !== '' && about !== '') return isWrongKey(cause) ? [{ cause, about }] : []
  if (query.ids === '') return []
  const { items } = await operations.list({ filter: filterOf(query, zone), limit: SHOWN })
  const found = new Map<string, WrongKey>()
  for (const { reason } of items.filter(hasWrongKey)) {
    const course = reason === null ? null : courseOfReason(reason)
    if (reason !== null && course !== null)
      found.set(`${reason.code} ${courseIdentity(course)}`, { cause: reason.code, about: course })
  }
  return [...found.values()]
}

/** Says that nothing selected can be corrected together; or, if several keys are wrong, which of them is next. */
function choiceHtml(query: ListQuery, wrong: readonly WrongKey[]): string {
  const back = html`<p><a href="~/deliveries${queryText({ ...query, ids: '' })}">${TEXTS.deliveries.back}</a></p>`
  if (wrong.length === 0) return html`<p>${words.none.text}</p>!${back}`
  const links = wrong.map(
    (one) =>
      html`<li><a href="~/correct${queryText({ ...query, ...one })}"><code>${one.about}</code></a> ${REASONS[one.cause].name}</li>`,
  )
  return html`<p>${words.none.several}</p><ul>!${links.join('')}</ul>!${back}`
}

/** Reads what the preview shows. @param of.written the right key as an operator wrote it; '': the closest one */
async function readPreview(
  { operations, lms, now, shopEvents }: PageParts,
  { request, query, written }: { request: FastifyRequest; query: ListQuery; written: string },
) {
  const until = now()
  const filter: DeliveryFilter = { ...filterOf(query, request.zone), to: until }
  const from = query.about
  const course = await lms.findCourse(written === '' ? from : written)
  // The wrong key itself may exist by now: then a replay helps.
  const to = course.ok ? (course.value?.key ?? (written === '' ? request.closestCourse(from) : null)) : null
  const preview = await operations.previewReplay({ filter, corrects: { from }, limit: SHOWN })
  const { count: total, sample: items } = preview
  const emails = [...new Set(items.flatMap(({ email }) => (email === null ? [] : [email])))]
  const accounts = emails.length === 0 ? null : await lms.accountsOf(emails)
  const running = (await operations.runningReplays()).find(
    ({ corrects }) => corrects !== null && isSameCourse(corrects.from, from),
  )
  const tellsShop = shopEvents !== null
  return { request, query, until, from, to, written, course, total, items, accounts, running, tellsShop }
}
type Preview = Awaited<ReturnType<typeof readPreview>>

function previewHtml(view: Preview): string {
  const { request, from, to, written, course, total, items, running } = view
  const again =
    running === undefined
      ? ''
      : html`<p class="note warning" role="status">${fill(words.running, { by: running.by })} <a href="~/replays/${running.id}">${words.openRunning}</a></p>`
  if (total === 0) return html`!${again}<p class="note">${words.nothing}</p><p><a href="~/">${words.back}</a></p>`
  const side = (label: string, title: string, key: string): string =>
    html`<div><small class="quiet">${label}</small>!${title}!${key}</div>`
  const name = (key: string): string => {
    const known = request.courseName(key)
    return known === null ? '' : html`<strong class="course"><bdi>${known}</bdi></strong>`
  }
  const missing = html`<strong class="course bad">${TEXTS.courses.missing}</strong>`
  const wrong = side(TEXTS.delivery.soldAs, name(from) || missing, differenceHtml(from, to ?? from))
  // While the LMS can't be asked, what the operator came with is neither right nor wrong.
  const target = to ?? (course.ok ? '' : written)
  const choose = html`<div>${course.ok ? words.noTarget : ''}</div>`
  const right = target === '' ? choose : side(words.enrollIn, name(target), differenceHtml(target, from, 'good'))
  const swap = html`<div class="swap">!${wrong}<span aria-hidden="true">→</span>!${right}</div>`
  return html`!${stepsHtml('preview')}!${again}!${swap}!${obstacleHtml(view)}!${figuresHtml(view)}!${startHtml(view)}!${otherHtml(view)}
<div class="head"><h2>${words.buyers}</h2><p class="quiet">${words.leftOut}</p></div>
!${listTable({ columns: words.columns, numbers: [4], rows: items.map((item) => buyerCells(item, view)) })}
!${total > items.length ? html`<p class="quiet">${fillCount(words.showing, items.length, { total: numberText(total) })}</p>` : ''}`
}

/** Whether an operator named a course that the LMS doesn't have. */
const isTargetMissing = ({ course, to, written }: Preview): boolean => course.ok && to === null && written !== ''

function obstacleHtml(view: Preview): string {
  const { course, to, from, written } = view
  if (!course.ok)
    return html`<p class="note warning" role="status">${fill(words.unread, { reason: course.message })}</p>`
  if (to !== null && isSameCourse(to, from)) {
    return html`<p class="note warning" role="status">${words.exists}</p>`
  }
  return isTargetMissing(view) ? problemHtml(fill(TEXTS.correct.none, { key: written })) : ''
}

/** What the LMS has for a buyer; null: it didn't say. */
function accountOf({ email }: Summary, accounts: Preview['accounts']): { username: string | null } | null {
  if (email === null || accounts === null || !accounts.ok) return null
  return { username: accounts.value.accounts.get(email)?.username ?? null }
}

const isLeft = ({ lines }: Summary): boolean => lines.some(mayBeOut)

/** The accounts are those of the buyers that the page lists. If it doesn't list all of them, the figures say so. */
function figuresHtml({ total, items, accounts }: Preview): string {
  const isCut = total > items.length
  const listed = fillCount(words.figures.listed, items.length)
  const left = items.filter(isLeft).length
  const known = items.map((item) => accountOf(item, accounts)).filter((account) => account !== null)
  const having = known.filter(({ username }) => username !== null).length
  const figure = (name: string, value: number, more: string, look = ''): string =>
    figureHtml({ name, number: html`<strong>${numberText(value)}</strong>`, more: html`${more}`, look })
  const figures = [
    figure(words.figures.sales, total, words.figures.all),
    ...(known.length === 0
      ? []
      : [
          figure(words.figures.having, having, isCut ? listed : words.figures.soon),
          figure(words.figures.without, known.length - having, isCut ? listed : words.figures.later, 'pre_enrolled'),
        ]),
    ...(left === 0 ? [] : [figure(words.figures.left, left, isCut ? listed : words.figures.why, 'needs_attention')]),
  ]
  const unread = known.length > 0 ? '' : html`<p class="quiet">${words.noAccounts}</p>`
  return html`<dl class="figures">!${figures.join('')}</dl>!${unread}`
}

/** The button and its confirmation. Without JavaScript, the browser itself opens it. */
function startHtml(view: Preview): string {
  const { request, query, total, until, from, to, tellsShop } = view
  if (to === null || isSameCourse(to, from)) return ''
  const fields = hiddenFields({ ...query, enroll_in: to, until: `${until}` })
  const { events, ...others } = words.confirm.items
  const items = Object.values(tellsShop ? words.confirm.items : others).map((item) => html`<li>${item}</li>`)
  return html`<p class="actions"><button type="button" popovertarget="confirm">${fillCount(words.start, total)}</button>
<a class="button second" href="~/">${words.cancel}</a> <span class="quiet">${words.unchanged}</span></p>
<div popover id="confirm" class="dialog" role="dialog" tabindex="-1" autofocus aria-labelledby="confirm-title"><form method="post" action="~/correct">!${fields}
<h2 id="confirm-title">${fillCount(words.confirm.title, total, { to: request.courseName(to) ?? to })}</h2><ul>!${items.join('')}</ul>
<p class="actions"><button type="button" class="second" popovertarget="confirm" popovertargetaction="hide">${words.confirm.back}</button> <button>${fillCount(words.confirm.yes, total)}</button></p></form></div>`
}

/** Another course than the closest one. It is open if there is none. */
function otherHtml(view: Preview): string {
  const { query, to, written, course } = view
  return html`<details!${to === null && course.ok ? ' open' : ''}><summary>${words.other}</summary>
<form method="get" action="~/correct" class="stack">!${hiddenFields(query)}<label for="enroll_in">${words.key}</label>
<input id="enroll_in" name="enroll_in" value="${written === '' ? (to ?? '') : written}" maxlength="${KEY_MAX}" spellcheck="false" autocomplete="off"!${invalidMark(isTargetMissing(view))}><button class="second">${words.lookUp}</button></form></details>`
}

function buyerCells(item: Summary, view: Preview): string[] {
  const { id, name, email, receivedAt, courseIds } = item
  const address = email ?? TEXTS.deliveries.noEmail
  const account = accountOf(item, view.accounts)
  const has =
    account === null
      ? html`<span class="quiet">${words.accounts.unknown}</span>`
      : account.username === null
        ? html`<span class="state pre_enrolled">${words.accounts.none}</span>`
        : html`<span class="state enrolled">${words.accounts.one} <bdi>${account.username}</bdi></span>`
  const then = isBeingWithdrawn(item)
    ? words.then.withdrawing
    : isLeft(item)
      ? words.then.left
      : account === null
        ? words.accounts.unknown
        : account.username === null
          ? words.then.later
          : words.then.soon
  const sold = courseIds.map((course) => courseNameHtml(course, view.request.courseName)).join('<br>')
  return [
    html`<div><a href="~/deliveries/${id}"><bdi>${name || address}</bdi></a><br><small class="quiet"><bdi>${address}</bdi></small></div>`,
    html`<div>!${has}</div>`,
    html`<div>!${sold}</div>`,
    html`<div>${then}</div>`,
    html`<div>!${timeHtml(receivedAt, 'ago')}</div>`,
  ]
}
