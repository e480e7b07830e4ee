import { sql } from 'kysely'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/**
 * The wait after each failed attempt, in ms: of a delivery, of a withdrawal, and of an event for the shop. After the last
 * one, 71.8 hours in all, it is given up. Attempts are counted, and not the time, because a clock that is days ahead for a
 * moment would end all of them.
 */
export const RETRY_SCHEDULE_MS: readonly number[] = [
  5 * SECOND,
  30 * SECOND,
  2 * MINUTE,
  10 * MINUTE,
  30 * MINUTE,
  1 * HOUR,
  2 * HOUR,
  4 * HOUR,
  ...Array.from({ length: 8 }, () => 8 * HOUR),
]

/** A wait is changed by up to ±10 %, so that what failed together doesn't come back together. */
const SPREAD = 0.1

/** No attempt is scheduled further ahead than this, ms. */
export const LONGEST_WAIT_MS = Math.max(...RETRY_SCHEDULE_MS) * (1 + SPREAD)

/**
 * The condition that a stored time of an attempt is due. One further ahead than the longest wait was written by a clock that
 * was ahead, and has been set back since. `now`: ms since 1970.
 */
export const isDue = (column: 'due_at' | 'due.withdrawal_at', now: number) =>
  sql<boolean>`(${sql.ref(column)} <= ${now} or ${sql.ref(column)} > ${now + LONGEST_WAIT_MS})`

/**
 * The time of the next attempt (ms since 1970) after `failures` failed attempts, spread by `random` (0 to 1). null at
 * the end of the schedule.
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
