import { html } from 'ghtml'
import type { Shown } from '../operations/operations.ts'
import { courseHtml, timeHtml } from './format.ts'
import { fill, TEXTS } from './texts.ts'

const words = TEXTS.outcome

/** Returns the box at the top of a delivery's page: its state, the reason, and what an operator has to do. */
export function outcomeHtml({ state, outcome, unreadable, dueAt }: Shown): string {
  const { title, grade } = words.states[state]
  if (unreadable !== null) {
    return html`<div class="note bad"><h2>${words.unreadable}</h2><p>${unreadable}</p></div>`
  }
  const reason = outcome?.reason ?? null
  const why =
    reason === null
      ? ''
      : html`<p>${fill(words.reasons[reason.code].what, { subject: reason.subject })}</p><p>${words.reasons[reason.code].todo}</p>`
  const next = state === 'queued' && dueAt !== null ? html`<p>${words.nextAttemptAt} !${timeHtml(dueAt)}.</p>` : ''
  const text = reason === null || state === 'handled' ? html`<p>${words.states[state].text}</p>` : ''
  return html`<div class="note ${grade}"><h2>${title}</h2>!${text}!${why}!${next}</div>`
}

/** Returns the result of each course: under the LMS's key if it was enrolled, else under the key that the shop sent. */
export function coursesHtml({ request, outcome, state }: Shown, lmsUrl: string): string {
  const done = Object.entries(outcome?.courses ?? {})
  const isDone = (key: string): boolean => done.some(([other]) => sameCourse(key, other))
  const open = [...new Set(request?.courseIds ?? [])].filter((key) => !isDone(key))
  if (done.length + open.length === 0) return html`<p>${words.noCourses}</p>`
  const rest = state === 'queued' ? words.pending : words.notDone
  const rows = [
    ...done.map(([key, result]) => html`<li>!${courseHtml(key, lmsUrl)}<br>${words.results[result]}</li>`),
    ...open.map((key) => html`<li>!${courseHtml(key, lmsUrl)}<br>${rest}</li>`),
  ]
  return html`<ul class="courses">!${rows.join('')}</ul>`
}

/** The LMS finds a course by a key in another letter case, or with a branch or a version, and returns the course's true key. */
function sameCourse(sent: string, found: string): boolean {
  const plain = (key: string): string => key.replace(/\+(branch|version)@[^+]+/g, '').toLowerCase()
  return plain(sent) === plain(found)
}
