import type { FailureKind } from '../openedx/failure.ts'
import type { WorkFailure } from './work.ts'

/**
 * The circuit breaker of the whole LMS. `closed`: calls are made. `half_open`: a probe succeeded, and calls are made; the
 * next failure opens it for longer. The others are open, by their cause: no calls are made, only probes. `since` and
 * `probeAt` are ms since 1970; `tries` counts the probes that failed; `relapses` counts how often it opened again before
 * a call succeeded.
 */
export type BreakerState =
  | { readonly kind: 'closed' | 'half_open'; readonly unreachable: number; readonly relapses: number }
  | {
      readonly kind: 'down' | 'throttled' | 'misconfigured'
      readonly since: number
      readonly probeAt: number
      readonly tries: number
      readonly relapses: number
      readonly failure: WorkFailure
    }
export type OpenState = Extract<BreakerState, { probeAt: number }>

/** Whether no calls are made. */
export const isOpen = (state: BreakerState): state is OpenState => 'probeAt' in state

export const CLOSED: BreakerState = { kind: 'closed', unreachable: 0, relapses: 0 }

/** So many calls in a row without an answer are an outage, even where the heartbeat still answers. */
const UNREACHABLE_IN_A_ROW = 3
const DOWN_PROBE_MS = 2_000
const MISCONFIGURED_PROBE_MS = 10_000
const LONGEST_PROBE_MS = 5 * 60_000

/** A call that did what it was for, also one that the LMS refused: the link is well. */
export const afterSuccess = (state: BreakerState): BreakerState => (isOpen(state) ? state : CLOSED)

/**
 * What a failed call makes of the link. `alive` is whether the LMS's heartbeat answered just now: it decides for an
 * HTTP 500, which may be about one person only. The failure of a call that was under way when the link was blocked
 * changes nothing.
 */
export function afterFailure(
  state: BreakerState,
  { failure, alive, now }: { failure: WorkFailure; alive: boolean; now: number },
): BreakerState {
  if (isOpen(state)) return state
  const open = (kind: OpenState['kind'], ms: number): OpenState => ({
    kind,
    since: now,
    probeAt: now + ms,
    tries: 0,
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
    case 'refused':
      return CLOSED
  }
}

/**
 * What a probe makes of a blocked link. After a good one it is up; should it be blocked again before a call succeeds,
 * it waits twice as long.
 */
export function afterProbe(state: BreakerState, { well, now }: { well: boolean; now: number }): BreakerState {
  if (!isOpen(state)) return state
  if (well && state.kind === 'throttled') return CLOSED
  if (well) return { kind: 'half_open', unreachable: 0, relapses: state.relapses + 1 }
  const tries = state.tries + 1
  const step = state.kind === 'down' ? DOWN_PROBE_MS : MISCONFIGURED_PROBE_MS
  return { ...state, tries, probeAt: now + (state.kind === 'down' ? step : backoff(step, tries)) }
}

const backoff = (ms: number, times: number): number => Math.min(LONGEST_PROBE_MS, ms * 2 ** Math.min(times, 10))

/** Where the LMS throttles without saying for how long. */
const THROTTLED_MS = 60_000
/** How long to leave alone an LMS that throttles, ms. */
export const throttledFor = ({ retryAfterMs }: WorkFailure): number => retryAfterMs ?? THROTTLED_MS

/** Which failures say nothing about the delivery: they never cost it a try. */
export const costsNoAttempt = (kind: FailureKind): boolean =>
  kind === 'throttled' || kind === 'misconfigured' || kind === 'unauthorized'
