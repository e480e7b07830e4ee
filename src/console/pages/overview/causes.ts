import { html } from 'ghtml'
import { isMarkable, type MarkedCause } from '../../../operators/reports/cause-marks.ts'
import type { Cause } from '../../../operators/reports/overview.ts'
import { isSameCourse } from '../../../sale/course-key.ts'
import { REASONS } from '../../../sale/types.ts'
import { type CourseName, courseNameHtml } from '../../layout/course-names.ts'
import { differenceHtml, hiddenField } from '../../layout/elements.ts'
import { agoHtml, numberText, timeHtml } from '../../layout/format.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import type { LmsCalls } from '../../parts.ts'
import { queryText } from '../deliveries/list-filters.ts'
import { shortKey } from '../deliveries/list-rows.ts'

const words = TEXTS.overview
/** The overview shows this many causes; the list has the others. */
const SHOWN = 12
/** A course can be created or renamed in the LMS at any time, but the overview updates every few seconds: ms. */
const KEPT_MS = 10 * 60_000
/** At most this many keys are remembered, so that hostile ones don't fill the memory. */
const KEYS_MAX = 200
/** How many keys one overview has looked up, one after the other. */
const LOOKED_UP_MAX = 5

/**
 * Returns the box with the sales that were paid and are not enrolled as sold, grouped by cause, each with a replay of its
 * group; '' if there are none.
 * @param of.closest see createClosestCourses
 */
export function causesHtml(of: Context & { causes: readonly MarkedCause[]; count: number }): string {
  const { causes, count } = of
  if (count === 0 || causes.length === 0) return ''
  const from =
    causes.length === 1 ? words.attention.oneCause : fill(words.attention.causes, { count: numberText(causes.length) })
  const isMixed = causes.some(({ state }) => state === 'rejected')
  const many = fill(isMixed ? words.attention.unpaid : words.attention.many, {
    count: numberText(count),
    causes: from,
  })
  const title = count > 1 ? many : isMixed ? words.attention.oneRejected : words.attention.one
  const rows = causes.slice(0, SHOWN).map((cause) => causeHtml(cause, of))
  const cut = causes.length > SHOWN ? html`<p class="quiet">${words.attention.cut}</p>` : ''
  return html`<section class="needs" aria-labelledby="causes"><div class="needs-head"><h2 id="causes">${words.attention.title}</h2><p>${title}</p></div>
<ul>!${rows.join('\n')}</ul>!${cut}</section>`
}

interface Context {
  readonly courseName: CourseName
  readonly closest: ClosestCourses
  readonly base: string
  /** The field that every form with a change must have. */
  readonly csrf: string
}

function causeHtml(cause: MarkedCause, { closest, base, csrf, courseName }: Context): string {
  const { state, code, course, count, firstAt, lastAt, latest } = cause
  const number = numberText(count)
  const query = queryText({ state, cause: code, about: course ?? '' })
  const list = count === 1 ? `${base}/deliveries/${latest}` : `${base}/deliveries${query}`
  const similar = course === null ? null : (closest.get(course) ?? null)
  const isOther = similar !== null && course !== null && !isSameCourse(similar, course)
  const key =
    course === null
      ? ''
      : isOther
        ? html`: !${differenceHtml(course, similar)}`
        : html`: !${courseNameHtml(course, courseName)}`
  const looksLike = isOther ? `${looksLikeHtml(similar, course, courseName)} ` : ''
  const { name, todoMany, waitsFor } = REASONS[code]
  const title = state === 'rejected' ? fill(words.attention.rejected, { name }) : name
  const replay = html`<a class="button second" href="${base}/replay${query}">${fill(words.attention.replay, { count: number })}</a>`
  // What the key was meant to be is known, so a replay alone can't help.
  const correct = isOther
    ? html`<a class="button" href="${base}/correct${query}&amp;${new URLSearchParams({ enroll_in: similar }).toString()}">${fill(words.attention.correct, { count: number, course: courseName(similar) ?? shortKey(similar) })}</a> `
    : ''
  const action =
    waitsFor !== null || state === 'rejected'
      ? html`<a class="button second" href="${list}">${fill(words.attention.open, { count: number })}</a>`
      : correct + replay
  const first = count === 1 ? '' : html`${words.attention.first} !${agoHtml(firstAt)}, `
  return html`<li class="need"><strong class="figure">${number}</strong>
<div><h3><a href="${list}">${title}!${key}</a></h3> <small class="quiet">!${first}${words.attention.last} !${agoHtml(lastAt)}</small><p class="quiet">!${looksLike}${todoMany}</p>!${markHtml(cause, { base, csrf })}</div>
<div class="actions">!${action}</div></li>`
}

