import { html } from 'ghtml'
import { courseHtml, timeHtml } from '../console-layout/format.ts'
import { fill, TEXTS } from '../console-layout/texts.ts'
import { isSameCourse } from '../delivery/same-course.ts'
import type { Reason } from '../delivery/types.ts'
import type { Shown } from '../operations/operations.ts'
import { standingHtml } from './standing.ts'

const words = TEXTS.outcome

/** Returns the box at the top of a delivery's page: its state, the reason, and what an operator has to do. */
export function outcomeHtml({ state, outcome, unreadable, dueAt }: Shown): string {
  const { title, grade } = words.states[state]
  if (unreadable !== null) {
    return html`<div class="note bad"><h2>${words.unreadable}</h2><p>${unreadable}</p></div>`
  }
  const reason = outcome?.reason ?? null
  const why = reason === null ? '' : html`<p>${reasonText(reason)}</p><p>${words.reasons[reason.code].todo}</p>`
  const next = state === 'queued' && dueAt !== null ? html`<p>${words.nextAttemptAt} !${timeHtml(dueAt)}.</p>` : ''
  const text = reason === null || state === 'handled' ? html`<p>${words.states[state].text}</p>` : ''
  return html`<div class="note ${grade}"><h2>${title}</h2>!${text}!${why}!${next}</div>`
}

/** Returns why a delivery did not succeed, in a sentence. */
export const reasonText = ({ code, subject }: Reason): string => fill(words.reasons[code].what, { subject })

/**
 * Returns the result of each course: under the LMS's key if it was enrolled, else under the key that the shop sent. With
 * what the last check found in the LMS.
 */
export function coursesHtml(
  { request, outcome, state, standings }: Pick<Shown, 'request' | 'outcome' | 'state' | 'standings'>,
  lmsUrl: string,
): string {
  const done = Object.entries(outcome?.courses ?? {})
  const gone = Object.keys(standings).filter((key) => outcome?.courses[key] === undefined)
  const known = [...done.map(([key]) => key), ...gone]
  const isKnown = (key: string): boolean => known.some((other) => isSameCourse(key, other))
  const open = [...new Set(request?.courseIds ?? [])].filter((key) => !isKnown(key))
  if (known.length + open.length === 0) return html`<p>${words.noCourses}</p>`
  const rest = state === 'queued' ? words.pending : words.notDone
  const row = (key: string, result: string): string => {
    const standing = standings[key]
    const live = standing === undefined ? '' : html`<br>!${standingHtml(standing)}`
    return html`<li>!${courseHtml(key, lmsUrl)}<br>${result}!${live}</li>`
  }
  const rows = [
    ...done.map(([key, result]) => row(key, fill(words.reported, { result: words.results[result] }))),
    ...gone.map((key) => row(key, state === 'withdrawn' ? words.withdrawn : rest)),
    ...open.map((key) => row(key, rest)),
  ]
  return html`<ul class="courses">!${rows.join('')}</ul>`
}
