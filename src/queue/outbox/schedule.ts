import { longestSpread } from '../retry-schedule.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/**
 * The wait after each failed attempt to send an event, ms. After the last one, about three days in all, it is given up.
 * Attempts are counted, and not the time, because a clock that is days ahead for a moment would end all events.
 */
export const EVENT_RETRIES_MS: readonly number[] = [
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

/** No attempt is scheduled further ahead than this, ms. */
export const LONGEST_EVENT_WAIT_MS = longestSpread(Math.max(...EVENT_RETRIES_MS))

/** After this many failures in a row, the endpoint counts as down: only one event at a time is sent, as a probe. */
const DOWN_AFTER = 3
const FIRST_PROBE_MS = 5 * SECOND
export const LONGEST_PROBE_WAIT_MS = MINUTE

/** Whether an endpoint with this many failures in a row is down. */
export const isDown = (failures: number): boolean => failures >= DOWN_AFTER

/** The wait before the next probe of an endpoint with this many failures in a row, ms: from 5 seconds to a minute. */
export const probeWait = (failures: number): number =>
  Math.min(LONGEST_PROBE_WAIT_MS, FIRST_PROBE_MS * 2 ** Math.min(10, Math.max(0, failures - DOWN_AFTER)))
