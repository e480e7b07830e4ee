import { html } from 'ghtml'
import type { Shown } from '../../../operators/find/listing.ts'
import { type GivenAnswer, type GivenAnswers, REQUEST_WORDS } from '../../../queue/shop-answers.ts'
import { LATE, type Withdrawal } from '../../../queue/withdrawal-row.ts'
import type { CallNote } from '../../../sale/calls.ts'
import { isSameCourse } from '../../../sale/course-key.ts'
import type { CourseStanding, DeliveryEvent } from '../../../sale/types.ts'
import { detailText, formText } from '../../../sale/words.ts'
import { factsHtml, listTable } from '../../layout/elements.ts'
import { courseHtml, numberText, stateHtml, supportUrl, testHtml, timeHtml } from '../../layout/format.ts'
import { fill, TEXTS } from '../../layout/texts.ts'

const words = TEXTS.delivery
const outcomeWords = TEXTS.outcome
const withdrawWords = TEXTS.withdraw
const attemptWords = TEXTS.attempts
const answerWords = TEXTS.answers

/** Returns what is known of a delivery, as a list beside its result. */
export function deliveryFactsHtml(delivery: Shown, lmsUrl: string): string {
  const { id, request, receivedAt, activeAt, dueAt, attempts, form, state, source, webhookId } = delivery
  const rows: (readonly [name: string, value: string] | null)[] = [
    [words.state, `${stateHtml(state)} ${testHtml(source)}`],
    ...(request === null ? [] : buyerRows(request, lmsUrl)),
    [words.received, timeHtml(receivedAt, 'seconds')],
    [words.active, timeHtml(activeAt, 'seconds')],
    dueAt === null ? null : [words.due, timeHtml(dueAt, 'seconds')],
    attempts === 0 ? null : [words.attempts, html`${attempts}`],
    source === 'shop' ? [words.form, html`${formText(form)}`] : [words.source, html`${words.sources[source]}`],
    webhookId === null ? null : [words.webhookId, html`<code>${webhookId}</code>`],
    [words.id, html`<code>${id}</code>`],
  ]
  return factsHtml(rows.filter((row) => row !== null))
}

/** Returns the payload as the shop sent it, indented. */
export function payloadHtml({ body }: Pick<Shown, 'body'>): string {
  const text = formatJson(Buffer.from(body).toString('utf8'))
  return html`<h2>${words.payload}</h2><pre tabindex="0" aria-label="${words.payload}">${text}</pre>`
}

function buyerRows(
  { email, name, family, username }: NonNullable<Shown['request']>,
  lmsUrl: string,
): [string, string][] {
  const link = html`<bdi>${email}</bdi> <a href="${supportUrl(email, lmsUrl)}">${words.inLms}</a>`
  return [
    [words.email, link],
    [words.name, html`<bdi>${name} ${family}</bdi>`],
    [words.username, html`<bdi>${username}</bdi>`],
  ]
}

/**
 * Indents JSON for reading. Numbers and texts stay as the sender wrote them, so it doesn't parse them. A text that is
 * no JSON is only broken into lines.
 */
export function formatJson(text: string): string {
  let depth = 0
  const line = (): string => `\n${'  '.repeat(Math.min(Math.max(depth, 0), DEEPEST))}`
  const tokens = text.match(TOKEN) ?? []
  return tokens
    .map((token, index) => {
      const isEmpty = CLOSING.test(tokens[index + 1] ?? '')
      if (OPENING.test(token)) {
        depth++
        return isEmpty ? token : token + line()
      }
      if (CLOSING.test(token)) {
        depth--
        return OPENING.test(tokens[index - 1] ?? '') ? token : line() + token
      }
      if (token === ',') return token + line()
      return token === ':' ? ': ' : token
    })
    .join('')
}

/** Deeper levels are not indented further, so that a hostile payload stays readable. */
const DEEPEST = 20
const TOKEN = /"(?:[^"\\]|\\.)*"?|[{}[\]:,]|[^\s{}[\]:,"]+/gs
const OPENING = /^[{[]$/
const CLOSING = /^[}\]]$/

/**
 * Returns the result of each course: under the LMS's key if it was enrolled, else under the key that the shop sent. With
 * what the last check found in the LMS.
 */
