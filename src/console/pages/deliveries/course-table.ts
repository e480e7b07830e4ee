import { html } from 'ghtml'
import type { Shown } from '../../../operators/find/listing.ts'
import { isSameCourse } from '../../../sale/course-key.ts'
import type { CourseStanding } from '../../../sale/types.ts'
import { listTable } from '../../layout/elements.ts'
import { courseHtml, timeHtml } from '../../layout/format.ts'
import { fill, TEXTS } from '../../layout/texts.ts'

const words = TEXTS.outcome

/**
 * Returns the result of each course: under the LMS's key if it was enrolled, else under the key that the shop sent. With
 * what the last check found in the LMS.
 */
export function coursesHtml(delivery: WithCourses, lmsUrl: string): string {
  const rows = rowsOf(delivery)
  if (rows.length === 0) return html`<p>${words.noCourses}</p>`
  return listTable({
    columns: words.columns,
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
      html`<li>!${courseHtml(key, lmsUrl)}<br>${fill(words.reported, { result })} !${live}</li>`,
  )
  return items.length === 0 ? html`<p>${words.noCourses}</p>` : html`<ul class="courses">!${items.join('')}</ul>`
}

type WithCourses = Pick<Shown, 'request' | 'outcome' | 'state' | 'standings'>

/** Each course with what was reported, and as HTML what the LMS has. */
function rowsOf({ request, outcome, state, standings }: WithCourses): { key: string; result: string; live: string }[] {
  const done = Object.entries(outcome?.courses ?? {})
  const gone = Object.keys(standings).filter((key) => outcome?.courses[key] === undefined)
  const known = [...done.map(([key]) => key), ...gone]
  const isKnown = (key: string): boolean => known.some((other) => isSameCourse(key, other))
  const open = [...new Set(request?.courseIds ?? [])].filter((key) => !isKnown(key))
  const rest = state === 'queued' ? words.pending : words.notDone
  const row = (key: string, result: string) => {
    const standing = standings[key]
    const live = standing === undefined ? html`<span class="quiet">${words.unchecked}</span>` : standingHtml(standing)
    return { key, result, live }
  }
  return [
    ...done.map(([key, result]) => row(key, words.results[result])),
    ...gone.map((key) => row(key, state === 'withdrawn' ? words.withdrawn : rest)),
    ...open.map((key) => row(key, rest)),
  ]
}

/** What the LMS has for the buyer in a course, in a sentence. */
export function standingText({ standing: found, mode }: Pick<CourseStanding, 'standing' | 'mode'>): string {
  const standing = TEXTS.standings[found]
  return mode === null ? fill(words.inLms, { standing }) : fill(words.inLmsMode, { standing, mode })
}

/** The same, with the time of the check. */
const standingHtml = (found: CourseStanding): string =>
  html`${standingText(found)} <span class="quiet">${words.checkedAt} !${timeHtml(found.checkedAt)}.</span>`
