import type { Progress } from '../sale/types.ts'
import type { Claimed } from './claimed.ts'
import type { Store } from './store.ts'
import { createWaiters, type Waiters, type WaitsFor } from './waiters.ts'
import { type Withdrawn, worstOf } from './withdrawals/withdrawal.ts'

const POLL_MS = 250
/** How many deliveries a poll reads: of those that are waited for, and not claimed here, the first ones. */
const DELIVERIES_MAX = 1000
/** For how many withdrawals requests may wait at the same time, each course counted. */
const WITHDRAWALS_MAX = 10_000

/** Reads what requests wait for, `max` of it, and answers those that have news of it. */
async function tellNews<News>({
  waiters,
  read,
  max,
  isToldHere = () => false,
}: {
  waiters: Pick<Waiters<News, WaitsFor>, 'awaited' | 'notify'>
  read: (ids: readonly string[]) => Promise<ReadonlyMap<string, News>>
  max: number
  isToldHere?: (id: string) => boolean
}): Promise<void> {
  const ids = [...waiters.awaited()].filter((id) => !isToldHere(id)).slice(0, max)
  if (ids.length === 0) return
  for (const [id, news] of await read(ids)) waiters.notify(id, news)
}

/**
 * Follows what others do, for the requests that wait for it here: deliveries, which another replica may attempt, and a refund
 * or an operator may end, and withdrawals, which any replica carries out. While there are such requests, one poll every 250 ms
 * reads all of them.
 * @param from.waiters the senders that wait for deliveries
 * @param from.claimed what this process attempts, and tells of when it is settled
 * @param from.onError called with each error of a poll
 * @param from.signal aborted when nobody waits any longer
 */
export function createRemoteResults({
  store,
  waiters,
  claimed,
  onError,
  signal,
}: {
  store: Pick<Store, 'progress' | 'withdrawn'>
  waiters: Pick<Waiters<Progress, WaitsFor>, 'awaited' | 'count' | 'notify'>
  claimed: Pick<Claimed, 'has'>
  onError: (error: unknown) => void
  signal: AbortSignal
}) {
  const refunds = createWaiters<Withdrawn, WaitsFor>({ max: WITHDRAWALS_MAX, isAnswer: () => true })
  signal.addEventListener('abort', refunds.giveUp)
  let isPolling = false

  const poll = async (): Promise<void> => {
    await Promise.all([
      tellNews({ waiters, read: store.progress, max: DELIVERIES_MAX, isToldHere: claimed.has }).catch(onError),
      tellNews({ waiters: refunds, read: store.withdrawn, max: WITHDRAWALS_MAX }).catch(onError),
    ])
    isPolling = false
    if (waiters.count() > 0 || refunds.count() > 0) pollSoon()
  }
  const pollSoon = (): void => {
    if (!isPolling) setTimeout(poll, POLL_MS).unref()
    isPolling = true
  }

  return {
    /** Call it when a sender begins to wait for a delivery. */
    follow: pollSoon,

    /** See Inbox. */
    withdrawn: async ({ ids, deadline }: { ids: readonly string[]; deadline: number | null }) => {
      const ended = await store.withdrawn(ids).catch(() => new Map<string, Withdrawn>())
      const open = ids.filter((id) => !ended.has(id))
      if (open.length > 0 && (deadline === null || signal.aborted)) return null
      const waits = open.map((id) => refunds.wait({ id, deadline: deadline ?? 0 }))
      pollSoon()
      return worstOf([...ended.values(), ...(await Promise.all(waits))])
    },
  }
}
