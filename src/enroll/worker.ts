import type { Budget } from '../lms/client/budget.ts'
import type { Inbox } from '../queue/inbox.ts'
import { createIds } from '../sale/ids.ts'
import type { Delivery } from '../sale/types.ts'
import { noneIfUnreachable } from '../service/lib/errors.ts'
import { createWakeUp, pause } from '../service/lib/loop.ts'
import { admit } from './admit.ts'
import { isOpen } from './breakers/breaker-state.ts'
import type { CircuitBreaker } from './breakers/circuit-breaker.ts'
import type { CourseBreakers } from './breakers/course-breakers.ts'
import { makeNextCall } from './calls.ts'
import { createCallChooser } from './choose-call.ts'
import type { EnrollingOptions } from './enroll-one-by-one.ts'
import { createInFlight } from './in-flight.ts'
import { settlement } from './settlement.ts'
import { recordPause, type Work } from './work.ts'

/** The most deliveries in flight. The next batch is chosen from among these. */
const IN_FLIGHT_MAX = 1000
const AGAIN_MS = 1000

interface Worker {
  readonly inbox: Inbox
  readonly breaker: CircuitBreaker
  readonly breakers: CourseBreakers
  readonly budget: Budget
  readonly options: EnrollingOptions
  /** How many batches may be in flight at once: the most ever, and the number now. */
  readonly concurrency: { readonly most: number; readonly now: () => number }
  readonly now: () => number
  readonly random: () => number
  /** Receives unexpected errors. The work is retried. */
  readonly onError: (error: unknown) => void
  /** Aborted when the service stops: calls in flight are finished, and the rest waits for the next start. */
  readonly signal: AbortSignal
}

/**
 * Claims due deliveries from the inbox, enrolls and settles them. One loop claims deliveries and checks their courses.
 * Others make the calls: while they wait for the LMS or the call budget, the next batch grows. Resolves after the
 * signal is aborted and the last call is settled.
 */
export async function runWorker(worker: Worker): Promise<void> {
  const { inbox, breaker, breakers, concurrency, now, onError, signal } = worker
  const inFlight = createInFlight({ inbox })
  const wakeUp = createWakeUp()
  const isAwaited = (work: Work): boolean => inbox.isAwaited(work.delivery.id)
  const chooser = createCallChooser({ inFlight, breakers, isAwaited, now })
  const blocked = new Set<string>()
  const settler = createSettler(worker, blocked)

  /** Settles the finished ones of works that are in no call. Leaves paused courses to the next attempt. */
  const finish = (works: readonly Work[]): void => {
    for (const work of works) {
      for (const course of [...work.open]) {
        const paused = breakers.healthOf(course) === 'paused' ? breakers.pauseOf(course) : null
        if (paused !== null) recordPause({ work, paused })
      }
      if (work.open.size > 0) continue
      inFlight.remove(work)
      settler.settle(work)
    }
    wakeUp.wake()
  }

  const begin = async (delivery: Delivery): Promise<void> => {
    const work = await inFlight.coming(admit({ delivery, lms: breaker.lms }))
    if (blocked.has(delivery.id)) work.grouping = 'suspect'
    inFlight.add(work)
    finish([work])
  }

  /** Without this, the delivery would stay claimed until the next start, and block all later sales of this person. */
  const releaseLater = async (delivery: Delivery, error: unknown): Promise<void> => {
    onError(error)
    await pause(AGAIN_MS, signal)
    inbox.release([delivery.id])
  }

  const claim = async (): Promise<void> => {
    finish(await inFlight.stopLost().catch(noneIfUnreachable))
    // Even without room, the inbox gives the deliveries that a sender waits for.
    const room = Math.max(0, IN_FLIGHT_MAX - inFlight.size())
    for (const delivery of await inbox.claim(room, signal)) {
      void begin(delivery).catch((error) => releaseLater(delivery, error))
    }
  }

  const onCalled = (): void => finish(inFlight.idle())
  const calling = { ...worker, inFlight, chooser, wakeUp, newId: createIds({ now }), onCalled }
  /** One of the loops that make calls. It rests while other replicas have its share. */
  const caller = (number: number): Promise<void> =>
    number < concurrency.now() ? makeNextCall(calling) : wakeUp.listen()(AGAIN_MS, signal)

  await Promise.all([
    breaker.run(),
    untilStopped(worker, claim),
    ...Array.from({ length: concurrency.most }, (_, i) => untilStopped(worker, () => caller(i))),
  ])
  await settler.settled()
}

/**
 * Stores the results of attempts. `settled` resolves when all are stored.
 * @param blocked gets the ids of the deliveries whose last attempt was blocked: they go singly, after all others
 */
function createSettler({ inbox, breaker, now, random, onError, signal }: Worker, blocked: Set<string>) {
  const unsettled = new Set<Promise<void>>()
  return {
    settle: (work: Work): void => {
      // The stop itself may have cut the call. The delivery is due at the next start.
      if (signal.aborted && work.failures.length > 0) return
      const result = settlement({ work, now: now(), random, isOpen: isOpen(breaker.state()) })
      const isBlocked = result.dueAt !== null && work.failures.some(({ kind }) => kind === 'blocked')
      if (isBlocked) blocked.add(result.id)
      else blocked.delete(result.id)
      const settling = inbox.settle([result]).catch(onError)
      unsettled.add(settling)
      void settling.then(() => unsettled.delete(settling))
    },
    settled: async (): Promise<void> => {
      await Promise.all(unsettled)
    },
  }
}

async function untilStopped(
  { onError, signal }: Pick<Worker, 'onError' | 'signal'>,
  step: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await step()
    } catch (error) {
      if (signal.aborted) return
      onError(error)
      await pause(AGAIN_MS, signal)
    }
  }
}
