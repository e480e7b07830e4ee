import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import type { Summary } from '../../../operators/find/listing.ts'
import { isWrongKey } from '../../../queue/correct.ts'
import { UNSOLVED } from '../../../queue/rows.ts'
import { isSameCourse } from '../../../sale/course-key.ts'
import { deliverySentence } from '../../../sale/delivery-sentence.ts'
import { type CourseLine, courseLines, hasOrder } from '../../../sale/line.ts'
import { courseOfReason, REASONS, type Reason } from '../../../sale/types.ts'
import { reasonSentence, subjectText } from '../../../sale/words.ts'
import { type CourseName, factHtml } from '../../layout/course-names.ts'
import { durationText, fillCount, stateHtml, testHtml, timeHtml } from '../../layout/format.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import { dayName, dayText, type Look } from '../../layout/zone.ts'
import type { PageParts } from '../../parts.ts'

const words = TEXTS.deliveries
const outcomeWords = TEXTS.listOutcome
const PREFIX = 'course-v1:'
const MINUTE_MS = 60_000

interface Table {
  readonly parts: Pick<PageParts, 'outage' | 'now'>
  readonly request: FastifyRequest
  /** The filters of the list as the end of an address: the delivery's page then knows its neighbors in this list. */
  readonly list?: string
  /**
   * Whether the rows are grouped by the day of their last activity, each with a check box, as in a form that does something
   * with the selected ones.
   */
  readonly isSelectable?: boolean
}

/**
 * Returns deliveries as a table; each row links to the delivery's page. A narrow screen shows each row as a card. That
 * style removes the roles of a table, so the elements name them explicitly.
 */
export function tableHtml(items: readonly Summary[], of: Table): string {
  const head = words.columns.map((name) => html`<th role="columnheader" scope="col">${name}</th>`)
  const rows = (): string => items.map((item) => rowHtml(item, of)).join('\n')
  return html`<table class="deliveries" role="table"><thead role="rowgroup"><tr role="row">!${head.join('')}</tr></thead>
!${of.isSelectable ? daysHtml(items, of) : html`<tbody role="rowgroup">!${rows()}</tbody>`}</table>`
}

/** The rows below the names of their days. Of other days than today, a row has only the time. */
function daysHtml(items: readonly Summary[], of: Table): string {
  const { zone } = of.request
  const now = of.parts.now()
  const days = Map.groupBy(items, ({ activeAt }) => dayText(activeAt, zone))
  const groups = [...days].map(([day, ofDay]) => {
    const name = dayName({ day, now, zone })
    const heading = html`<tr role="row" class="day"><th class="day-name" role="rowheader" scope="rowgroup" colspan="${words.columns.length}">${name}</th></tr>`
    const isToday = day === dayText(now, zone)
    const rows = ofDay.map((item) => rowHtml(item, of, isToday ? 'ago' : 'clock'))
    return html`<tbody role="rowgroup" id="day-${day}">!${heading}!${rows.join('\n')}</tbody>`
  })
  return groups.join('\n')
}

/** The id of a row lets an update keep the rows that are still there. */
function rowHtml(item: Summary, of: Table, look: Look = 'ago'): string {
  const { list = '', isSelectable = false } = of
  const { courseName } = of.request
  const { id, state, email, name, activeAt, source, reason } = item
  const address = email ?? words.noEmail
  const why = reason === null ? '' : html` title="${reasonSentence(reason)}"`
  const select = fill(words.select, { buyer: name || address })
  const pick = isSelectable
    ? html`<label class="pick"><input type="checkbox" name="id" value="${id}" aria-label="${select}"!${hasWrongKey(item) ? ' data-wrong-key' : ''}></label>`
    : ''
  return html`<tr role="row" id="row-${id}">
<td role="cell">!${stateHtml(state)} !${testHtml(source)}</td>
<td role="cell"><a class="row-link" href="~/deliveries/${id}${list}" title="${address}"><span><bdi>${name || words.noName}</bdi></span> <bdi><small>${address}</small></bdi></a>!${pick}</td>
<td role="cell">!${coursesHtml(item, courseName)}</td>
<td role="cell"!${why}><span class="outcome">!${outcomeLineHtml(item, of)}</span></td>
<td role="cell">!${timeHtml(activeAt, look)}</td></tr>`
}

