const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/** How long after each failed try the next one comes, in ms; after the last of them a person has to look: 75.8 hours. */
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
/** The longest that any retry waits, ms. */
export const LONGEST_WAIT_MS = Math.max(...RETRY_SCHEDULE_MS) * (1 + SPREAD)

/**
 * When to try again (ms since 1970) after `failures` failed tries, ±10 % by `random` (0 to 1) so that what failed
 * together doesn't come back together. `null`: the schedule is used up.
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