/** The course that was meant, most likely, with the letters that differ. */
function looksLikeHtml(similar: string, course: string, courseName: CourseName): string {
  const name = courseName(similar)
  const key = differenceHtml(similar, course, 'good')
  return html`${words.attention.looksLike} !${name === null ? key : html`<strong><bdi>${name}</bdi></strong>, !${key}`}.`
}

/** Who works on a cause, or has removed it, and whether it came back; and the buttons to say so. */
function markHtml(cause: MarkedCause, { base, csrf }: Pick<Context, 'base' | 'csrf'>): string {
  if (!isMarkable(cause)) return ''
  const { code, course, mark, cameBack } = cause
  const who =
    mark === null ? '' : html`${fill(words.attention.marks[mark.kind], { by: mark.by })}, !${timeHtml(mark.at)}.`
  const back = cameBack ? html`<strong class="bad">${words.attention.cameBack}</strong> ` : ''
  const fields = csrf + hiddenField('code', code) + (course === null ? '' : hiddenField('course', course))
  const isOpen = mark === null || cameBack
  const button = isOpen
    ? html`<button class="plain" name="kind" value="cause_acknowledged">${words.attention.acknowledge}</button>`
    : mark.kind === 'cause_acknowledged'
      ? html`<button class="plain" name="kind" value="cause_resolved">${words.attention.resolve}</button>`
      : ''
  const form = button === '' ? '' : html`<form method="post" action="${base}/causes">!${fields}!${button}</form>`
  return html`<div class="mark">!${back}!${who === '' ? '' : html`<span class="quiet">!${who}</span> `}!${form}</div>`
}

/** The existing course that a missing one looks like, by the key as the shop sent it; null if there is none. */
export type ClosestCourses = ReadonlyMap<string, string | null>

/**
 * Finds the existing courses which missing ones look like. `find` never waits for the LMS: it returns what earlier calls
 * have found, and looks up the rest in the background. A course that is not in the result is being looked up.
 * @param from.now ms since 1970
 */
export function createClosestCourses({ findCourse, now }: { findCourse: LmsCalls['findCourse']; now: () => number }) {
  const known = new Map<string, { readonly closest: string | null; readonly at: number }>()
  let looking: Promise<void> | null = null

  const lookUp = async (keys: readonly string[]): Promise<void> => {
    for (const key of keys) {
      const answer = await findCourse(key).catch(() => null)
      if (known.size >= KEYS_MAX) known.clear()
      known.set(key, { closest: answer?.ok === true ? (answer.value.key ?? answer.value.closest) : null, at: now() })
    }
  }

  const find = (causes: readonly Pick<Cause, 'code' | 'course'>[]): ClosestCourses => {
    const keys = causes.flatMap(({ code, course }) => (code === 'course.missing' && course !== null ? [course] : []))
    const isFresh = (key: string): boolean => now() - (known.get(key)?.at ?? 0) < KEPT_MS
    const unknown = keys.filter((key) => !isFresh(key)).slice(0, LOOKED_UP_MAX)
    if (unknown.length > 0 && looking === null) {
      looking = lookUp(unknown).finally(() => {
        looking = null
      })
    }
    return new Map(
      keys.flatMap((key) => {
        const found = known.get(key)
        return found === undefined ? [] : [[key, found.closest]]
      }),
    )
  }
  /** Resolves when what is looked up now is known. */
  return { find, looked: () => looking }
}
