import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import type { Shown } from '../../../operators/find/listing.ts'
import type { TimelineEvent } from '../../../operators/find/timeline.ts'
import type { ShopAnswer } from '../../../queue/shop-answers.ts'
import { type Withdrawal, withdrawalsOf } from '../../../queue/withdrawals/withdrawal.ts'
import { type CallNote, EVENTS } from '../../../sale/types.ts'
import { detailText } from '../../../sale/words.ts'
import { type CourseName, courseNameHtml, namedHtml } from '../../layout/course-names.ts'
import { factsHtml } from '../../layout/elements.ts'
import { durationText, fillCount, numberText, signatureHtml, timeHtml } from '../../layout/format.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import { dayName, dayText } from '../../layout/zone.ts'
import { formatJson } from './delivery-facts.ts'

const words = TEXTS.timeline
const withdrawWords = TEXTS.withdraw
/** A result that came later than this says how long the buyer waited: ms. */
const LATER_MS = 60_000

interface Timeline {
  /** Oldest first. */
  readonly events: readonly TimelineEvent[]
  readonly request: FastifyRequest
  /** ms since 1970. */
  readonly now: number
  /** The delivery that it is about: its entries unfold more of it. Of several deliveries, each entry leads to its own. */
  readonly of?: Shown
}

/**
 * Returns what happened, the latest first, grouped by the days of the reader's zone. An entry unfolds what is known about
 * it: the calls to the LMS with their answers, the sender and the answer to it, the payload, the course of a withdrawal.
 */
export function timelineHtml(timeline: Timeline): string {
  return daysHtml({
    ...timeline,
    events: timeline.events.toReversed(),
    itemHtml: (event) => entryHtml(timeline, event),
  })
}

/** Returns what happened, the latest first, under the days of the reader's zone. `itemHtml`: returns the `li` of an event. */
export function daysHtml<Event extends Pick<TimelineEvent, 'at'>>(of: {
  readonly events: readonly Event[]
  readonly request: FastifyRequest
  readonly now: number
  readonly itemHtml: (event: Event) => string
}): string {
  const { events, request, now, itemHtml } = of
  const { zone } = request
  const days = Map.groupBy(events, ({ at }) => dayText(at, zone))
  const groups = [...days].map(
    ([day, ofDay]) =>
      html`<h3>${dayName({ day, now, zone })}</h3><ol class="timeline">!${ofDay.map(itemHtml).join('\n')}</ol>`,
  )
  return html`<div class="days">!${groups.join('\n')}</div>`
}

function entryHtml(timeline: Timeline, event: TimelineEvent): string {
  const { at, kind, actor, id } = event
  const by = actor === null ? '' : html` <span class="quiet">${fill(TEXTS.delivery.by, { actor })}</span>`
  const short = shortText(timeline, event)
  const line = html`<span class="at">!${timeHtml(at, 'time')}</span> <span class="what"><strong>${EVENTS[kind].name}</strong>!${by}!${short === '' ? '' : html` <span class="quiet">· <bdi>!${namedHtml(short, timeline.request.courseName)}</bdi></span>`}</span> <span class="took quiet">${tookText(event)}</span>`
  const more = unfoldedHtml(timeline, event)
  const entry =
    more === ''
      ? html`<div class="entry">!${line}</div>`
      : html`<details id="event-${id}"><summary class="entry">!${line}</summary>!${more}</details>`
  return html`<li class="${kind}">!${entry}</li>`
}

/** What an entry says beside its name. How a sale was signed is among what it unfolds. */
function shortText({ of }: Timeline, { at, kind, detail, answer, calls = [] }: TimelineEvent): string {
  const others = Math.max(0, ...calls.map(({ people }) => people - 1))
  const waited = of === undefined ? 0 : at - of.receivedAt
  const parts = [
    SIGNED.test(detail) ? '' : withoutName(kind, detailText(detail)),
    (kind === 'claimed' || kind === 'enrolled' || kind === 'pre_enrolled') && waited >= LATER_MS
      ? fill(words.afterSale, { time: durationText(waited) })
      : '',
    others === 0 ? '' : fillCount(words.others, others),
    answer === undefined ? '' : answerText(answer),
  ]
  return parts.filter((part) => part !== '').join(' · ')
}
const SIGNED = /^signed over: /

/** The detail of a result that is the same in every course names only the courses. */
function withoutName(kind: TimelineEvent['kind'], detail: string): string {
  const name = kind === 'enrolled' ? 'enrolled in ' : kind === 'pre_enrolled' ? 'pre-enrolled in ' : null
  if (name === null) return detail
  const parts = detail.split('; ')
  return parts.every((part) => part.startsWith(name)) ? parts.map((part) => part.slice(name.length)).join(', ') : detail
}