export function coursesHtml(delivery: WithCourses, lmsUrl: string): string {
  const rows = rowsOf(delivery)
  if (rows.length === 0) return html`<p>${outcomeWords.noCourses}</p>`
  return listTable({
    columns: outcomeWords.columns,
    rows: rows.map(({ key, result, live }) => [
      html`<div>!${courseHtml(key, lmsUrl)}</div>`,
      html`${result}`,
      html`<div>!${live}</div>`,
    ]),
  })
}

/** Returns the same as a short list, for a cell of a table. */
export function courseListHtml(delivery: WithCourses, lmsUrl: string): string {
  const items = rowsOf(delivery).map(
    ({ key, result, live }) =>
      html`<li>!${courseHtml(key, lmsUrl)}<br>${fill(outcomeWords.reported, { result })} !${live}</li>`,
  )
  return items.length === 0 ? html`<p>${outcomeWords.noCourses}</p>` : html`<ul class="courses">!${items.join('')}</ul>`
}

type WithCourses = Pick<Shown, 'request' | 'outcome' | 'state' | 'standings'>

/** Each course with what was reported, and as HTML what the LMS has. */
function rowsOf({ request, outcome, state, standings }: WithCourses): { key: string; result: string; live: string }[] {
  const done = Object.entries(outcome?.courses ?? {})
  const gone = Object.keys(standings).filter((key) => outcome?.courses[key] === undefined)
  const known = [...done.map(([key]) => key), ...gone]
  const isKnown = (key: string): boolean => known.some((other) => isSameCourse(key, other))
  const open = [...new Set(request?.courseIds ?? [])].filter((key) => !isKnown(key))
  const rest = state === 'queued' ? outcomeWords.pending : outcomeWords.notDone
  const row = (key: string, result: string) => {
    const standing = standings[key]
    const live =
      standing === undefined ? html`<span class="quiet">${outcomeWords.unchecked}</span>` : standingHtml(standing)
    return { key, result, live }
  }
  return [
    ...done.map(([key, result]) => row(key, outcomeWords.results[result])),
    ...gone.map((key) => row(key, state === 'withdrawn' ? outcomeWords.withdrawn : rest)),
    ...open.map((key) => row(key, rest)),
  ]
}

/** What the LMS has for the buyer in a course, in a sentence. */
export function standingText({ standing: found, mode }: Pick<CourseStanding, 'standing' | 'mode'>): string {
  const standing = TEXTS.standings[found]
  return mode === null ? fill(outcomeWords.inLms, { standing }) : fill(outcomeWords.inLmsMode, { standing, mode })
}

/** The same, with the time of the check. */
const standingHtml = (found: CourseStanding): string =>
  html`${standingText(found)} <span class="quiet">${outcomeWords.checkedAt} !${timeHtml(found.checkedAt)}.</span>`

/**
 * Returns events as a list, in their order.
 * @param of.base the path of the console: each entry then links to its delivery
 */
export function timelineHtml({ events, base }: { events: readonly DeliveryEvent[]; base?: string }): string {
  const items = events.map(({ at, kind, detail, actor, deliveryId }) => {
    const by = actor === null ? '' : html` <span class="quiet">${fill(TEXTS.delivery.by, { actor })}</span>`
    const link =
      base === undefined ? '' : html` <a href="${base}/deliveries/${deliveryId}"><code>${deliveryId}</code></a>`
    const more = detail === '' ? '' : html`<p><bdi>${detailText(detail)}</bdi></p>`
    return html`<li class="${kind.replaceAll('_', '-')}"><strong>${TEXTS.events[kind]}</strong>!${by} <span class="quiet">!${timeHtml(at, 'seconds')}</span>!${link}!${more}</li>`
  })
  return html`<ol class="timeline">!${items.join('')}</ol>`
}

/** Returns each call to the LMS about a delivery with its result, oldest first; '' if none is known. */
export function attemptsHtml(events: readonly DeliveryEvent[]): string {
  const rows = events.flatMap((event) => (event.calls ?? []).map((call) => callCells(event, call)))
  return rows.length === 0
    ? ''
    : html`<h2>${attemptWords.title}</h2>!${listTable({ columns: attemptWords.columns, rows })}`
}

