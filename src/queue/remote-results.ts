import type { Progress } from '../sale/types.ts'
import type { Store } from './store.ts'
import { createWaiters, type Waiters, type WaitsFor } from './waiters.ts'
import { type Withdrawn, worstOf } from './withdrawals/withdrawal.ts'

const POLL_MS = 250
/** How many deliveries a poll reads: of those that are waited for, the first ones. Almost all of them are settled here. */
const DELIVERIES_MAX = 1000
/** For how many withdrawals requests may wait at the same time, each course counted. */
const WITHDRAWALS_MAX = 10_000

/**
 * Follows what other replicas do, for the requests that wait for it here: deliveries, which another replica may attempt, and
 * withdrawals, which any replica carries out. While there are such requests, one poll every 250 ms reads all of them.
 * @param from.waiters the senders that wait for deliveries
 * @param from.onError called with each error of a poll
 * @param from.signal aborted when nobody waits any longer
 */
export function createRemoteResults({
  store,
  waiters,
  onError,
  signal,
}: {
  store: Pick<Store, 'isAlone' | 'progress' | 'withdrawn'>
  waiters: Pick<Waiters<Progress, WaitsFor>, 'awaited' | 'count' | 'notify'>
  onError: (error: unknown) => void
  signal: AbortSignal
}) {
  const refunds = createWaiters<Withdrawn, WaitsFor>({ max: WITHDRAWALS_MAX, isAnswer: () => true })
  signal.addEventListener('abort', refunds.giveUp)
  let isPolling = false

  /** Whether another process may settle what is waited for here. */
  const isFollowing = (): boolean => !store.isAlone && waiters.count() > 0

  const pollDeliveries = async (): Promise<void> => {
    const ids = isFollowing() ? [...waiters.awaited()].slice(0, DELIVERIES_MAX) : []
    if (ids.length === 0) return
    for (const { id, progress } of await store.progress(ids)) waiters.notify(id, progress)
  }

  const pollWithdrawals = async (): Promise<void> => {
    const ids = [...refunds.awaited()]
    if (ids.length === 0) return
    for (const [id, withdrawn] of await store.withdrawn(ids)) refunds.notify(id, withdrawn)
  }

  const poll = async (): Promise<void> => {
    await Promise.all([pollDeliveries().catch(onError), pollWithdrawals().catch(onError)])
    isPolling = false
    if (isFollowing() || refunds.count() > 0) pollSoon()
  }
  const pollSoon = (): void => {
    if (!isPolling) setTimeout(poll, POLL_MS).unref()
    isPolling = true
  }

  return {
    /** Call it when a sender begins to wait for a delivery. */
    follow: (): void => {
      if (isFollowing()) pollSoon()
    },

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
