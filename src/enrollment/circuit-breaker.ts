import type { Inbox } from '../inbox/types.ts'
import type { Budget, Permit } from '../openedx/budget.ts'
import type { Failure, Judged } from '../openedx/failure.ts'
import type { Lms } from '../openedx/lms.ts'
import { pause } from '../pause.ts'
import {
  afterFailure,
  afterProbe,
  afterSuccess,
  type BreakerState,
  CLOSED,
  isOpen,
  type OpenState,
} from './breaker-state.ts'

/** Who waits for an answer may go on waiting through a block as short as this (ms). */
const SHORT_MS = 5_000
/** An address that nobody can have: the probe reads its allowances, which only staff may. */
const NOBODY = 'nobody@lernito-openedx.invalid'

export interface CircuitBreaker {
  readonly state: () => BreakerState
  /** The LMS client as the worker uses it: while the link is blocked, nothing is sent and each call fails at once. */
  readonly lms: Lms
  /** Resolves when the link is up, or the signal is aborted. */
  whenClosed(signal: AbortSignal): Promise<void>
  /** Probes while the link is blocked, until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>
}

/**
 * Watches every call to the LMS. When it is down, throttling or misconfigured, the inbox is paused, so that nothing is
 * handed out and no sender waits in vain; when a probe finds it well, work goes on.
 */
export function createCircuitBreaker({
  lms,
  inbox,
  budget,
  now,
  onChange,
  sleep = pause,
}: {
  lms: Lms
  inbox: Pick<Inbox, 'pause' | 'resume'>
  budget: Budget
  now: () => number
  onChange: (state: BreakerState) => void
  /** Waits `ms`, or until the signal is aborted. */
  sleep?: (ms: number, signal: AbortSignal) => Promise<void>
}): CircuitBreaker {
  let state: BreakerState = CLOSED
  let change = Promise.withResolvers<void>()
  const weighed = new WeakMap<Failure, Promise<void>>()

  const become = (next: BreakerState): void => {
    const before = state
    state = next
    if (before.kind === next.kind || (!isOpen(before) && !isOpen(next))) return
    const passesSoon = next.kind === 'throttled' && next.probeAt - now() <= SHORT_MS
    if (!isOpen(next)) inbox.resume()
    else if (!passesSoon) inbox.pause()
    onChange(next)
    change.resolve()
    change = Promise.withResolvers()
  }

  const watch: Watch = async (call, { permit, proves = true } = {}) => {
    if (isOpen(state)) {
      permit?.release()
      return { ok: false, failure: openFailure(state, now()) }
    }
    const judged = await call()
    if (!judged.ok) await failed(judged.failure)
    else if (proves) become(afterSuccess(state))
    return judged
  }

  const weigh = async (failure: Failure): Promise<void> => {
    const inDoubt = failure.kind === 'unreachable' || failure.kind === 'server_error'
    const alive = !inDoubt || (await lms.heartbeat()).ok
    become(afterFailure(state, { failure, alive, now: now() }))
  }

  /** Many wait for the same call for a token or a course: its failure is one, however many it comes to. */
  const failed = (failure: Failure): Promise<void> => {
    const weighing = weighed.get(failure) ?? weigh(failure)
    weighed.set(failure, weighing)
    return weighing
  }

  const isHealthy = async ({ kind }: OpenState, signal: AbortSignal): Promise<boolean> => {
    if (kind === 'throttled') return true
    if (kind === 'down') return (await lms.heartbeat()).ok
    return (await lms.allowances(await budget.acquire(signal), { email: NOBODY })).ok
  }

  return {
    state: () => state,
    lms: watched(lms, watch),
    whenClosed: async (signal) => {
      while (isOpen(state) && !signal.aborted) await orAborted(change.promise, signal)
    },
    run: async (signal) => {
      while (!signal.aborted) {
        if (!isOpen(state)) {
          await orAborted(change.promise, signal)
          continue
        }
        const open = state // only a probe unblocks
        await sleep(Math.max(0, open.probeAt - now()), signal)
        if (signal.aborted) return
        const well = await isHealthy(open, signal).catch(() => false) // the signal ended its wait for a permit
        become(afterProbe(state, { well, now: now() }))
      }
    },
  }
}

/** `proves` is false where a good answer may come from the client's memory. */
type Watch = <T>(call: () => Promise<Judged<T>>, options?: { permit?: Permit; proves?: boolean }) => Promise<Judged<T>>

/** Every method but those that tell how the LMS is. */
function watched(lms: Lms, watch: Watch): Lms {
  return {
    ...lms,
    course: (key, since) => watch(() => lms.course(key, since), { proves: false }),
    account: (email) => watch(() => lms.account(email)),
    bulkAvailable: () => watch(() => lms.bulkAvailable(), { proves: false }),
    bulkEnroll: (permit, call) => watch(() => lms.bulkEnroll(permit, call), { permit }),
    enrollment: (permit, of) => watch(() => lms.enrollment(permit, of), { permit }),
    enrollments: (permit, of) => watch(() => lms.enrollments(permit, of), { permit }),
    enroll: (permit, of) => watch(() => lms.enroll(permit, of), { permit }),
    allow: (permit, of) => watch(() => lms.allow(permit, of), { permit }),
    allowances: (permit, of) => watch(() => lms.allowances(permit, of), { permit }),
    disallow: (permit, of) => watch(() => lms.disallow(permit, of), { permit }),
  }
}

/** No longer than from the block to the probe, also when the clock was set back since. The call was never sent. */
function openFailure({ failure, since, probeAt }: OpenState, now: number): Failure {
  const retryAfterMs = Math.min(Math.max(0, probeAt - now), probeAt - since)
  return { ...failure, endpoint: '/heartbeat', status: null, retryAfterMs, mayHaveTakenEffect: false }
}

async function orAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const aborted = Promise.withResolvers<void>()
  const stop = (): void => aborted.resolve()
  signal.addEventListener('abort', stop, { once: true })
  await Promise.race([promise, aborted.promise])
  signal.removeEventListener('abort', stop)
}
