const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/** The wait after each failed attempt, in ms. After the last one, 75.8 hours in all, the delivery needs attention. */
export const RETRY_SCHEDULE_MS: readonly number[] = [
  5 * SECOND,
  30 * SECOND,
  2 * MINUTE,
  10 * MINUTE,
  30 * MINUTE,
  1 * HOUR,
  2 * HOUR,
  4 * HOUR,
  8 * HOUR,
  12 * HOUR,
  24 * HOUR,
  24 * HOUR,
]

const SPREAD = 0.1
/** The longest wait for any retry, in ms. */
export const LONGEST_WAIT_MS = Math.max(...RETRY_SCHEDULE_MS) * (1 + SPREAD)

/**
 * The time of the next attempt (ms since 1970) after `failures` failed attempts, ±10 % by `random` (0 to 1), so that
 * deliveries that failed together don't come back together. null at the end of the schedule.
 */
export function nextAttemptAt({
  failures,
  now,
  random,
}: {
  failures: number
  now: number
  random: () => number
}): number | null {
  const delay = RETRY_SCHEDULE_MS[failures - 1]
  if (delay === undefined) return null
  return Math.round(now + delay * (1 - SPREAD + 2 * SPREAD * random()))
}
