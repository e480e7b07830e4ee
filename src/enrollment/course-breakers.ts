import { afterCourseFailure, CLOSED, type CourseState, isPaused } from './course-breaker.ts'

/**
 * What may be done for a course now. `healthy`: any call. `doubtful`: the same, but in one slot only, since its last
 * call failed. `probe`: one call for one person. `probing`: that call is under way. `paused`: nothing.
 */
export type CourseStanding = 'healthy' | 'doubtful' | 'probe' | 'probing' | 'paused'

/** A course that is paused; ms since 1970. `probeAt` may have passed: then the next delivery for it is the probe. */
export interface PausedCourse {
  readonly course: string
  readonly since: number
  readonly probeAt: number
  readonly message: string
}

/** What the log is told: a course was paused (again), or works again. */
export type CourseReport =
  | ({ readonly kind: 'paused' } & PausedCourse)
  | { readonly kind: 'works'; readonly course: string }

export interface CourseBreakers {
  standing(course: string): CourseStanding
  /** The pause of a course, or null. */
  pauseOf(course: string): PausedCourse | null
  /** All that are paused, the longest first. */
  paused(): PausedCourse[]
  succeeded(course: string): void
  /** A call for `people` failed though the LMS as a whole is available. */
  failed(course: string, of: { people: readonly string[]; message: string }): void
  /** A call for these courses begins. In the same moment in which it was chosen, or there is more than one probe. */
  beginCall(courses: readonly string[]): void
  endCall(courses: readonly string[]): void
}

/** One circuit breaker for each course that failed lately; a course that works takes no memory. */
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
    standing: (course) => {
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
