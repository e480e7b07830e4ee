import { afterCourseFailure, CLOSED, type CourseState, isPaused } from './course-breaker.ts'

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

export interface CourseBreakers {
  healthOf(course: string): CourseHealth
  /** The pause of a course; null if it isn't paused. */
  pauseOf(course: string): PausedCourse | null
  /** All paused courses, the longest pause first. */
  paused(): PausedCourse[]
  succeeded(course: string): void
  /** Records that a call for `people` failed while the LMS as a whole is available. */
  failed(course: string, of: { people: readonly string[]; message: string }): void
  /** Begins a call for these courses. Run it in the same step as the choice: otherwise there can be two probes. */
  beginCall(courses: readonly string[]): void
  endCall(courses: readonly string[]): void
}

/** One circuit breaker for each course that failed recently. A course that works takes no memory. */
export function createCourseBreakers({
  now,
  onChange,
}: {
  now: () => number
  onChange: (report: CourseReport) => void
}): CourseBreakers {
  const states = new Map<string, CourseState>()
  const probing = new Set<string>()

  const viewOf = (course: string, state: CourseState | undefined): PausedCourse | null =>
    state?.kind === 'open' ? { course, since: state.since, probeAt: state.probeAt, message: state.message } : null

  return {
    healthOf: (course) => {
      const state = states.get(course)
      if (state === undefined) return 'healthy'
      if (state.kind === 'closed') return 'doubtful'
      if (isPaused(state, now())) return 'paused'
      return probing.has(course) ? 'probing' : 'probe'
    },
    pauseOf: (course) => viewOf(course, states.get(course)),
    paused: () =>
      [...states].flatMap(([course, state]) => viewOf(course, state) ?? []).sort((a, b) => a.since - b.since),
    succeeded: (course) => {
      const before = states.get(course)
      states.delete(course)
      if (before?.kind === 'open') onChange({ kind: 'works', course })
    },
    failed: (course, { people, message }) => {
      const before = states.get(course) ?? CLOSED
      const next = afterCourseFailure(before, { people, message, now: now() })
      states.set(course, next)
      const view = next === before ? null : viewOf(course, next)
      if (view !== null) onChange({ kind: 'paused', ...view })
    },
    beginCall: (courses) => {
      for (const course of courses) if (states.get(course)?.kind === 'open') probing.add(course)
    },
    endCall: (courses) => {
      for (const course of courses) probing.delete(course)
    },
  }
}
