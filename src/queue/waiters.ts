import type { Progress } from '../sale/types.ts'
import { LONGEST_WAIT_MS } from './retry-schedule.ts'

/**
 * How many senders may wait at the same time. Each uses about 32 KiB and waits for 8 seconds. The fastest LMS that was
 * measured enrolls 440 a second, so it could not answer more in time.
 */
export const WAITING_MAX = 4_000

/** What a request waits for, and until when (by performance.now()). */
export interface WaitsFor {
  readonly id: string
  readonly deadline: number
}

/** A sender waits for an attempt that began after its webhook, of this `generation`. */
interface WaitsForAttempt extends WaitsFor {
  readonly generation: number
}

/**
 * Whether the result of an attempt answers a sender: not if it began before the webhook, nor if another attempt fits in
 * before the deadline and may still change the answer. One that lies further ahead than the longest wait is due, see isDue.
 * `now`: ms since 1970.
 */
export const answersSender =
  (now: () => number) =>
  ({ generation, dueAt, reason }: Progress, waits: WaitsForAttempt): boolean => {
    const at = now()
    const endsAt = at + waits.deadline - performance.now()
    const isInTime = dueAt !== null && (dueAt < endsAt || dueAt > at + LONGEST_WAIT_MS)
    return generation >= waits.generation && (!isInTime || reason !== null)
  }

type Waiter<News> = (news: News | null) => void

/**
 * The requests that wait for news of what the queue does, in this process.
 * @param from.max how many may wait at the same time
 * @param from.isAnswer whether news of what a request waits for is its answer
 */
export function createWaiters<News, Of extends WaitsFor>({
  max,
  isAnswer,
}: {
  max: number
  isAnswer: (news: News, of: Of) => boolean
}) {
  const waiting = new Map<string, Set<Waiter<News>>>()
  let count = 0

  return {
    /**
     * Resolves to the first news that answers this request. Resolves to null when the deadline is over, `giveUp` is called,
     * or at once if too many wait already.
     */
    wait: (of: Of): Promise<News | null> =>
      new Promise((resolve) => {
        if (count >= max) return resolve(null)
        count++
        const { id, deadline } = of
        const waiters = waiting.get(id) ?? new Set()
        const waiter: Waiter<News> = (news) => {
          if (news !== null && !isAnswer(news, of)) return
          clearTimeout(timer)
          if (waiters.delete(waiter)) count--
          if (waiters.size === 0) waiting.delete(id)
          resolve(news)
        }
        const timer = setTimeout(() => waiter(null), Math.max(0, deadline - performance.now()))
        waiting.set(id, waiters.add(waiter))
      }),
    notify: (id: string, news: News): void => {
      for (const waiter of [...(waiting.get(id) ?? [])]) waiter(news)
    },
    /** How many requests wait. */
    count: () => count,
    isAwaited: (id: string) => waiting.has(id),
    /** What requests wait for, in the order in which the waiting began. */
    awaited: (): Iterable<string> => waiting.keys(),
    /** Ends all waiting at once, without an answer. */
    giveUp: (): void => {
      for (const waiters of [...waiting.values()]) for (const waiter of [...waiters]) waiter(null)
    },
  }
}
export type Waiters<News, Of extends WaitsFor> = ReturnType<typeof createWaiters<News, Of>>
