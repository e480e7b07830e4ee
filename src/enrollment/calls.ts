import { isUnreachable } from '../database/availability.ts'
import { AppError } from '../errors.ts'
import type { Inbox } from '../inbox/types.ts'
import type { Budget, Permit } from '../openedx/budget.ts'
import { pause } from '../pause.ts'
import type { WakeUp } from '../wake-up.ts'
import { BATCH_PEOPLE, BATCH_PEOPLE_AT_MOST, type Batch, isSingly } from './batches.ts'
import { isOpen } from './breaker-state.ts'
import type { CallChooser, ChosenCall } from './call-chooser.ts'
import type { CircuitBreaker } from './circuit-breaker.ts'
import type { CourseBreakers } from './course-breakers.ts'
import { enrollInBulk, enrollOneByOne } from './enroll-batch.ts'
import type { InFlight } from './in-flight.ts'
import { failAll, STOPPED, stop, type Work, type WorkFailure } from './work.ts'

const AGAIN_MS = 1000
/**
 * When the budget runs low, a batch of fewer than GOOD_BATCH people waits for more. It waits longer (up to GATHER_MS)
 * the less budget is left, so that a rush needs fewer calls.
 */
const SPARING_BELOW = 0.75
const GOOD_BATCH = 40
const GATHER_MS = 1500

const INTERNAL: WorkFailure = {
  kind: 'server_error',
  message: 'an internal error of this service; see its log',
  retryAfterMs: null,
  mayHaveTakenEffect: true,
}

/** A call in flight. Without a permit, it enrolls one by one. With `failure`, it is not made. */
interface Call {
  readonly chosen: ChosenCall
  readonly permit: Permit | null
  readonly failure: WorkFailure | null
}

interface Calling {
  readonly inbox: Pick<Inbox, 'mayContinue'>
  readonly inFlight: Pick<InFlight, 'beginAttempt' | 'releaseLost'>
  readonly chooser: CallChooser
  readonly breaker: CircuitBreaker
  readonly budget: Budget
  readonly breakers: CourseBreakers
  /** Signals that there may be another call to make. */
  readonly wakeUp: WakeUp
  /** Runs after each call. Some works may be finished, by this call or because a course was paused. */
  readonly onCalled: () => void
  readonly onError: (error: unknown) => void
  readonly signal: AbortSignal
}

/** Makes the next call to the LMS, or waits until there may be one. Several of these may run at once. */
export async function makeNextCall(calling: Calling): Promise<void> {
  const { breaker, wakeUp, chooser, signal } = calling
  await breaker.whenClosed(signal)
  if (signal.aborted) return
  const woken = wakeUp.listen()
  if (chooser.peek({ bulk: true, people: BATCH_PEOPLE }) === null) return woken(AGAIN_MS, signal)
  const call = await begin(calling)
  if (call === null) return
  const began = performance.now()
  try {
    await make(calling, call)
    // No sender waits for it, so the LMS's learners get as much time as the call took.
    if (call.chosen.isBacklog) await pause(performance.now() - began, signal)
  } finally {
    call.chosen.endPause()
    wakeUp.wake()
  }
}

/** Chooses the call and gets its permit; null if there is none after all. */
async function begin(calling: Calling): Promise<Call | null> {
  const { breaker, inFlight, chooser, budget, signal } = calling
  const available = await breaker.lms.bulkAvailable()
  const bulk = !available.ok || available.value
  inFlight.releaseLost()
  const first = chooser.peek({ bulk, people: BATCH_PEOPLE })
  if (first === null) return null
  const early = bulk && !isSingly(first) ? await acquire(calling) : { permit: null, people: BATCH_PEOPLE }
  inFlight.releaseLost()
  const chosen = chooser.choose({ bulk, people: early.people })
  const inBulk = bulk && chosen !== null && !isSingly(chosen.batch)
  if (!inBulk) early.permit?.release()
  if (chosen === null) return null
  const permit = inBulk ? (early.permit ?? (await budget.acquire(signal))) : null
  return { chosen, permit, failure: available.ok ? null : available.failure }
}

/**
 * Gets the permit before the batch is chosen: during the wait for it, and while the budget runs low, the batch grows.
 */
async function acquire({ chooser, budget, signal }: Calling): Promise<{ permit: Permit; people: number }> {
  const permit = await budget.acquire(signal)
  const fullness = budget.fullness()
  if (fullness >= SPARING_BELOW) return { permit, people: BATCH_PEOPLE }
  const people = BATCH_PEOPLE_AT_MOST
  const isSmall = (chooser.peek({ bulk: true, people })?.works.length ?? 0) < GOOD_BATCH
  if (isSmall) await pause(GATHER_MS * (1 - fullness), signal)
  return { permit, people }
}

async function make(calling: Calling, { chosen, permit, failure }: Call): Promise<void> {
  const { inFlight, onCalled } = calling
  try {
    const works = await inFlight.beginAttempt(chosen.batch.works)
    if (failure !== null || works.length === 0) permit?.release()
    if (works.length > 0) await attempt(calling, { ...chosen.batch, works }, { permit, failure })
  } finally {
    chosen.end()
    onCalled()
  }
}

async function attempt(
  calling: Calling,
  batch: Batch,
  { permit, failure }: Pick<Call, 'permit' | 'failure'>,
): Promise<void> {
  const { breaker, breakers, onError, signal } = calling
  const isUp = (): boolean => !isOpen(breaker.state())
  const acquireFor = (work: Work): Promise<Permit> => acquireForWork(calling, work)
  const context = { batch, lms: breaker.lms, breakers, isUp, acquireFor }
  try {
    if (failure !== null) failAll({ ...batch, failure })
    else if (permit !== null) await enrollInBulk({ ...context, permit })
    else await enrollOneByOne(context)
  } catch (error) {
    if (signal.aborted) return // it isn't settled, so it is due at the next start
    onError(error)
    if (isLeaseLost(error)) for (const work of batch.works) stop(work)
    else failAll({ ...batch, failure: INTERNAL })
  }
}

const isLeaseLost = (error: unknown): boolean => error instanceof AppError && error.code === 'lease.lost'

/** Checks the delivery after the wait for the budget, so that nothing comes between the check and the call. */
async function acquireForWork({ inbox, budget, onError, signal }: Calling, { delivery }: Work): Promise<Permit> {
  const permit = await budget.acquire(signal)
  const mayContinue = await inbox.mayContinue(delivery.id).catch((error: unknown) => {
    if (!isUnreachable(error)) onError(error)
    return false // nobody can tell which replica owns it
  })
  if (mayContinue) return permit
  permit.release()
  throw STOPPED
}
