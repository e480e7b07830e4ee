import { html } from 'ghtml'
import type { Shown } from '../../../operators/find/listing.ts'
import { isSameCourse } from '../../../sale/course-key.ts'
import { type Achievement, type CourseStanding, isTakenOut, isWanted } from '../../../sale/line.ts'
import type { DeliveryState } from '../../../sale/types.ts'
import { STANDING_TEXTS } from '../../../sale/words.ts'
import { type CourseLinks, courseLinkHtml } from '../../layout/course-names.ts'
import { factsHtml, listTable } from '../../layout/elements.ts'
import { fillCount, signatureHtml, supportUrl, timeHtml } from '../../layout/format.ts'
import { fill, TEXTS } from '../../layout/texts.ts'

const words = TEXTS.delivery
const outcomeWords = TEXTS.outcome

/**
 * Returns who bought and who sent a delivery, as lists beside its result.
 * @param of.from who sent it, if that is known
 */
export function deliveryFactsHtml(delivery: Shown, of: { lmsUrl: string; from: string | null }): string {
  const { id, request, form, source, webhookId } = delivery
  const person =
    request === null ? '' : html`<h2>${words.buyer}</h2>!${factsHtml(buyerRows(delivery, request, of.lmsUrl))}`
  const facts = factsHtml([
    [words.from, of.from === null ? '' : html`<code>${of.from}</code>`],
    source === 'shop' ? [words.form, signatureHtml(form)] : [words.source, html`${words.sources[source]}`],
    [words.webhookId, webhookId === null ? '' : html`<code>${webhookId}</code>`],
    [words.id, html`<code>${id}</code>`],
  ])
  return html`!${person}<h2>${words.details}</h2>!${facts}`
}

function buyerRows(
  { id }: Pick<Shown, 'id'>,
  { email, name, family, username }: NonNullable<Shown['request']>,
  lmsUrl: string,
): [string, string][] {
  const link = html`<bdi>${email}</bdi> <a href="${supportUrl(email, lmsUrl)}">${words.inLms}</a>`
  return [
    [words.name, html`<bdi>${name} ${family}</bdi>`],
    [words.email, link],
    [words.username, html`<bdi>${username}</bdi>`],
    [words.otherSales, html`<a href="~/people/${id}">${words.person}</a>`],
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
export function coursesHtml(delivery: WithCourses, of: CourseLinks): string {
  const list = listTable({
    columns: outcomeWords.columns,
    none: outcomeWords.noCourses,
    rows: rowsOf(delivery).map(({ key, result, live }) => [
      html`<div>!${courseLinkHtml(key, of)}</div>`,
      html`<span class="word">${result}</span>`,
      html`<div>!${live}</div>`,
    ]),
  })
  return list + moreHtml(delivery)
}

/** Returns the same as a short list, for a cell of a table. */
export function courseListHtml(delivery: WithCourses, of: CourseLinks): string {
  const items = rowsOf(delivery).map(
    ({ key, result, live }) =>
      html`<li><div>!${courseLinkHtml(key, of)}</div><div>${fill(outcomeWords.reported, { result })} !${live}</div></li>`,
  )
  if (items.length === 0) return html`<p>${outcomeWords.noCourses}</p>`
  return html`<ul class="courses">!${items.join('')}</ul>!${moreHtml(delivery)}`
}

/** No shop sells more at once, but a wrong payload can name thousands, and the page is read again every two seconds. */
const COURSES_SHOWN = 200

const moreHtml = ({ lines }: Pick<WithCourses, 'lines'>): string =>
  lines.length <= COURSES_SHOWN
    ? ''
    : html`<p class="quiet">${fillCount(outcomeWords.moreCourses, lines.length - COURSES_SHOWN)}</p>`

type WithCourses = Pick<Shown, 'request' | 'state' | 'reason' | 'lines'>

/** The first courses of a sale that could be read, with what was reported, and as HTML what the LMS has. */
function rowsOf({ request, state, reason, lines }: WithCourses): { key: string; result: string; live: string }[] {
  if (request === null) return []
  return lines.slice(0, COURSES_SHOWN).map((line) => {
    const { course: key, result, standing, achievement } = line
    const isOut = isTakenOut(line) || (state === 'withdrawn' && standing !== null)
    const rest = state === 'queued' && isWanted(line) ? outcomeWords.pending : outcomeWords.notDone
    const isMissing = reason?.code === 'course.missing' && isSameCourse(reason.subject, key)
    const live =
      standing === null
        ? html`<span class="quiet">${isMissing ? TEXTS.courses.states.missing : outcomeWords.unchecked}</span>`
        : standingHtml(standing, html`${outcomeWords.checkedAt} !${timeHtml(standing.checkedAt)}`)
    return {
      key,
      result: result !== null ? outcomeWords.results[result] : isOut ? outcomeWords.withdrawn : rest,
      live: achievement === null ? live : html`!${live}<div>!${achievementHtml(achievement)}</div>`,
    }
  })
}

function achievementHtml({ passedAt, percent, certificate }: Achievement): string {
  const passed = percent === undefined ? outcomeWords.passed : fill(outcomeWords.passedWith, { percent: `${percent}` })
  const found = html`${passed} <span class="quiet">${outcomeWords.foundAt} !${timeHtml(passedAt)}.</span>`
  if (certificate === undefined) return found
  const { status, url } = certificate
  const words = outcomeWords.certificates[status]
  return html`!${found} !${url === null ? html`${words}` : html`<a href="${url}">${words}</a>`}`
}

const STANDING_LOOKS: Readonly<Record<CourseStanding['standing'], DeliveryState>> = {
  enrolled: 'enrolled',
  no_account: 'pre_enrolled',
  not_activated: 'pre_enrolled',
  unenrolled: 'withdrawn',
  missing: 'withdrawn',
  retired: 'needs_attention',
  other_account: 'needs_attention',
}

/**
 * Returns what the LMS has for the buyer in a course.
 * @param when when that was found or began, as escaped HTML
 */
export function standingHtml(
  { standing, mode, moved }: Pick<CourseStanding, 'standing' | 'mode' | 'moved'>,
  when: string,
): string {
  const more = [
    mode === null ? '' : html`${fill(outcomeWords.mode, { mode })}`,
    moved ? html`${outcomeWords.moved}` : '',
    when,
  ]
  const known = more.filter((text) => text !== '').join(' · ')
  return html`<span class="state ${STANDING_LOOKS[standing]}">${STANDING_TEXTS[standing].name}</span>!${known === '' ? '' : html` <small class="quiet">!${known}</small>`}`
}
