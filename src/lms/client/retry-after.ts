const FLOOR_MS = 1_000
const CAP_MS = 3_600_000
/** The LMS's throttles count calls per minute, so a minute is always enough. */
const DEFAULT_MS = 60_000

/**
 * How long to wait before calling an LMS that throttles, in ms, from 1 s to 1 h.
 * The header `Retry-After` (seconds or an HTTP date) comes first, then the first whole number in the text: the
 * enrollment list sends no header, only "Expected available in 58 seconds." (recorded: throttle.json, 'another view,
 * while throttled'). If neither can be read, the wait is a minute.
 */
export function waitAfterThrottle(from: { retryAfter: string | null; text: string; receivedAt: number }): number {
  return bounded(headerMs(from.retryAfter, from.receivedAt) ?? textMs(from.text) ?? DEFAULT_MS)
}

/** The same for an answer whose header is optional (503). null if it is absent or can't be read. */
export function waitAsked(from: { retryAfter: string | null; receivedAt: number }): number | null {
  const asked = headerMs(from.retryAfter, from.receivedAt)
  return asked === null ? null : bounded(asked)
}

function headerMs(header: string | null, receivedAt: number): number | null {
  if (header === null) return null
  const value = header.trim()
  if (/^\d+$/.test(value)) return Number(value) * 1000
  // An HTTP date starts with the name of a weekday. Date.parse alone would also accept "-5" or "2".
  if (!/^[A-Z][a-z]{2,8},? /.test(value)) return null
  const at = Date.parse(value)
  return Number.isNaN(at) ? null : at - receivedAt
}

function textMs(text: string): number | null {
  const seconds = /\d+/.exec(text)?.[0]
  return seconds === undefined ? null : Number(seconds) * 1000
}

function bounded(ms: number): number {
  return Math.min(Math.max(ms, FLOOR_MS), CAP_MS)
}
