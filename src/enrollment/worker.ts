import { createBell } from '../deliveries/bell.ts'
import type { Inbox } from '../deliveries/inbox.ts'
import type { Delivery } from '../deliveries/types.ts'
import type { Budget, Permit } from '../openedx/budget.ts'
import { pause } from '../pause.ts'
import { BATCH_PEOPLE, BATCH_PEOPLE_AT_MOST, type Batch, nextBatch } from './batches.ts'
import { resolveCourses } from './courses.ts'
import { enrollInBulk, enrollOneByOne } from './enroll-batch.ts'
import { createHand } from './hand.ts'
import type { Link } from './link.ts'
import { settlement } from './settlement.ts'
import { beginWork, failed, record, type Work, type WorkFailure } from './work.ts'

/** How many deliveries are in hand at once: out of so many the next batch is chosen. */
const HAND_MAX = 1000
const AGAIN_MS = 1000
/**
 * When the budget runs down, a batch of fewer people waits for more, the longer (ms) the less of the budget is left: a
 * rush needs fewer calls so.
 */
const SPARING_BELOW = 0.75
const GOOD_BATCH = 40
const GATHER_MS = 1500

interface Worker {
  readonly inbox: Inbox
  readonly link: Link
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
export async function runWorker({
  inbox,
  link,
  budget,
  concurrency,
  now,
  random,
  onError,
  signal,
}: Worker): Promise<void> {
  const { lms } = link
  const hand = createHand({ inbox })
  const bell = createBell()
  const unsettled = new Set<Promise<void>>()
  /** How many calls for the backlog are under way, or leave the LMS its pause. */
  let backlogCalls = 0

  const settle = (work: Work): void => {
    hand.remove(work)
    if (signal.aborted && work.failures.length > 0) return // the stop itself may have cut the call: due at the next start
    const settling = inbox
      .settle([settlement({ work, now: now(), random, blocked: link.state().kind !== 'up' })])
      .catch(onError)
    unsettled.add(settling)
    void settling.then(() => unsettled.delete(settling))
  }

  const admit = async (delivery: Delivery): Promise<void> => {
    const { request } = delivery
    if (request === null) throw new Error(`delivery ${delivery.id} is due but asks for nothing`)
    const resolved = await resolveCourses({ ids: request.courseIds, lms, since: delivery.replayedAt })
    const work = beginWork({ delivery, request, courses: resolved.kind === 'courses' ? resolved.keys : [] })
    if (resolved.kind === 'reason') work.reasons.push(resolved.reason)
    if (resolved.kind === 'failure') work.failures.push(resolved.failure)
    hand.add(work)
    if (work.open.size === 0) settle(work)
    bell.ring()
  }

  /** Otherwise it would be held until the next start, with all later sales of this person behind it. */
  const releaseLater = async (delivery: Delivery, error: unknown): Promise<void> => {
    onError(error)
    await pause(AGAIN_MS, signal)
    inbox.letGo([delivery.id])
  }

  const fill = async (): Promise<void> => {
    const room = Math.max(0, HAND_MAX - hand.size()) // who is waited for is handed out all the same
    for (const delivery of await inbox.take(room, signal)) {
      void admit(delivery).catch((error) => releaseLater(delivery, error))
    }
  }

  const isAwaited = (work: Work): boolean => inbox.isAwaited(work.delivery.id)

  /**
   * Puts the next batch into a call: gives it, and the permit for bulk_enroll, which is null where it goes one by one.
   * The permit comes first: while it is waited for, and while the budget runs down, the batch gets bigger.
   */
  const takeBatch = async (bulk: boolean): Promise<{ batch: Batch | null; permit: Permit | null }> => {
    const permit = bulk ? await budget.acquire(signal) : null
    const fullness = budget.fullness()
    const sparing = fullness < SPARING_BELOW
    const people = sparing ? BATCH_PEOPLE_AT_MOST : BATCH_PEOPLE
    const next = (): Batch | null => nextBatch({ works: hand.idle(), bulk, now: now(), isAwaited, people })
    const isSmall = (batch: Batch | null): boolean => batch === null || batch.works.length < GOOD_BATCH
    if (permit !== null && sparing && isSmall(next())) await pause(GATHER_MS * (1 - fullness), signal)
    hand.dropForeign()
    const batch = next()
    hand.beginCall(batch?.works ?? [])
    if (batch?.works.every((work) => !work.alone)) return { batch, permit }
    permit?.giveBack()
    return { batch, permit: null }
  }

  const attempt = async (batch: Batch, permit: Permit | null, failure: WorkFailure | null): Promise<void> => {
    const context = { batch, lms, acquire: () => budget.acquire(signal) }
    try {
      if (failure !== null) failAll(batch, failure)
      else if (permit !== null) await enrollInBulk({ ...context, permit })
      else await enrollOneByOne(context)
    } catch (error) {
      if (signal.aborted) return // not settled: the next start finds it due
      onError(error)
      failAll(batch, INTERNAL)
    }
  }

  /** Makes the next call, if there is one to make; gives how long it took, ms. */
  const makeCall = async (): Promise<number> => {
    hand.dropForeign()
    const available = await lms.bulkAvailable()
    const failure = available.ok ? null : available.failure
    const { batch, permit } = await takeBatch(!available.ok || available.value)
    if (batch === null) return 0
    const works = await hand.beginAttempt(batch.works)
    if (failure !== null || works.length === 0) permit?.giveBack()
    if (works.length === 0) return 0
    const began = performance.now()
    await attempt({ ...batch, works }, permit, failure)
    hand.endCall(works)
    for (const work of works) if (work.open.size === 0) settle(work)
    bell.ring()
    return performance.now() - began
  }

  const call = async (): Promise<void> => {
    await link.whenUp(signal)
    const rung = bell.listen()
    const idle = hand.idle()
    if (idle.some(isAwaited)) return void (await makeCall())
    if (idle.length === 0 || backlogCalls > 0) return rung(AGAIN_MS, signal)
    backlogCalls++
    try {
      // Nobody waits for it: as much time is left to the LMS's learners as the call took of it.
      await pause(await makeCall(), signal)
    } finally {
      backlogCalls--
      bell.ring()
    }
  }

  /** One of those that call; it rests while other replicas have its share. */
  const caller = (number: number): Promise<void> =>
    number < concurrency.now() ? call() : bell.listen()(AGAIN_MS, signal)

  const untilStopped = async (step: () => Promise<void>): Promise<void> => {
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

  await Promise.all([
    link.run(signal),
    untilStopped(fill),
    ...Array.from({ length: concurrency.most }, (_, i) => untilStopped(() => caller(i))),
  ])
  await Promise.all(unsettled)
}

const INTERNAL: WorkFailure = {
  kind: 'server_error',
  message: 'an error in this service; its log has more',
  retryAfterMs: null,
  mayHaveTakenEffect: true,
}

function failAll({ works, courses }: Batch, failure: WorkFailure): void {
  for (const work of works) {
    for (const course of courses) if (work.open.has(course)) record({ work, course, result: failed(failure) })
  }
}
