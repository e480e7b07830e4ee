/**
 * How a course fares in the LMS. `closed`: its calls are made; `failed` are the people of its failed calls since the
 * last success. `open`: its calls fail, so none is made before `probeAt`, and from then on only one at a time. Times
 * are ms since 1970; `since` is when it was paused first, `pausedAt` when it was paused last, `message` what the LMS
 * said.
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

/** Of a course that works: any call that did what it was for, or that the LMS refused, shows that. */
export const CLOSED: CourseState = { kind: 'closed', failed: [] }

/** So many failed calls that share no person are the course's fault: one person can't explain them. */
const FAILURES = 3
const SECOND = 1000
const MINUTE = 60 * SECOND
/** How long each pause is, ms; the last one repeats. */
export const PAUSES_MS: readonly number[] = [10 * SECOND, 30 * SECOND, 1 * MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE]

/**
 * What a failed call for `people` makes of a course, while the LMS as a whole is available. Calls that share a person,
 * such as a batch and its halves, count as one. A failed probe makes the next pause longer; the failure of a call that
 * was under way when the course was paused changes nothing.
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

/** Whether no call may be made. Ends at `probeAt`, and at once when the clock is set back to before the pause. */
export const isPaused = (state: CourseState, now: number): boolean =>
  state.kind === 'open' && state.pausedAt <= now && now < state.probeAt
