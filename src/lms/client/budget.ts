import { pause } from '../../service/lib/loop.ts'

/**
 * The right to make one call to an API that the LMS throttles: bulk_enroll, enrollment and enrollment_allowed, which
 * share one count for each user (recorded: throttle.json). The LMS client spends it when it makes the call.
 */
export type Permit = ReturnType<typeof singleUsePermit>

/** Gives permits at the pace that the LMS allows. */
export interface Budget {
  /** Waits for a permit, first come, first served. Rejects with the signal's reason when the signal is aborted. */
  acquire(signal: AbortSignal): Promise<Permit>
  /**
   * A permit if there is one at once and no caller waits for it; else null. Leaves `reserve`, a part of the bucket from 0
   * to 1, to other callers.
   */
  tryAcquire(reserve: number): Permit | null
  /** How full the bucket is, from 0 to 1. Always 1 if there is no limit. */
  fullness(): number
}

/**
 * Waits for a permit, and checks after the wait, which can be long, so that nothing comes between the check and the call.
 * @throws what `acquire` and `check` reject with: the permit is then given back
 */
export async function acquireChecked(acquire: () => Promise<Permit>, check: () => Promise<void>): Promise<Permit> {
  const permit = await acquire()
  try {
    await check()
  } catch (error) {
    permit.release()
    throw error
  }
  return permit
}

/** How much of the bucket is left to sales: less than bulk_enroll leaves, or a busy shop would end what can wait. */
const SPARED = 1 / 4
const SPARE_POLL_MS = 250

/**
 * The turns of work that can wait, such as the follow-up. Each call comes after a rest as long as the last one took, so the
 * LMS has as much time for its learners, and a throttled one only while a quarter of the bucket is left.
 * @param of.assertMay throws to end the work: called before and after each wait
 * @param of.signal ends a wait
 * @param of.clock the monotonic clock, ms
 */
export function createTurns({
  budget,
  assertMay,
  signal,
  clock = () => performance.now(),
  sleep = pause,
}: {
  budget: Pick<Budget, 'tryAcquire'>
  assertMay: () => void
  signal: AbortSignal
  clock?: () => number
  sleep?: (ms: number, signal: AbortSignal) => Promise<void>
}) {
  let lastBegan: number | null = null
  /** Waits for the turn of a call that the LMS doesn't throttle. */
  const turn = async (): Promise<void> => {
    assertMay()
    if (lastBegan !== null) await sleep(clock() - lastBegan, signal)
    assertMay()
    lastBegan = clock()
  }
  /** Waits for the turn of a throttled call. */
  const acquire = async (): Promise<Permit> => {
    await turn()
    for (;;) {
      const permit = budget.tryAcquire(SPARED)
      lastBegan = clock()
      if (permit !== null) return permit
      await sleep(SPARE_POLL_MS, signal)
      assertMay()
    }
  }
  return { turn, acquire }
}

/**
 * A bucket of 30 permits that gets 80 more each minute, for a limit of 110 calls a minute. Both scale with the limit.
 * No minute can spend more than their sum. The stock throttle of the LMS is 120, which leaves ten calls a minute to
 * others.
 */
const DEFAULT = { callsPerMinute: 110, bucket: 30, refill: 80 }
const MINUTE_MS = 60_000

/** The budget for an LMS that doesn't throttle: every caller gets a permit at once. */
export function unlimitedBudget(): Budget {
  return {
    async acquire(signal) {
      signal.throwIfAborted()
      return singleUsePermit(() => {})
    },
    tryAcquire: () => singleUsePermit(() => {}),
    fullness: () => 1,
  }
}

interface BucketOptions {
  /** The most that all replicas together may spend in any minute; 0: no limit, as in LERNITO_LMS_CALLS_PER_MINUTE. */
  readonly callsPerMinute: number
  readonly replicas: {
    /** How many share the budget now, at least 1. */
    readonly liveCount: () => number
    /**
     * The name of this one. Under a new name it starts again with an empty bucket, since the others have used its share
     * in the meantime.
     */
    readonly me: () => string
  }
  /** The monotonic clock, ms, which fills the bucket: a step of the wall clock would fill it at once. */
  readonly clock?: () => number
  /** Calls `then` after `ms`. */
  readonly startTimer?: (ms: number, then: () => void) => void
}

