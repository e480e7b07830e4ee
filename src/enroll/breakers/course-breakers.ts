import { LONGEST_WAIT_MS } from '../../queue/retry-schedule.ts'

/**
 * Which calls may be made for a course now. `healthy`: any call. `doubtful`: any call, but in one slot, since its last
 * call failed. `probe`: one call for one person. `probing`: that call is in flight. `paused`: none.
 */
export type CourseHealth = 'healthy' | 'doubtful' | 'probe' | 'probing' | 'paused'

/** A paused course. Times are ms since 1970. After `probeAt`, the next delivery for it is the probe. */
export interface PausedCourse {
  readonly course: string
  readonly since: number
  readonly probeAt: number
  readonly message: string
}

/** A report for the log: a course was paused, or paused again, or works again. */
export type CourseReport =
  | ({ readonly kind: 'paused' } & PausedCourse)
  | { readonly kind: 'works'; readonly course: string }

/** One circuit breaker for each course that failed recently. A course that works takes no memory. */
export function createCourseBreakers({
  now,
  onChange,
}: {
  now: () => number
  onChange: (report: CourseReport) => void
}) {
  const states = new Map<string, CourseState>()
  const probing = new Set<string>()

  const viewOf = (course: string, state: CourseState | undefined): PausedCourse | null =>
    state?.kind === 'open' ? { course, since: state.since, probeAt: state.probeAt, message: state.message } : null

  return {
    healthOf: (course: string): CourseHealth => {
      const state = states.get(course)
      if (state === undefined) return 'healthy'
      if (state.kind === 'closed') return 'doubtful'
      if (isPaused(state, now())) return 'paused'
      return probing.has(course) ? 'probing' : 'probe'
    },
    /** The pause of a course; null if it isn't paused. */
    pauseOf: (course: string): PausedCourse | null => viewOf(course, states.get(course)),
    /** All paused courses, the longest pause first. */
    paused: (): PausedCourse[] => {
      // Every sale that waits has had its turn by then: nobody waits for the course, as when the LMS has deleted it.
      const isForgotten = (state: CourseState): boolean =>
        state.kind === 'open' && state.probeAt + LONGEST_WAIT_MS < now()
      for (const [course, state] of states) if (isForgotten(state)) states.delete(course)
      return [...states].flatMap(([course, state]) => viewOf(course, state) ?? []).sort((a, b) => a.since - b.since)
    },
    succeeded: (course: string): void => {
      const before = states.get(course)
      states.delete(course)
      if (before?.kind === 'open') onChange({ kind: 'works', course })
    },
    /** Records that a call for `people` failed while the LMS as a whole is available. */
    failed: (course: string, { people, message }: { people: readonly string[]; message: string }): void => {
      const before = states.get(course) ?? CLOSED
      const next = afterCourseFailure(before, { people, message, now: now() })
      states.set(course, next)
      const view = next === before ? null : viewOf(course, next)
      if (view !== null) onChange({ kind: 'paused', ...view })
    },
    /** Begins a call for these courses. Run it in the same step as the choice: otherwise there can be two probes. */
    beginCall: (courses: readonly string[]): void => {
      for (const course of courses) if (states.get(course)?.kind === 'open') probing.add(course)
    },
    endCall: (courses: readonly string[]): void => {
      for (const course of courses) probing.delete(course)
    },
  }
}
export type CourseBreakers = ReturnType<typeof createCourseBreakers>

/**
 * The circuit breaker of one course. `closed`: calls are made. `failed` has the people of each failed call since the
 * last success. `open`: the course is paused, since its calls fail. No call is made before `probeAt`, and from then on
 * only one at a time. Times are ms since 1970: the first pause began at `since`, and the last one at `pausedAt`.
 * `message` is that of the LMS.
 */
export type CourseState =
  | { readonly kind: 'closed'; readonly failed: readonly ReadonlySet<string>[] }
  | {
      readonly kind: 'open'
      readonly since: number
      readonly pausedAt: number
      readonly probeAt: number
      readonly pauses: number
      readonly message: string
    }

/** The state of a course that works: a call that succeeded, or that the LMS refused, proves it. */
export const CLOSED: CourseState = { kind: 'closed', failed: [] }

/** This many failed calls without a common person are the course's fault: one person can't be the cause. */
const FAILURES = 3
const SECOND = 1000
const MINUTE = 60 * SECOND
/** The length of each pause, in ms. The last one repeats. */
export const PAUSES_MS: readonly number[] = [10 * SECOND, 30 * SECOND, 1 * MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE]

/**
 * The state of a course after a failed call for `people`, while the LMS as a whole is available. Calls that share a
 * person, such as a batch and its halves, count as one. A failed probe makes the next pause longer. The failure of a
 * call that was in flight when the course was paused changes nothing.
 */
export function afterCourseFailure(
  state: CourseState,
  { people, message, now }: { people: readonly string[]; message: string; now: number },
): CourseState {
  if (state.kind === 'open') return isPaused(state, now) ? state : pauseAgain(state, { message, now })
  const others = state.failed.filter((before) => !people.some((person) => before.has(person)))
  const failed = [...others, new Set(people)]
  if (failed.length < FAILURES) return { kind: 'closed', failed }
  return pauseAgain({ since: now, pauses: 0 }, { message, now })
}

function pauseAgain(
  { since, pauses }: { readonly since: number; readonly pauses: number },
  { message, now }: { message: string; now: number },
): CourseState {
  const pauseMs = PAUSES_MS[Math.min(pauses, PAUSES_MS.length - 1)] ?? 0
  return { kind: 'open', since, pausedAt: now, probeAt: now + pauseMs, pauses: pauses + 1, message }
}

/** Whether no call may be made. The pause ends at `probeAt`, or at once if the clock is set back to before it. */
export const isPaused = (state: CourseState, now: number): boolean =>
  state.kind === 'open' && state.pausedAt <= now && now < state.probeAt
