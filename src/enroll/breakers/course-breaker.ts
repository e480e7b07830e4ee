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