/** A course key without the beginning that all new keys share. */
export const shortKey = (key: string): string => (key.startsWith(PREFIX) ? key.slice(PREFIX.length) : key)

/** Whether a selection can be corrected to another course because this delivery is in it. */
export const hasWrongKey = ({ state, reason }: Summary): boolean =>
  UNSOLVED.some((one) => one === state) && isWrongKey(reason?.code)

/** Of a sale of more courses, a row names this many. */
const COURSES_SHOWN = 3

/**
 * The course by its name, and its key without the beginning that all share. Of several courses, each has a line with what
 * the buyer has there.
 */
function coursesHtml(item: Summary, courseName: CourseName): string {
  const lines = courseLines(item)
  const [first, ...more] = lines.map(({ course }) => course)
  if (first === undefined) return ''
  const name = courseName(first)
  if (more.length === 0) {
    const key = html`<code title="${first}">${shortKey(first)}</code>`
    return name === null ? key : html`<bdi class="course">${name}</bdi> <small>!${key}</small>`
  }
  const shown = lines.slice(0, COURSES_SHOWN).map((line) => courseLineHtml(line, item, courseName))
  const rest = more.slice(COURSES_SHOWN - 1)
  const last =
    rest.length === 0 ? '' : html`<li title="${rest.join(', ')}">${fillCount(words.moreCourses, rest.length)}</li>`
  return html`<ul class="course-lines">!${shown.join('')}!${last}</ul>`
}

function courseLineHtml(line: CourseLine, item: Summary, courseName: CourseName): string {
  const { course } = line
  const name = courseName(course)
  const shown = name === null ? html`<code>${shortKey(course)}</code>` : html`<bdi>${name}</bdi>`
  const is = wordOf(line, item)
  return html`<li title="${course}">!${shown} <small class="${is}">${words.lines[is]}</small></li>`
}

function wordOf({ course, is, taken }: CourseLine, { state, reason }: Summary): keyof typeof words.lines {
  if (is !== 'out') return is
  if (taken !== null) return 'withdrawn'
  const about = reason === null ? null : courseOfReason(reason)
  if (about !== null && isSameCourse(about, course)) return 'failed'
  return state === 'queued' ? 'queued' : 'out'
}

function outcomeLineHtml(item: Summary, { parts, request }: Table): string {
  const { state, reason } = item
  switch (state) {
    case 'queued':
      return waitHtml(item, parts)
    case 'enrolled':
      return enrolledHtml(item, request.courseName)
    case 'pre_enrolled':
    case 'handled':
    case 'withdrawn':
      return factHtml(deliverySentence(item), request.courseName)
    case 'needs_attention':
    case 'rejected':
      return html`${reason === null ? '' : reasonLine(reason)}`
  }
}

/** A reason in a few words. What a sender did wrong is named. */
const reasonLine = (reason: Reason): string =>
  REASONS[reason.code].subject === 'field_errors' ? subjectText(reason) : REASONS[reason.code].name

function waitHtml({ attempts, dueAt }: Summary, { outage, now }: Table['parts']): string {
  const down = outage()
  if (down !== null) {
    return html`<span title="${down.failure.message}">${TEXTS.status.lms[down.kind]}; ${outcomeWords.continues}</span>`
  }
  if (attempts === 0 || dueAt === null || dueAt <= now()) return html`${outcomeWords.attempting}`
  return html`${outcomeWords.next} !${timeHtml(dueAt, 'ago')}; ${outcomeWords.failed}`
}

/**
 * How long the enrollment took, if the buyer is in every course. After a replay or a repeat, the first success counts, as
 * the buyer saw it; but not that of an allowance, which a look found used.
 */
function enrolledHtml(item: Summary, courseName: CourseName): string {
  const sentence = deliverySentence(item)
  if (sentence.situation !== 'enrolled' || hasOrder(item)) return factHtml(sentence, courseName)
  const { receivedAt, settledAt, doneAt, replayedAt, generation, lines } = item
  const isFirst = replayedAt === null && generation === 0
  const at = isFirst || lines.some(({ claimed }) => claimed) ? settledAt : doneAt
  if (at === null) return ''
  const took = at - receivedAt
  if (took < MINUTE_MS)
    return html`${fill(outcomeWords.within, { time: durationText(Math.ceil(took / 1000 || 1) * 1000) })}`
  return html`${fill(outcomeWords.after, { time: durationText(took - (took % MINUTE_MS)) })}`
}
