import type { Failure } from '../../lms/client/failure.ts'
import type { CallFailure, WorkFailure } from '../work.ts'

/**
 * The circuit breaker of the whole LMS. `closed`: calls are made. `half_open`: a probe succeeded and calls are made,
 * but the next call without an answer opens it for longer. The other kinds are open and name the cause: only probes are
 * made. `since` and `probeAt` are ms since 1970. `failedProbes` counts the probes that failed. `relapses` counts how often
 * it opened again before a call succeeded.
 */
export type BreakerState =
  | { readonly kind: 'closed' | 'half_open'; readonly unreachable: number; readonly relapses: number }
  | {
      readonly kind: 'down' | 'throttled' | 'misconfigured'
      readonly since: number
      readonly probeAt: number
      readonly failedProbes: number
      readonly relapses: number
      readonly failure: CallFailure
    }
export type OpenState = Extract<BreakerState, { probeAt: number }>

/** Whether only probes are made. */
export const isOpen = (state: BreakerState): state is OpenState => 'probeAt' in state

export const CLOSED: BreakerState = { kind: 'closed', unreachable: 0, relapses: 0 }

/** This many calls in a row without an answer are an outage, even if the heartbeat still answers. */
const UNREACHABLE_IN_A_ROW = 3
const DOWN_PROBE_MS = 2_000
const MISCONFIGURED_PROBE_MS = 10_000
/** No answer stops all sales for longer, and a probe a minute is no load. */
const LONGEST_PROBE_MS = 60_000

/** The state after a successful call: the LMS works. */
export const afterSuccess = (state: BreakerState): BreakerState => (isOpen(state) ? state : CLOSED)

/**
 * The state after a failed call. `alive` is whether the LMS's heartbeat answered just now: it decides for an HTTP 500,
 * which may be about one person only. A call that the LMS refused shows that the LMS works. A call that something blocks
 * changes nothing, and neither does the failure of one that was in flight when the circuit breaker opened.
 */
export function afterFailure(
  state: BreakerState,
  { failure, alive, now }: { failure: CallFailure; alive: boolean; now: number },
): BreakerState {
  if (isOpen(state)) return state
  const open = (kind: OpenState['kind'], ms: number): OpenState => ({
    kind,
    since: now,
    probeAt: now + ms,
    failedProbes: 0,
    relapses: state.relapses,
    failure,
  })
  const unreachable = failure.kind === 'unreachable' ? state.unreachable + 1 : state.unreachable
  switch (failure.kind) {
    case 'throttled':
      return open('throttled', throttledFor(failure))
    case 'misconfigured':
    case 'unauthorized':
      return open('misconfigured', backoff(MISCONFIGURED_PROBE_MS, state.relapses))
    case 'unreachable':
    case 'server_error':
      if (!alive || unreachable >= UNREACHABLE_IN_A_ROW) return open('down', backoff(DOWN_PROBE_MS, state.relapses))
      return { ...state, unreachable }
    case 'blocked':
      return state
    case 'refused':
      return CLOSED
  }
}

/**
 * The state after a probe. A successful one half-opens the circuit breaker, or closes it after a throttle. If it opens
 * again before a call succeeds, the wait doubles.
 */
export function afterProbe(state: BreakerState, { succeeded, now }: { succeeded: boolean; now: number }): BreakerState {
  if (!isOpen(state)) return state
  if (succeeded && state.kind === 'throttled') return CLOSED
  if (succeeded) return { kind: 'half_open', unreachable: UNREACHABLE_IN_A_ROW - 1, relapses: state.relapses + 1 }
  const failedProbes = state.failedProbes + 1
  const wait = state.kind === 'down' ? DOWN_PROBE_MS : backoff(MISCONFIGURED_PROBE_MS, failedProbes)
  return { ...state, failedProbes, probeAt: now + wait }
}

const backoff = (ms: number, times: number): number => Math.min(LONGEST_PROBE_MS, ms * 2 ** Math.min(times, 10))

/** The wait if the LMS throttles without saying for how long. */
const THROTTLED_MS = 60_000
/** How long to wait before calling an LMS that throttles, in ms. */
export const throttledFor = ({ retryAfterMs }: Pick<CallFailure, 'retryAfterMs'>): number =>
  retryAfterMs ?? THROTTLED_MS

/** Whether a failure says nothing about the delivery, so that it never costs an attempt. */
export const costsNoAttempt = (kind: WorkFailure['kind']): boolean =>
  kind === 'throttled' || kind === 'misconfigured' || kind === 'unauthorized' || kind === 'waits'

/** A page that the LMS doesn't have: nothing carried out the call (recorded: bulk-enroll-off.json). */
const NO_SUCH_PAGE = 404

/** After this many attempts, two and a half minutes, a sale that something blocks needs attention. */
export const BLOCKED_ATTEMPTS = 4

/**
 * Whether an answer can be about this call alone: a web application firewall refuses one address or course key with the
 * same answers that an LMS gives to everybody if it is misconfigured. A probe has to decide.
 */
export const mayBeBlocked = ({ kind, status }: Failure): boolean =>
  (kind === 'misconfigured' || kind === 'unauthorized') && status !== null && status >= 300

/**
 * The failure of a call that was refused while the LMS answers another call of this user. A firewall may also refuse the
 * answer to a call that the LMS has carried out.
 * @param changes whether the call changes something
 */
export function asBlocked(failure: Failure, changes: boolean): Failure {
  const { endpoint, status } = failure
  return {
    ...failure,
    kind: 'blocked',
    message: `something in front of the LMS, such as a web application firewall, blocks this request and lets others through (${status} from ${endpoint}): allow it there`,
    mayHaveTakenEffect: changes && status !== NO_SUCH_PAGE,
  }
}
