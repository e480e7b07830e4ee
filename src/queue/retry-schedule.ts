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

/** A wait is changed by up to ±10 %, so that what failed together doesn't come back together. */
const SPREAD = 0.1

/** The longest that a wait (ms) can become when it is spread. */
export const longestSpread = (ms: number): number => ms * (1 + SPREAD)

/** The longest wait for any retry, in ms. */
export const LONGEST_WAIT_MS = longestSpread(Math.max(...RETRY_SCHEDULE_MS))

/**
 * The time of the next attempt (ms since 1970) after `failures` failed attempts, spread by `random` (0 to 1). null at
 * the end of the schedule.
 * @param of.schedule the wait after each failed attempt, ms; that of deliveries if absent
 */
export function nextAttemptAt({
  failures,
  now,
  random,
  schedule = RETRY_SCHEDULE_MS,
}: {
  failures: number
  now: number
  random: () => number
  schedule?: readonly number[]
}): number | null {
  const delay = schedule[failures - 1]
  if (delay === undefined) return null
  return Math.round(now + delay * (1 - SPREAD + 2 * SPREAD * random()))
}
