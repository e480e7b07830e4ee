import { type Later, later as timer } from './later.ts'

/**
 * The right to one call of what the LMS throttles: bulk_enroll, enrollment and enrollment_allowed, which share one
 * count for each user (recorded: throttle.json). The LMS client spends it when it makes the call.
 */
export interface Permit {
  /** Called once, by the LMS client. @throws Error if the permit was spent or given back before. */
  spend(): void
  /** Gives an unspent permit back, so that somebody else can call; does nothing to a spent one. */
  giveBack(): void
}

/** Hands out permits at the pace that the LMS allows. */
export interface Budget {
  /** Waits for a permit, first come, first served. Rejects with the signal's reason once that is aborted. */
  acquire(signal: AbortSignal): Promise<Permit>
  /** How full the bucket is, from 0 to 1; always 1 where there is no limit. */
  fullness(): number
}

/**
 * A bucket of 30 permits, refilled at 80 a minute, for 110 calls a minute; both scale. In no minute can more than their
 * sum be spent, and the stock throttle of the LMS is 120, so ten calls a minute are left for others.
 */
const DEFAULT = { callsPerMinute: 110, bucket: 30, refill: 80 }
const MINUTE_MS = 60_000

/** The budget of an LMS that does not throttle: a permit for everybody at once. */
export function unlimitedBudget(): Budget {
  return {
    async acquire(signal) {
      signal.throwIfAborted()
      return singleUsePermit(() => {})
    },
    fullness: () => 1,
  }
}

interface Waiting {
  readonly resolve: (permit: Permit) => void
}

/**
 * @param from.callsPerMinute the most that may be spent in any minute, by all replicas together
 * All buckets together hold at most 30, and get at most 80 a minute, but for what a replica learns late: that others
 * have joined it. The ten calls that are left are enough for that.
 * @param from.replicas how many share it now, at least 1
 * @param from.member the name of this replica among them: under another one it begins again with an empty bucket, for
 *   the others had its share meanwhile
 * @param from.lastUsedAt when it may have been used last before this start, by the clock `now`; null if never. The
 *   bucket is taken to have been empty then, so that a restart doesn't spend a minute's calls twice.
 */
export function createBudget(from: {
  callsPerMinute: number
  now: () => number
  replicas: () => number
  member?: () => string
  lastUsedAt: number | null
  later?: Later
}): Budget {
  const { callsPerMinute, now, replicas, member = () => '', later = timer } = from
  const size = (): number => Math.max(1, (callsPerMinute * DEFAULT.bucket) / (DEFAULT.callsPerMinute * sharedBy))
  const perMs = (): number => (callsPerMinute * DEFAULT.refill) / (DEFAULT.callsPerMinute * MINUTE_MS * sharedBy)
  let sharedBy = replicas()
  let name = member()
  let permits = from.lastUsedAt === null ? size() : 0
  let filledAt = from.lastUsedAt ?? now()
  let waiting: Waiting[] = []
  let armed = false

  const refill = (): void => {
    const at = now()
    const count = replicas()
    sharedBy = Math.max(sharedBy, count) // when it changed is not known: until now the smaller share was ours
    permits = Math.min(size(), permits + Math.max(0, at - filledAt) * perMs())
    sharedBy = count
    if (member() !== name) permits = 0
    name = member()
    filledAt = at // also back, if the clock was set back
  }

  const handOut = (): void => {
    refill()
    while (permits >= 1 && waiting.length > 0) {
      permits--
      waiting.shift()?.resolve(singleUsePermit(giveBack))
    }
    if (waiting.length === 0 || armed) return
    armed = true
    later(Math.ceil((1 - permits) / perMs()), () => {
      armed = false
      handOut()
    })
  }

  const giveBack = (): void => {
    permits++
    handOut()
  }

  return {
    acquire: (signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason)
        const leave = (): void => {
          waiting = waiting.filter((one) => one !== mine)
          reject(signal.reason)
        }
        const mine: Waiting = {
          resolve: (permit) => {
            signal.removeEventListener('abort', leave)
            resolve(permit)
          },
        }
        signal.addEventListener('abort', leave, { once: true })
        waiting.push(mine)
        handOut()
      }),
    fullness: () => {
      refill()
      return permits / size()
    },
  }
}

function singleUsePermit(onGiveBack: () => void): Permit {
  let state: 'open' | 'spent' | 'given back' = 'open'
  return {
    spend() {
      if (state !== 'open') throw new Error(`A permit is for one call, and this one is ${state}`)
      state = 'spent'
    },
    giveBack() {
      if (state !== 'open') return
      state = 'given back'
      onGiveBack()
    },
  }
}