/** It doesn't keep the process alive. */
const unrefTimer = (ms: number, then: () => void): void => void setTimeout(then, ms).unref()

/**
 * The call budget of one replica: its share of the bucket. All buckets together hold at most 30 permits and get at most
 * 80 a minute, except for the time until a replica learns that others have joined. The ten calls that the throttle has
 * left are enough for that. The bucket is empty at first, as if the process before this one had used it up until now: a call
 * leaves no trace in the database, and a full bucket after each of several quick restarts would break the limit.
 */
export function createBudget(from: BucketOptions): Budget {
  const { callsPerMinute, startTimer = unrefTimer } = from
  if (callsPerMinute === 0) return unlimitedBudget()
  const bucket = createBucket(from)
  let queue: ((permit: Permit) => void)[] = []
  let isTimerRunning = false

  const grantPermits = (): void => {
    bucket.refill()
    while (queue.length > 0 && bucket.take()) queue.shift()?.(singleUsePermit(putBack))
    if (queue.length === 0 || isTimerRunning) return
    isTimerRunning = true
    startTimer(bucket.msToNextPermit(), () => {
      isTimerRunning = false
      grantPermits()
    })
  }

  const putBack = (): void => {
    bucket.putBack()
    grantPermits()
  }

  return {
    acquire: (signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason)
        const leave = (): void => {
          queue = queue.filter((one) => one !== grant)
          reject(signal.reason)
        }
        const grant = (permit: Permit): void => {
          signal.removeEventListener('abort', leave)
          resolve(permit)
        }
        signal.addEventListener('abort', leave, { once: true })
        queue.push(grant)
        grantPermits()
      }),
    tryAcquire: (reserve) => {
      grantPermits()
      return queue.length === 0 && bucket.take(reserve) ? singleUsePermit(putBack) : null
    },
    fullness: () => {
      bucket.refill()
      return bucket.fullness()
    },
  }
}

/** A token bucket that shrinks and grows with the number of replicas. */
function createBucket({ callsPerMinute, replicas, clock = () => performance.now() }: BucketOptions) {
  const size = (): number => Math.max(1, (callsPerMinute * DEFAULT.bucket) / (DEFAULT.callsPerMinute * sharedBy))
  const perMs = (): number => (callsPerMinute * DEFAULT.refill) / (DEFAULT.callsPerMinute * MINUTE_MS * sharedBy)
  let sharedBy = replicas.liveCount()
  let name = replicas.me()
  let permits = 0
  let filledAt = clock()

  return {
    refill: (): void => {
      const at = clock()
      const count = replicas.liveCount()
      sharedBy = Math.max(sharedBy, count) // nobody knows when it changed: until now, our share was the smaller one
      permits = Math.min(size(), permits + (at - filledAt) * perMs())
      sharedBy = count
      if (replicas.me() !== name) permits = 0
      name = replicas.me()
      filledAt = at
    },
    /**
     * Takes a permit out; false if there is none, or if less than the part `reserve` of the bucket would be left. A full
     * bucket gives one, however small it is.
     */
    take: (reserve = 0): boolean => {
      if (permits < 1 || permits - 1 < Math.min(reserve * size(), size() - 1)) return false
      permits--
      return true
    },
    putBack: (): void => {
      permits++
    },
    msToNextPermit: (): number => Math.ceil((1 - permits) / perMs()),
    fullness: (): number => permits / size(),
  }
}

function singleUsePermit(onRelease: () => void) {
  let state: 'unused' | 'spent' | 'released' = 'unused'
  return {
    /** Called once, by the LMS client. @throws Error if the permit was spent or released before. */
    spend(): void {
      if (state !== 'unused') throw new Error(`A permit is for one call, and this one is already ${state}`)
      state = 'spent'
    },
    /** Gives an unspent permit back for another call. Does nothing to a spent one. */
    release(): void {
      if (state !== 'unused') return
      state = 'released'
      onRelease()
    },
  }
}