function answerText({ status, ms }: ShopAnswer): string {
  if (status === null) return fill(words.hungUp, { ms: numberText(ms) })
  if (status < 300) return fill(words.answered, { ms: numberText(ms) })
  return status < 500 ? fill(words.refused, { status: `${status}` }) : fill(words.stored, { status: `${status}` })
}

/** The calls for one person are stored as one, so nobody knows their number. */
function tookText({ calls = [] }: TimelineEvent): string {
  const [only, ...more] = calls
  if (only === undefined) return ''
  const ms = numberText(calls.reduce((sum, call) => sum + call.ms, 0))
  if (calls.some(({ api }) => api === 'single')) return fill(words.ms, { ms })
  if (more.length > 0) return fillCount(words.calls, calls.length, { ms })
  return only.status === null ? fill(words.ms, { ms }) : fill(words.took, { status: `${only.status}`, ms })
}

function unfoldedHtml(
  { of, request }: Timeline,
  { at, kind, detail, calls = [], answer, deliveryId }: TimelineEvent,
): string {
  const { form, body } = of ?? {}
  const isSale = kind === 'received'
  const orders = of === undefined || kind !== 'withdrawal_requested' ? [] : withdrawalsOf(of)
  const order = orders.find(({ requestedAt }) => requestedAt === at)
  const id = html`<a href="~/deliveries/${deliveryId}"><code>${deliveryId}</code></a>`
  const facts = factsHtml([
    [words.delivery, of === undefined ? id : ''],
    [words.from, answer?.from === undefined ? '' : html`<code>${answer.from}</code>`],
    [words.signature, isSale && form !== undefined && SIGNED.test(detail) ? signatureHtml(form) : ''],
    [words.answer, answer === undefined ? '' : html`${givenText(answer)}`],
    ...calls.flatMap(callRows),
  ])
  const payload =
    isSale && body !== undefined
      ? html`<pre tabindex="0" aria-label="${words.payload}">${formatJson(Buffer.from(body).toString('utf8'))}</pre>`
      : ''
  const progress = order === undefined ? '' : withdrawalHtml(order, request.courseName)
  return facts + progress + payload
}

const givenText = ({ status, ms }: ShopAnswer): string =>
  status === null
    ? fill(words.hungUp, { ms: numberText(ms) })
    : fill(words.statusAfter, { status: `${status}`, ms: numberText(ms) })

/** How the LMS is called, by the name under which the calls of an attempt are stored. */
const CALLS: Readonly<Record<Exclude<CallNote['api'], 'single'>, string>> = {
  bulk_enroll: 'POST /api/bulk_enroll/v1/bulk_enroll',
  'enrollments/modify': 'POST /api/instructor/v2/courses/{course}/enrollments/modify',
}

function callRows({ api, status, ms: took }: CallNote): (readonly [name: string, value: string])[] {
  const ms = numberText(took)
  if (api === 'single') return [[words.several, html`${fill(words.single, { ms })}`]]
  const answer = status === null ? fill(words.noneAfter, { ms }) : fill(words.statusAfter, { status: `${status}`, ms })
  return [
    [words.call, html`<code>${CALLS[api]}</code>`],
    [words.lmsAnswer, html`${answer}`],
  ]
}

/** What came of an order to take the buyer out of courses, or how far it is. */
export function withdrawalHtml(order: Withdrawal, courseName: CourseName): string {
  const { courses, paid, hadBefore, result } = order
  const items = courses.map((course) => {
    const found = result?.courses[course]
    return html`<li>!${courseNameHtml(course, courseName)} ${found === undefined ? '' : kindText(found)}</li>`
  })
  return html`<p>!${progressHtml(order)}!${paid ? html` ${withdrawWords.includesPaid}` : ''}!${hadBefore ? html` ${withdrawWords.includesHadBefore}` : ''}</p><ul>!${items.join('')}</ul>`
}

function progressHtml({ endedAt, dueAt, result }: Withdrawal): string {
  const message = result?.message ?? ''
  if (endedAt === null) {
    return dueAt === null || message === ''
      ? html`${withdrawWords.waiting}`
      : html`${fill(withdrawWords.retrying, { message })} !${timeHtml(dueAt)}.`
  }
  if (message !== '')
    return html`${fill(withdrawWords.endedWith, { message })} <span class="quiet">!${timeHtml(endedAt)}</span>`
  const kept = Object.values(result?.courses ?? {}).some(({ kind }) => kind === 'kept')
  return html`${kept ? withdrawWords.endedKept : withdrawWords.ended} <span class="quiet">!${timeHtml(endedAt)}</span>`
}

function kindText({ kind, why, mode }: NonNullable<Withdrawal['result']>['courses'][string]): string {
  const text =
    kind === 'kept' || kind === 'had_before' || why !== ''
      ? fill(withdrawWords.kinds.kept, { why })
      : withdrawWords.kinds[kind]
  return kind === 'unenrolled' && mode !== null ? `${text} (${mode})` : text
}
