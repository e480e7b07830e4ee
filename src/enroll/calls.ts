import { acquireChecked, type Budget } from '../lms/client/budget.ts'
import type { AnnouncedCall, Named } from '../queue/attempt.ts'
import type { Inbox } from '../queue/inbox.ts'
import { isLeaseLost, isUnreachable } from '../service/lib/errors.ts'
import { pause, type WakeUp } from '../service/lib/loop.ts'
import type { Batch } from './batches.ts'
import { isOpen } from './breakers/breaker-state.ts'
import type { CircuitBreaker } from './breakers/circuit-breaker.ts'
import type { CourseBreakers } from './breakers/course-breakers.ts'
import { type Call, type CallChooser, chooseCall, type Route } from './choose-call.ts'
import { enrollInBatch } from './enroll-batch.ts'
import { type EnrollingOptions, enrollOneByOne } from './enroll-one-by-one.ts'
import type { InFlight } from './in-flight.ts'
import type { Acquire } from './pair.ts'
import { failed, INTERNAL, recordAll, STOPPED, stop, type Work } from './work.ts'

const AGAIN_MS = 1000

interface Calling {
  readonly inbox: Pick<Inbox, 'mayContinue' | 'mayLand'>
  readonly inFlight: Pick<InFlight, 'beginAttempt' | 'idle'>
  readonly chooser: CallChooser
  readonly breaker: CircuitBreaker
  readonly budget: Budget
  readonly breakers: CourseBreakers
  /** Signals that there may be another call to make. */
  readonly wakeUp: WakeUp
  /** Runs after each call. Some works may be finished, by this call or because a course was paused. */
  readonly onCalled: () => void
  readonly options: EnrollingOptions
  /** Makes the id of a batch. */
  readonly newId: () => string
  readonly onError: (error: unknown) => void
  readonly signal: AbortSignal
}

/** Makes the next call to the LMS, or waits until there may be one. Several of these may run at once. */
export async function makeNextCall(calling: Calling): Promise<void> {
  const { breaker, wakeUp, chooser, signal } = calling
  await breaker.whenClosed(signal)
  if (signal.aborted) return
  const woken = wakeUp.listen()
  if (chooser.peek({ scope: 'sets' }) === null) return woken(AGAIN_MS, signal)
  const call = await chooseCall(calling)
  if (call === null) return woken(AGAIN_MS, signal)
  const began = performance.now()
  try {
    await make(calling, call)
    // No sender waits for it, so the LMS's learners get as much time as the call took.
    if (call.isBacklog) await pause(performance.now() - began, signal)
  } finally {
    call.endPause()
    wakeUp.wake()
  }
}

async function make(calling: Calling, { batch, route, end }: Call): Promise<void> {
  const { inFlight, onCalled } = calling
  try {
    const works = await inFlight.beginAttempt(batch.works)
    if (works.length > 0) await attempt(calling, { ...batch, works }, route)
  } finally {
    if (route.kind === 'bulk') route.permit.release() // if the call wasn't made
    end()
    onCalled()
  }
}

async function attempt(calling: Calling, batch: Batch, route: Route): Promise<void> {
  const { breaker, breakers, budget, inFlight, options, newId, onError, signal } = calling
  const isUp = (): boolean => !isOpen(breaker.state())
  const { inbox } = calling
  const keepOurs = (of: Batch): Promise<readonly Work[]> => stopLost(calling, of.works, { names: namedBy(of) })
  const acquire: Acquire = ({ undoes, names } = {}) =>
    acquireChecked(
      () => budget.acquire(signal),
      async () => {
        const named = names === undefined ? [] : batch.works.map(({ delivery: { id } }) => ({ id, ...names }))
        if ((await stopLost(calling, batch.works, { undoes, names: named })).length < batch.works.length) throw STOPPED
      },
    )
  const mayLand = (work: Work): Promise<boolean> => inbox.mayLand(work.delivery.person)
  const context = { batch, lms: breaker.lms, breakers, options, isUp, acquire, keepOurs, mayLand }
  try {
    if (route.kind === 'single') await enrollOneByOne(context)
    else await enrollInBatch({ ...context, route, waiting: inFlight.idle(), newId })
  } catch (error) {
    if (signal.aborted) return // it isn't settled, so it is due at the next start
    onError(error)
    if (!isLeaseLost(error)) return recordAll(batch, failed(INTERNAL))
    for (const work of batch.works) {
      work.mayLand = true // the end of the lease may have cut a call, or come before it
      stop(work)
    }
  }
}

/** The accounts that a batch names, as far as the search has found them. */
const namedBy = ({ works, courses }: Batch): readonly Named[] =>
  works.flatMap(({ account, delivery: { id } }) =>
    account === null ? [] : courses.map((course) => ({ id, account, course })),
  )

/** Stops those of these works that may not go on, and gives the others. */
async function stopLost(
  { inbox, onError }: Calling,
  works: readonly Work[],
  call: AnnouncedCall,
): Promise<readonly Work[]> {
  const all = works.map(({ delivery }) => delivery.id)
  const ids = await inbox.mayContinue(all, call).catch((error: unknown) => {
    if (!isUnreachable(error)) onError(error)
    return new Set<string>() // nobody can tell whether the holds last
  })
  for (const work of works) if (!ids.has(work.delivery.id)) stop(work)
  return works.filter(({ stopped }) => !stopped)
}
