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

/** Senders keep waiting through a throttle that ends this soon (ms). */
const SHORT_MS = 5_000
/** An address that nobody can have. The probe reads its allowances, which only staff may do. */
const NOBODY = 'nobody@lernito-openedx.invalid'

export interface CircuitBreaker {
  readonly state: () => BreakerState
  /** The LMS client for the worker. While the circuit breaker is open, nothing is sent and each call fails at once. */
  readonly lms: Lms
  /** Resolves when the circuit breaker is not open, or when the signal is aborted. */
  whenClosed(signal: AbortSignal): Promise<void>
  /** Whether the cause of an outage is gone, which another replica may have noticed. Changes nothing. */
  probe(kind: OpenState['kind'], signal: AbortSignal): Promise<boolean>
  /** Probes the LMS while the circuit breaker is open, until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>
}

interface BreakerOptions {
  readonly lms: Lms
  readonly inbox: Pick<Inbox, 'pause' | 'resume'>
  readonly budget: Budget
  /** ms since 1970 */
  readonly now: () => number
  /** Receives the state each time the circuit breaker opens or closes. */
  readonly onChange: (state: BreakerState) => void
  /** Waits `ms`, or until the signal is aborted. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>
}

/**
 * Watches every call to the LMS. While the LMS is down, throttles or is misconfigured, the inbox is paused: no delivery
 * is claimed, and no sender waits without a chance of an answer. Work continues after a probe succeeds.
 */
export function createCircuitBreaker(from: BreakerOptions): CircuitBreaker {
  const holder = createStateHolder(from)
  const { current, changed } = holder
  return {
    state: current,
    lms: watched(from.lms, createWatch(from, holder)),
    whenClosed: async (signal) => {
      while (isOpen(current()) && !signal.aborted) await orAborted(changed(), signal)
    },
    probe: (kind, signal) => probe(from, { kind }, signal),
    run: async (signal) => {
      while (!signal.aborted) {
        const state = current()
        if (isOpen(state)) await probeWhenDue(from, holder, state, signal)
        else await orAborted(changed(), signal)
      }
    },
  }
}

interface StateHolder {
  readonly current: () => BreakerState
  /** Takes the next state. If it opens or closes the circuit breaker, pauses or resumes the inbox. */
  become(next: BreakerState): void
  /** Resolves when the circuit breaker opens or closes. */
  readonly changed: () => Promise<void>
}

function createStateHolder({ inbox, now, onChange }: BreakerOptions): StateHolder {
  let state: BreakerState = CLOSED
  let change = Promise.withResolvers<void>()
  return {
    current: () => state,
    become: (next) => {
      const before = state
      state = next
      if (before.kind === next.kind || (!isOpen(before) && !isOpen(next))) return
      const endsSoon = next.kind === 'throttled' && next.probeAt - now() <= SHORT_MS
      if (!isOpen(next)) inbox.resume()
      else if (!endsSoon) inbox.pause()
      onChange(next)
      change.resolve()
      change = Promise.withResolvers()
    },
    changed: () => change.promise,
  }
}

/** Makes a call if the circuit breaker is not open, and learns from its result. */
function createWatch({ lms, now }: BreakerOptions, { current, become }: StateHolder): Watch {
  const handled = new WeakMap<Failure, Promise<void>>()

  const handleFailure = async (failure: Failure): Promise<void> => {
    const inDoubt = failure.kind === 'unreachable' || failure.kind === 'server_error'
    const alive = !inDoubt || (await lms.heartbeat()).ok
    become(afterFailure(current(), { failure, alive, now: now() }))
  }

  /** Many callers share a request for a token or a course: they all get its failure, which counts as one. */
  const handleOnce = (failure: Failure): Promise<void> => {
    const handling = handled.get(failure) ?? handleFailure(failure)
    handled.set(failure, handling)
    return handling
  }

  return async (call, { permit, proves = true, learnsFrom = () => true } = {}) => {
    const state = current()
    if (isOpen(state)) {
      permit?.release()
      return { ok: false, failure: openFailure(state, now()) }
    }
    const judged = await call()
    if (!judged.ok) {
      if (learnsFrom(judged.failure)) await handleOnce(judged.failure)
    } else if (proves) become(afterSuccess(current()))
    return judged
  }
}

/** Waits until the probe is due and makes it. Nothing else closes an open circuit breaker. */
async function probeWhenDue(
  { lms, budget, now, sleep = pause }: BreakerOptions,
  { current, become }: StateHolder,
  open: OpenState,
  signal: AbortSignal,
): Promise<void> {
  await sleep(Math.max(0, open.probeAt - now()), signal)
  if (signal.aborted) return
  const succeeded = await probe({ lms, budget }, open, signal)
  become(afterProbe(current(), { succeeded, now: now() }))
}

async function probe(
  { lms, budget }: Pick<BreakerOptions, 'lms' | 'budget'>,
  { kind }: Pick<OpenState, 'kind'>,
  signal: AbortSignal,
): Promise<boolean> {
  if (kind === 'throttled') return true
  try {
    if (kind === 'down') return (await lms.heartbeat()).ok
    return (await lms.allowances(await budget.acquire(signal), { email: NOBODY })).ok
  } catch {
    return false // the signal ended the wait for a permit, or this replica has lost its lease
  }
}

interface WatchOptions {
  readonly permit?: Permit
  /** false if a successful answer may come from the client's cache. */
  readonly proves?: boolean
  /** Which failures count. */
  readonly learnsFrom?: (failure: Failure) => boolean
}
type Watch = <T>(call: () => Promise<Judged<T>>, options?: WatchOptions) => Promise<Judged<T>>

/** A call that the service can do without: its other failures may be about this API only. */
const OPTIONAL: WatchOptions = { proves: false, learnsFrom: ({ kind }) => kind === 'unreachable' }

/** Watches all methods except those that tell the state of the LMS. */
function watched(lms: Lms, watch: Watch): Lms {
  return {
    ...lms,
    course: (key, since) => watch(() => lms.course(key, since), { proves: false }),
    courseKeys: () => watch(() => lms.courseKeys(), OPTIONAL),
    account: (email) => watch(() => lms.account(email)),
    searchEmails: (emails) => watch(() => lms.searchEmails(emails), OPTIONAL),
    bulkAvailable: () => watch(() => lms.bulkAvailable(), { proves: false }),
    bulkEnroll: (permit, call) => watch(() => lms.bulkEnroll(permit, call), { permit }),
    modifyAvailable: () => watch(() => lms.modifyAvailable(), OPTIONAL),
    modify: (call) => watch(() => lms.modify(call)),
    enrollment: (permit, of) => watch(() => lms.enrollment(permit, of), { permit }),
    enrollments: (permit, of) => watch(() => lms.enrollments(permit, of), { permit }),
    enrollmentsOfCourse: (permit, of) => watch(() => lms.enrollmentsOfCourse(permit, of), { permit }),
    unenroll: (permit, of) => watch(() => lms.unenroll(permit, of), { permit }),
    enroll: (permit, of) => watch(() => lms.enroll(permit, of), { permit }),
    allow: (permit, of) => watch(() => lms.allow(permit, of), { permit }),
    allowances: (permit, of) => watch(() => lms.allowances(permit, of), { permit }),
    disallow: (permit, of) => watch(() => lms.disallow(permit, of), { permit }),
  }
}

/**
 * The failure of a call that was never sent. The wait is at most that from opening to the probe, even if the clock was
 * set back.
 */
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
