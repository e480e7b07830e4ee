import { setTimeout as delay } from 'node:timers/promises'
import { createBell } from '../deliveries/bell.ts'
import type { Inbox } from '../deliveries/inbox.ts'
import type { Delivery } from '../deliveries/types.ts'
import type { Budget, Permit } from '../openedx/budget.ts'
import type { Lms } from '../openedx/lms.ts'
import { type Batch, nextBatch } from './batches.ts'
import { resolveCourses } from './courses.ts'
import { enrollInBulk, enrollOneByOne } from './enroll-batch.ts'
import { settlement } from './settlement.ts'
import { beginWork, failed, record, type Work, type WorkFailure } from './work.ts'

/** How many deliveries are in hand at once: out of so many the next batch is chosen. */
const HAND_MAX = 1000
const AGAIN_MS = 1000

interface Worker {
  readonly inbox: Inbox
  readonly lms: Lms
  readonly budget: Budget
  /** How many batches are under way at once. */
  readonly concurrency: number
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
export async function runWorker({
  inbox,
  lms,
  budget,
  concurrency,
  now,
  random,
  onError,
  signal,
}: Worker): Promise<void> {
  const hand = new Map<string, Work>()
  const inCall = new Set<Work>()
  const bell = createBell()
  const unsettled = new Set<Promise<void>>()

  const settle = (work: Work): void => {
    hand.delete(work.delivery.id)
    const settling = inbox.settle([settlement({ work, now: now(), random })]).catch(onError)
    unsettled.add(settling)
    void settling.then(() => unsettled.delete(settling))
  }

  const admit = async (delivery: Delivery): Promise<void> => {
    const { request } = delivery
    if (request === null) throw new Error(`delivery ${delivery.id} is due but asks for nothing`)
    const resolved = await resolveCourses({ ids: request.courseIds, lms })
    const work = beginWork({ delivery, request, courses: resolved.kind === 'courses' ? resolved.keys : [] })
    if (resolved.kind === 'reason') work.reasons.push(resolved.reason)
    if (resolved.kind === 'failure') work.failures.push(resolved.failure)
    hand.set(delivery.id, work)
    if (work.open.size === 0) settle(work)
    bell.ring()
  }

  const fill = async (): Promise<void> => {
    const rung = bell.listen()
    const room = HAND_MAX - hand.size
    if (room <= 0) return rung(AGAIN_MS, signal)
    for (const delivery of await inbox.take(room, signal)) void admit(delivery).catch(onError)
  }

  const attempt = async (batch: Batch, permit: Permit | null, failure: WorkFailure | null): Promise<void> => {
    const means = { batch, lms, budget, signal }
    try {
      if (failure !== null) failAll(batch, failure)
      else if (permit !== null) await enrollInBulk({ ...means, permit })
      else await enrollOneByOne(means)
    } catch (error) {
      if (signal.aborted) return // not settled: the next start finds it due
      onError(error)
      failAll(batch, INTERNAL)
    }
  }

  const idle = (): Work[] => [...hand.values()].filter((work) => !inCall.has(work))

  const call = async (): Promise<void> => {
    const rung = bell.listen()
    if (idle().length === 0) return rung(AGAIN_MS, signal)
    const available = await lms.bulkAvailable()
    const bulk = !available.ok || available.value
    const permit = bulk ? await budget.acquire(signal) : null // then choose: waiting makes the batch bigger
    const batch = nextBatch({ works: idle(), bulk, now: now() })
    const together = bulk && batch?.works.every((work) => !work.alone)
    if (!together) permit?.giveBack()
    if (batch === null) return
    for (const work of batch.works) inCall.add(work)
    await attempt(batch, together ? permit : null, available.ok ? null : available.failure)
    for (const work of batch.works) {
      inCall.delete(work)
      if (work.open.size === 0) settle(work)
    }
    bell.ring()
  }

  const untilStopped = async (step: () => Promise<void>): Promise<void> => {
    while (!signal.aborted) {
      try {
        await step()
      } catch (error) {
        if (signal.aborted) return
        onError(error)
        await delay(AGAIN_MS, undefined, { signal }).catch(() => {})
      }
    }
  }

  await Promise.all([untilStopped(fill), ...Array.from({ length: concurrency }, () => untilStopped(call))])
  await Promise.all(unsettled)
}

const INTERNAL: WorkFailure = { kind: 'server_error', message: 'an error in this service; its log has more' }

function failAll({ works, courses }: Batch, failure: WorkFailure): void {
  for (const work of works) {
    for (const course of courses) if (work.open.has(course)) record({ work, course, result: failed(failure) })
  }
}