function callCells({ at, kind, detail }: DeliveryEvent, { api, people, status, ms }: CallNote): string[] {
  const others = people - 1
  const count = others === 1 ? attemptWords.withOne : fill(attemptWords.withOthers, { count: numberText(others) })
  const name = api === 'single' ? attemptWords.single : html`<code>${api}</code>`
  const isGood = status !== null && status < 300
  const shown =
    api === 'single' ? '' : html`<span class="${isGood ? 'good' : 'bad'}">${status ?? attemptWords.none}</span>`
  return [
    html`<div>!${timeHtml(at, 'seconds')}</div>`,
    html`<div class="call">!${name}!${others === 0 ? '' : html`<br><span class="quiet">${count}</span>`}</div>`,
    html`<div>!${shown}</div>`,
    html`<div>${fill(attemptWords.ms, { ms: numberText(ms) })}</div>`,
    html`<div>${TEXTS.events[kind]}!${kind === 'retry_scheduled' ? html`<br><span class="quiet">${detail}</span>` : ''}</div>`,
  ]
}

/** Returns each answer that the shop got about a delivery, oldest first; '' if none is known. */
export function shopAnswersHtml({ first, omitted, last }: GivenAnswers): string {
  if (first.length === 0) return ''
  const gap = [fill(answerWords.omitted, { count: numberText(omitted) }), '', '', '']
  const rows = [...first.map(answerCells), ...(omitted === 0 ? [] : [gap]), ...last.map(answerCells)]
  return html`<h2>${answerWords.title}</h2>!${listTable({ columns: answerWords.columns, rows })}`
}

function answerCells({ at, to, status, ms }: GivenAnswer): string[] {
  const isGood = status !== null && status < 300
  return [
    html`<div>!${timeHtml(at, 'seconds')}</div>`,
    html`<div>${REQUEST_WORDS[to]}</div>`,
    html`<div><span class="${isGood ? 'good' : 'bad'}">${status ?? answerWords.hungUp}</span></div>`,
    html`<div>${fill(attemptWords.ms, { ms: numberText(ms) })}</div>`,
  ]
}

/** Whether the service still carries it out. */
export const isPending = ({ endedAt }: Withdrawal): boolean => endedAt === null

/** The withdrawals of a delivery with their progress, newest first; '' if there are none. */
export function withdrawalsHtml(withdrawals: readonly Withdrawal[]): string {
  if (withdrawals.length === 0) return ''
  return html`<h2>${withdrawWords.list}</h2><ol class="timeline" id="withdrawals">!${withdrawals.map(withdrawalHtml).join('')}</ol>`
}

function withdrawalHtml(withdrawal: Withdrawal): string {
  const { by, isRefund, requestedAt, courses, paid, result } = withdrawal
  const items = courses.map((course) => {
    const found = result?.courses[course]
    const what = found === undefined ? '' : kindText(found)
    return html`<li><code>${course}</code> ${what}</li>`
  })
  return html`<li><strong>${isRefund ? withdrawWords.refund : fill(withdrawWords.requested, { by })}</strong> <span class="quiet">!${timeHtml(requestedAt)}</span>
<p>!${progressHtml(withdrawal)}!${paid ? html` ${withdrawWords.includesPaid}` : ''}</p><ul>!${items.join('')}</ul></li>`
}

function progressHtml({ endedAt, dueAt, result }: Withdrawal): string {
  const message = result?.message ?? ''
  if (endedAt === null) {
    if (message === LATE) return html`${withdrawWords.late} !${timeHtml(dueAt)}.`
    return message === ''
      ? html`${withdrawWords.waiting}`
      : html`${fill(withdrawWords.retrying, { message })} !${timeHtml(dueAt)}.`
  }
  if (message !== '')
    return html`${fill(withdrawWords.endedWith, { message })} <span class="quiet">!${timeHtml(endedAt)}</span>`
  const kept = Object.values(result?.courses ?? {}).some(({ kind }) => kind === 'kept')
  return html`${kept ? withdrawWords.endedKept : withdrawWords.ended} <span class="quiet">!${timeHtml(endedAt)}</span>`
}

function kindText({ kind, why, mode }: NonNullable<Withdrawal['result']>['courses'][string]): string {
  const text = kind === 'kept' ? fill(withdrawWords.kinds.kept, { why }) : withdrawWords.kinds[kind]
  return kind === 'unenrolled' && mode !== null ? `${text} (${mode})` : text
}
