import type { Delivery } from '../delivery/types.ts'
import type { Inbox } from '../inbox/types.ts'
import type { Budget } from '../openedx/budget.ts'
import { pause } from '../pause.ts'
import { createWakeUp } from '../wake-up.ts'
import { admit } from './admit.ts'
import { isOpen } from './breaker-state.ts'
import { createChooser } from './call-chooser.ts'
import { makeNextCall } from './calls.ts'
import type { CircuitBreaker } from './circuit-breaker.ts'
import type { CourseBreakers } from './course-breakers.ts'
import { createInFlight } from './in-flight.ts'
import { settlement } from './settlement.ts'
import { recordPause, type Work } from './work.ts'

/** How many deliveries are in hand at once: out of so many the next batch is chosen. */
const IN_FLIGHT_MAX = 1000
const AGAIN_MS = 1000

interface Worker {
  readonly inbox: Inbox
  readonly breaker: CircuitBreaker
  readonly breakers: CourseBreakers
  readonly budget: Budget
  /** How many batches are under way at once: the most that it may ever be, and what it is now. */
  readonly concurrency: { readonly most: number; readonly now: () => number }
  readonly now: () => number
  readonly random: () => number
  /** Told of what should not happen; the work on it is tried again. */
  readonly onError: (error: unknown) => void
  /** Aborted at the stop: what is in flight is finished, the rest is left for the next start. */
  readonly signal: AbortSignal
}

/**
 * Takes due deliveries out of the inbox, enrolls and settles them. One loop fills the hand and checks the courses, some
 * make the calls: while those wait for the LMS or for the budget, the next batch grows by itself. Resolves after the
 * signal is aborted and the last call has been settled.
 */
export async function runWorker(worker: Worker): Promise<void> {
  const { inbox, breaker, breakers, concurrency, now, onError, signal } = worker
  const inFlight = createInFlight({ inbox })
  const wakeUp = createWakeUp()
  const isAwaited = (work: Work): boolean => inbox.isAwaited(work.delivery.id)
  const chooser = createChooser({ inFlight, breakers, isAwaited, now })
  const settler = createSettler(worker)

  /** Settles what is finished of the works that are in no call. A paused course is left for the next attempt. */
  const finish = (works: readonly Work[]): void => {
    for (const work of works) {
      for (const course of [...work.open]) {
        const paused = breakers.standing(course) === 'paused' ? breakers.pauseOf(course) : null
        if (paused !== null) recordPause({ work, paused })
      }
      if (work.open.size > 0) continue
      inFlight.remove(work)
      settler.settle(work)
    }
    wakeUp.wake()
  }

  const take = async (delivery: Delivery): Promise<void> => {
    const work = await admit({ delivery, lms: breaker.lms })
    inFlight.add(work)
    finish([work])
  }

  /** Otherwise it would be held until the next start, with all later sales of this person behind it. */
  const releaseLater = async (delivery: Delivery, error: unknown): Promise<void> => {
    onError(error)
    await pause(AGAIN_MS, signal)
    inbox.release([delivery.id])
  }

  const fill = async (): Promise<void> => {
    const room = Math.max(0, IN_FLIGHT_MAX - inFlight.size()) // who is waited for is handed out all the same
    for (const delivery of await inbox.claim(room, signal)) {
      void take(delivery).catch((error) => releaseLater(delivery, error))
    }
  }

  const calling = { ...worker, inFlight, chooser, wakeUp, onCalled: () => finish(inFlight.idle()) }
  /** One of those that call; it rests while other replicas have its share. */
  const caller = (number: number): Promise<void> =>
    number < concurrency.now() ? makeNextCall(calling) : wakeUp.listen()(AGAIN_MS, signal)

  await Promise.all([
    breaker.run(signal),
    untilStopped(worker, fill),
    ...Array.from({ length: concurrency.most }, (_, i) => untilStopped(worker, () => caller(i))),
  ])
  await settler.settled()
}

/** Stores what the attempts came to; `settled` resolves when all of it is stored. */
function createSettler({ inbox, breaker, now, random, onError, signal }: Worker) {
  const unsettled = new Set<Promise<void>>()
  return {
    settle: (work: Work): void => {
      if (signal.aborted && work.failures.length > 0) return // the stop itself may have cut the call: due at the next start
      const settling = inbox
        .settle([settlement({ work, now: now(), random, isOpen: isOpen(breaker.state()) })])
        .catch(onError)
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
