import type { Progress } from '../sale/types.ts'

/**
 * How many senders may wait at the same time. Each uses about 32 KiB and waits for 8 seconds. The fastest LMS that was
 * measured enrolls 440 a second, so it could not answer more in time.
 */
export const WAITING_MAX = 4_000

type Waiter = (progress: Progress | null) => void

export type Waiters = ReturnType<typeof createWaiters>

/** The senders that wait for the result of a delivery, in this process. `now`: ms since 1970. */
export function createWaiters({ now }: { now: () => number }) {
  const waiting = new Map<string, Set<Waiter>>()
  let count = 0

  return {
    /**
     * Resolves when an attempt that began after the webhook of this `generation` has settled the delivery. Resolves earlier
     * as soon as it is clear that none will do so before `deadline` (ms since 1970): to the progress if the next attempt is
     * scheduled later; to null if the inbox is paused, too many senders wait already, or the time is up.
     */
    wait: ({ id, generation, deadline }: { id: string; generation: number; deadline: number }) =>
      new Promise<Progress | null>((resolve) => {
        if (count >= WAITING_MAX) return resolve(null)
        count++
        const waiters = waiting.get(id) ?? new Set()
        const waiter: Waiter = (progress) => {
          const isOlder = progress !== null && progress.generation < generation
          if (isOlder) return
          const anotherAttemptFits = progress !== null && progress.dueAt !== null && progress.dueAt < deadline
          if (anotherAttemptFits) return
          clearTimeout(timer)
          if (waiters.delete(waiter)) count--
          if (waiters.size === 0) waiting.delete(id)
          resolve(progress)
        }
        const timer = setTimeout(() => waiter(null), Math.max(0, deadline - now()))
        waiting.set(id, waiters.add(waiter))
      }),
    notify: (id: string, progress: Progress): void => {
      for (const waiter of [...(waiting.get(id) ?? [])]) waiter(progress)
    },
    isAwaited: (id: string): boolean => waiting.has(id),
    /** The deliveries that senders wait for, in the order in which the waiting began. */
    awaited: (): Iterable<string> => waiting.keys(),
    /** Ends all waiting at once, without an answer. */
    giveUp: (): void => {
      for (const waiters of [...waiting.values()]) for (const waiter of [...waiters]) waiter(null)
    },
  }
}

const POLL_MS = 250

/**
 * Follows deliveries that another replica attempts, for the senders that wait for them here. One query every 250 ms reads
 * them all. The owner of a row is known when it is accepted; `isMine` is asked at each poll, since this replica's name
 * may have changed.
 */
export function createRemoteDeliveries({
  read,
  isMine,
  notify,
  onError,
}: {
  read: (ids: readonly string[]) => Promise<readonly { id: string; progress: Progress }[]>
  isMine: (owner: string | null) => boolean
  notify: (id: string, progress: Progress) => void
  onError: (error: unknown) => void
}) {
  const followed = new Map<object, { readonly id: string; readonly owner: string | null }>()
  let polling = false

  const poll = async (): Promise<void> => {
    const ids = new Set([...followed.values()].filter(({ owner }) => !isMine(owner)).map(({ id }) => id))
    try {
      if (ids.size > 0) for (const { id, progress } of await read([...ids])) notify(id, progress)
    } catch (error) {
      onError(error)
    }
    polling = followed.size > 0
    if (polling) setTimeout(poll, POLL_MS).unref()
  }

  return {
    /** Starts to follow a delivery that has this owner. The returned function stops it. */
    follow: (id: string, owner: string | null): (() => void) => {
      const key = {}
      followed.set(key, { id, owner })
      if (!polling) setTimeout(poll, POLL_MS).unref()
      polling = true
      return () => followed.delete(key)
    },
  }
}
