import { isUp } from '../../lms/apis/heartbeat.ts'
import type { Budget, Permit } from '../../lms/client/budget.ts'
import { type Failure, isInDoubt, type Judged } from '../../lms/client/failure.ts'
import type { EnrollingLms, Lms } from '../../lms/lms.ts'
import type { Inbox } from '../../queue/inbox.ts'
import { createWakeUp, pause } from '../../service/lib/loop.ts'
import {
  afterFailure,
  afterProbe,
  afterSuccess,
  asBlocked,
  type BreakerState,
  CLOSED,
  isOpen,
  mayBeBlocked,
  type OpenState,
} from './breaker-state.ts'

/** Senders keep waiting through a throttle that ends this soon (ms). */
const SHORT_MS = 5_000
/**
 * How long a successful probe counts for further calls that are refused, in ms. Many sales may be blocked at once, and a
 * probe takes a permit.
 */
const PROBE_VALID_MS = 5_000
/** Who waits for a change looks again after this time, ms. */
const CHANGED_MS = 60_000
/** An address that nobody can have. The probe reads its allowances, which only staff may do. */
const NOBODY = 'nobody@lernito-openedx.invalid'

interface BreakerOptions {
  readonly lms: EnrollingLms & Pick<Lms, 'heartbeat'>
  readonly inbox: Pick<Inbox, 'pause' | 'resume'>
  readonly budget: Budget
  /** ms since 1970 */
  readonly now: () => number
  /** Receives the state each time the circuit breaker opens or closes, until the service stops. */
  readonly onChange: (state: BreakerState) => void
  /** Aborted when the service stops. */
  readonly signal: AbortSignal
  /** Waits `ms`, or until the signal is aborted. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>
}

/**
 * Watches the calls of sales to the LMS. While the LMS is down, throttles or is misconfigured, the inbox is paused: no delivery
 * is claimed, and no sender waits without a chance of an answer. Work continues after a probe succeeds.
 */
export function createCircuitBreaker(from: BreakerOptions) {
  const { now, signal, sleep = pause } = from
  const holder = createStateHolder(from)
  const { current, become, changed } = holder
  return {
    state: current,
    /** The LMS client of sales. While the circuit breaker is open, nothing is sent and each call fails at once. */
    lms: watched(from.lms, createWatch(from, holder)),
    /** Resolves when the circuit breaker is not open, or when the signal is aborted. */
    whenClosed: async (signal: AbortSignal): Promise<void> => {
      while (isOpen(current()) && !signal.aborted) await changed(signal)
    },
    /** Whether the cause of an outage is gone, which another replica may have noticed. Changes nothing. */
    probe: (kind: OpenState['kind']) => probe(from, kind),
    /** Probes the LMS while the circuit breaker is open, until the service stops. Nothing else closes it. */
    run: async (): Promise<void> => {
      while (!signal.aborted) {
        const state = current()
        if (!isOpen(state)) await changed(signal)
        else {
          await sleep(Math.max(0, state.probeAt - now()), signal)
          if (!signal.aborted) become(afterProbe(state, { succeeded: await probe(from, state.kind), now: now() }))
        }
      }
    },
  }
}
export type CircuitBreaker = ReturnType<typeof createCircuitBreaker>

function createStateHolder({ inbox, now, onChange, signal }: BreakerOptions) {
  let state: BreakerState = CLOSED
  const wakeUp = createWakeUp()
  return {
    current: (): BreakerState => state,
    /** Takes the next state. If it opens or closes the circuit breaker, pauses or resumes the inbox. */
    become: (next: BreakerState): void => {
      const before = state
      state = next
      if (before.kind === next.kind || (!isOpen(before) && !isOpen(next))) return
      const endsSoon = next.kind === 'throttled' && next.probeAt - now() <= SHORT_MS
      if (!isOpen(next)) inbox.resume()
      else if (!endsSoon) inbox.pause()
      // The stop itself cuts calls, so its failures say nothing about the LMS.
      if (!signal.aborted) onChange(next)
      wakeUp.wake()
    },
    /** Resolves when the circuit breaker opens or closes, or when the signal is aborted; or sooner. */
    changed: (signal: AbortSignal): Promise<void> => wakeUp.listen()(CHANGED_MS, signal),
  }
}
type StateHolder = ReturnType<typeof createStateHolder>

/** Makes a call if the circuit breaker is not open, and learns from its result. */
function createWatch(from: BreakerOptions, { current, become }: StateHolder): Watch {
  const { lms, now } = from
  const handled = new WeakMap<Failure, Promise<Failure>>()
  let probing: Promise<boolean> | null = null
  let answeredAt = Number.NEGATIVE_INFINITY

  /** Whether the LMS answers a call that only staff may make. Failures at about the same time share one probe. */
  const answersOthers = async (): Promise<boolean> => {
    if (performance.now() - answeredAt < PROBE_VALID_MS) return true
    probing ??= probe(from, 'misconfigured').finally(() => {
      probing = null
    })
    const answers = await probing
    if (answers) answeredAt = performance.now()
    return answers
  }

  const handleFailure = async (failure: Failure, { forAll, changes }: Learning): Promise<Failure> => {
    const isBlocked = !forAll && mayBeBlocked(failure) && (await answersOthers())
    const learned = isBlocked ? asBlocked(failure, changes) : failure
    const alive = !isInDoubt(failure) || isUp(await lms.heartbeat())
    become(afterFailure(current(), { failure: learned, alive, now: now() }))
    return learned
  }

  /** Many callers share a request for a token or a course: they all get its failure, which counts as one. */
  const handleOnce = (failure: Failure, of: Learning): Promise<Failure> => {
    const handling = handled.get(failure) ?? handleFailure(failure, of)
    handled.set(failure, handling)
    return handling
  }

  return async (call, { permit, isOptional = false, proves = !isOptional, forAll = false, changes = false } = {}) => {
    const state = current()
    if (isOpen(state)) {
      permit?.release()
      return { ok: false, failure: openFailure(state, now()) }
    }
    const judged = await call()
    if (!judged.ok) {
      const { failure } = judged
      if (isOptional && failure.kind !== 'unreachable') return judged
      return { ok: false, failure: await handleOnce(failure, { forAll, changes }) }
    }
    if (proves) become(afterSuccess(current()))
    return judged
  }
}

async function probe({ lms, budget, signal }: BreakerOptions, kind: OpenState['kind']): Promise<boolean> {
  if (kind === 'throttled') return true
  try {
    if (kind === 'down') return isUp(await lms.heartbeat())
    return (await lms.allowances(await budget.acquire(signal), { email: NOBODY })).ok
  } catch {
    return false // the signal ended the wait for a permit, or this replica has lost its lease
  }
}

interface WatchOptions {
  readonly permit?: Permit
  /** false if a successful answer may come from the client's cache. */
  readonly proves?: boolean
  /** Whether the service can do without the call: its failures with an answer may be about this API only. */
  readonly isOptional?: boolean
  /** Whether the call is the same for all sales, so that nothing can block it for one of them. */
  readonly forAll?: boolean
  /** Whether the call changes something. */
  readonly changes?: boolean
}
type Learning = Required<Pick<WatchOptions, 'forAll' | 'changes'>>
type Watch = <T>(call: () => Promise<Judged<T>>, options?: WatchOptions) => Promise<Judged<T>>

/** Each method is named: a new one must be watched too. */
function watched(lms: EnrollingLms, watch: Watch): EnrollingLms {
  return {
    course: (key, since) => watch(() => lms.course(key, since), { proves: false }),
    account: (email) => watch(() => lms.account(email)),
    accountById: (known) => watch(() => lms.accountById(known)),
    takenAsUsernames: (emails) => watch(() => lms.takenAsUsernames(emails)),
    searchEmails: (emails) => watch(() => lms.searchEmails(emails), { isOptional: true }),
    bulkAvailable: () => watch(() => lms.bulkAvailable(), { proves: false, forAll: true }),
    bulkEnroll: (permit, call) => watch(() => lms.bulkEnroll(permit, call), { permit, changes: true }),
    modifyAvailable: () => watch(() => lms.modifyAvailable(), { isOptional: true }),
    modify: (call) => watch(() => lms.modify(call), { changes: true }),
    enrollment: (permit, of) => watch(() => lms.enrollment(permit, of), { permit }),
    enrollmentsOfCourse: (permit, of) => watch(() => lms.enrollmentsOfCourse(permit, of), { permit }),
    unenroll: (permit, of) => watch(() => lms.unenroll(permit, of), { permit, changes: true }),
    enroll: (permit, of) => watch(() => lms.enroll(permit, of), { permit, changes: true }),
    changeMode: (permit, of) => watch(() => lms.changeMode(permit, of), { permit, changes: true }),
    allow: (permit, of) => watch(() => lms.allow(permit, of), { permit, changes: true }),
    allowances: (permit, of) => watch(() => lms.allowances(permit, of), { permit }),
    disallow: (permit, of) => watch(() => lms.disallow(permit, of), { permit, changes: true }),
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
