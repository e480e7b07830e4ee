import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import { isMarkable, type MarkedCause } from '../../../operators/reports/cause-marks.ts'
import { CAUSES_MAX } from '../../../operators/reports/overview.ts'
import { REASONS } from '../../../sale/types.ts'
import { type CourseName, courseNameHtml } from '../../layout/course-names.ts'
import { differenceHtml, hiddenFields } from '../../layout/elements.ts'
import { fillCount, numberText, timeHtml } from '../../layout/format.ts'
import type { Period } from '../../layout/period.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import { queryText } from '../deliveries/list-filters.ts'
import { shortKey } from '../deliveries/list-rows.ts'

const words = TEXTS.overview
/** The overview shows this many causes; the list has the others. */
const SHOWN = 12
/** No more are read. */
const MANY = `${CAUSES_MAX}+`

/**
 * Returns the box with the sales that were paid and are not enrolled as sold, grouped by cause, each with a replay of its
 * group; '' if there are none.
 */
export function causesHtml(of: Context & { causes: readonly MarkedCause[]; count: number }): string {
  const { causes, count } = of
  if (count === 0 || causes.length === 0) return ''
  const isMixed = causes.some(({ state }) => state === 'rejected')
  const title = fillCount(isMixed ? words.attention.unpaid : words.attention.needs, count, {
    causes: fillCount(words.attention.causes, causes.length, causes.length < CAUSES_MAX ? {} : { count: MANY }),
  })
  const rows = causes.slice(0, SHOWN).map((cause) => causeHtml(cause, of))
  const cut = causes.length > SHOWN ? html`<p class="quiet">${words.attention.cut}</p>` : ''
  return html`<section class="needs" aria-labelledby="causes"><div class="needs-head"><h2 id="causes">${words.attention.title}</h2><p>${title}</p></div>
<ul>!${rows.join('\n')}</ul>!${cut}</section>`
}

interface Context {
  /** The period that the address of the page names, to which a form leads back. */
  readonly asked: Period
  readonly courseName: CourseName
  readonly closestCourse: FastifyRequest['closestCourse']
}

function causeHtml(cause: MarkedCause, { asked, closestCourse, courseName }: Context): string {
  const { state, code, course, count, firstAt, lastAt, latest } = cause
  const group = { state, cause: code, about: course ?? '' }
  const query = queryText(group)
  const list = count === 1 ? `~/deliveries/${latest}` : `~/deliveries${query}`
  const isMissing = code === 'course.missing' && course !== null
  const similar = isMissing ? closestCourse(course) : null
  const isOther = similar !== null && course !== null
  const key =
    course === null
      ? ''
      : isOther
        ? html`: !${differenceHtml(course, similar)}`
        : html`: !${courseNameHtml(course, courseName)}`
  const looksLike = isOther ? `${looksLikeHtml(similar, course, courseName)} ` : ''
  const { name, todoMany, waitsFor } = REASONS[code]
  const title = state === 'rejected' ? fill(words.attention.rejected, { name }) : name
  const replay = html`<a class="button second" href="~/replay${query}">${fillCount(words.attention.replay, count)}</a>`
  // If what the key was meant to be is known, a replay alone can't help.
  const correctText =
    similar === null
      ? TEXTS.delivery.correct
      : fillCount(words.attention.correct, count, { course: courseName(similar) ?? shortKey(similar) })
  const look = similar === null ? 'button second' : 'button'
  const correct = isMissing
    ? html`<a class="${look}" href="~/correct${queryText({ ...group, enroll_in: similar ?? '' })}">${correctText}</a> `
    : ''
  const action =
    waitsFor !== null || state === 'rejected'
      ? html`<a class="button second" href="${list}">${fillCount(words.attention.open, count)}</a>`
      : correct + replay
  const first = count === 1 ? '' : html`${words.attention.first} !${timeHtml(firstAt, 'ago')}, `
  return html`<li class="need" id="cause-${state}-${code}-${course ?? ''}"><strong class="figure">${numberText(count)}</strong>
<div><h3><a href="${list}">${title}!${key}</a></h3> <small class="quiet">!${first}${words.attention.last} !${timeHtml(lastAt, 'ago')}</small><p class="quiet">!${looksLike}${todoMany}</p>!${markHtml(cause, asked)}</div>
<div class="actions">!${action}</div></li>`
}

/** The course that was meant, most likely, with the letters that differ. */
function looksLikeHtml(similar: string, course: string, courseName: CourseName): string {
  const name = courseName(similar)
  const key = differenceHtml(similar, course, 'good')
  return html`${TEXTS.delivery.looksLike} !${name === null ? key : html`<strong><bdi>${name}</bdi></strong>, !${key}`}.`
}

/** Who works on a cause, or has removed it, and whether it came back; and the buttons to say so. */
function markHtml(cause: MarkedCause, asked: Period): string {
  if (!isMarkable(cause)) return ''
  const { code, course, mark, cameBack } = cause
  const who =
    mark === null ? '' : html`${fill(words.attention.marks[mark.kind], { by: mark.by })}, !${timeHtml(mark.at)}.`
  const back = cameBack ? html`<strong class="bad">${words.attention.cameBack}</strong> ` : ''
  const fields = hiddenFields({ code, course: course ?? '' })
  const isOpen = mark === null || cameBack
  const button = isOpen
    ? html`<button class="plain" name="kind" value="cause_acknowledged">${words.attention.acknowledge}</button>`
    : mark.kind === 'cause_acknowledged'
      ? html`<button class="plain" name="kind" value="cause_resolved">${words.attention.resolve}</button>`
      : ''
  const form =
    button === '' ? '' : html`<form method="post" action="~/causes${queryText(asked)}">!${fields}!${button}</form>`
  return html`<div class="mark">!${back}!${who === '' ? '' : html`<span class="quiet">!${who}</span> `}!${form}</div>`
}
