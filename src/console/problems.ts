import type { Overview } from '../operations/operations.ts'
import { countText, durationText, numberText } from './format.ts'
import { type BreakerView, isOpen, type PausedCourseView } from './live.ts'
import { queryText } from './query.ts'
import type { Refuser } from './refused-page.ts'
import { fill, fillBoth, TEXTS } from './texts.ts'

/** One thing that somebody should know, in words, with what to do. */
export interface Problem {
  readonly grade: 'bad' | 'warning'
  readonly title: string
  readonly text: string
  /** A page of the console, without its base, that leads on; null: there is none. */
  readonly path: string | null
  readonly action: string
}

/** Somebody should look where a delivery has waited so long though the LMS answers: ms. */
const LONG_MS = 10 * 60_000
/** Below this the bucket of calls counts as used up. */
const EMPTY = 0.05
/** So many wrong signatures of one address, the last of them so lately (ms), are no slip of a finger. */
const MANY_REFUSED = 5
const LATELY_MS = 60 * 60_000

/** So many paused courses are named one by one; more have a cause in common, and are counted. */
const NAMED_COURSES = 5

/** What is wrong, the gravest first; empty if nothing is. */
export function problemsOf(of: {
  overview: Overview
  link: BreakerView | null
  /** The longest first. */
  pausedCourses: readonly PausedCourseView[]
  budget: number | null
  /** Of whom most was refused lately, those first. */
  refusers: readonly Refuser[]
  now: number
}): Problem[] {
  const { overview, link, pausedCourses, budget, refusers, now } = of
  const words = TEXTS.problems
  const isClosed = link !== null && !isOpen(link)
  const problems: Problem[] = []
  if (link !== null && isOpen(link)) {
    const grade = link.kind === 'throttled' ? 'warning' : 'bad'
    const text = fillBoth(words.link[link.kind], {
      since: durationText(now - link.since),
      reason: link.failure.message,
    })
    problems.push({ grade, ...text, path: null, action: '' })
  }
  problems.push(...courseProblems(pausedCourses, now))
  if (overview.needsAttention.count > 0) {
    const path = `/deliveries${queryText({ state: 'needs_attention' })}`
    const one = overview.needsAttention.count === 1
    problems.push({
      grade: 'bad',
      ...fillBoth(one ? words.attentionOne : words.attention, { count: countText(overview.needsAttention) }),
      path,
      action: words.look,
    })
  }
  const { oldestWaiting, waiting } = overview
  const waits = oldestWaiting === null ? 0 : now - oldestWaiting.receivedAt
  if (isClosed && budget !== null && budget < EMPTY && waiting.count > 0) {
    problems.push({
      grade: 'warning',
      ...fillBoth(words.budget, { waiting: countText(waiting) }),
      path: null,
      action: '',
    })
  } else if (isClosed && oldestWaiting !== null && waits > LONG_MS) {
    const path = `/deliveries/${oldestWaiting.id}`
    problems.push({
      grade: 'warning',
      ...fillBoth(words.waiting, { waits: durationText(waits) }),
      path,
      action: words.open,
    })
  }
  const refused = refusers.find(
    ({ codes, lastAt }) => (codes.signature ?? 0) >= MANY_REFUSED && lastAt > now - LATELY_MS,
  )
  if (refused !== undefined) {
    const count = numberText(refused.codes.signature ?? 0)
    const text = fillBoth(words.refused, { count, address: refused.address })
    problems.push({ grade: 'warning', ...text, path: '/refused', action: words.from })
  }
  return problems
}

function courseProblems(paused: readonly PausedCourseView[], now: number): Problem[] {
  const words = TEXTS.problems
  const named = paused.slice(0, NAMED_COURSES).map(({ course, since, probeAt, message }): Problem => {
    const wait = Math.max(0, probeAt - now)
    const next = wait === 0 ? words.nextDelivery : fill(words.nextIn, { wait: durationText(wait) })
    const text = fillBoth(words.course, {
      course,
      since: durationText(Math.max(0, now - since)),
      reason: message,
      next,
    })
    return {
      grade: 'bad',
      ...text,
      path: `/deliveries${queryText({ q: course, state: 'waiting' })}`,
      action: words.look,
    }
  })
  const more = paused.length - named.length
  if (more === 0) return named
  const text = fillBoth(words.moreCourses, { count: numberText(more) })
  return [...named, { grade: 'bad', ...text, path: null, action: '' }]
}
