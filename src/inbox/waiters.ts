import type { Progress } from '../delivery/types.ts'

/**
 * So many senders may wait at once: each holds some 32 KiB. More could not be answered in time by the quickest LMS
 * measured, which enrolls 440 a second, and each waits for 8 seconds.
 */
export const WAITING_MAX = 4_000

type Tell = (progress: Progress | null) => void

export interface Waiters {
  /**
   * Resolves when an attempt that began after the webhook of this `generation` has settled the delivery, or as soon as it is clear that it won't be before `deadline` (ms since
   * 1970): the next try lies later, nobody is working, too many wait already, or the time is up. `null` stands for all
   * but the first.
   */
  wait(of: { id: string; generation: number; deadline: number }): Promise<Progress | null>
  tell(id: string, progress: Progress): void
  isAwaited(id: string): boolean
  /** The deliveries that are waited for, those first that came first. */
  awaited(): Iterable<string>
  /** Nobody is working for now: whoever waits learns it at once. */
  giveUp(): void
}

/** Who waits for the answer to a delivery, in this process. `now`: ms since 1970. */
export function createWaiters({ now }: { now: () => number }): Waiters {
  const waiting = new Map<string, Set<Tell>>()
  let count = 0

  return {
    wait: ({ id, generation, deadline }) =>
      new Promise((resolve) => {
        if (count >= WAITING_MAX) return resolve(null)
        count++
        const own = waiting.get(id) ?? new Set()
        const done: Tell = (progress) => {
          const isOlder = progress !== null && progress.generation < generation
          if (isOlder) return
          const anotherTryFits = progress !== null && progress.dueAt !== null && progress.dueAt < deadline
          if (anotherTryFits) return
          clearTimeout(timer)
          if (own.delete(done)) count--
          if (own.size === 0) waiting.delete(id)
          resolve(progress)
        }
        const timer = setTimeout(() => done(null), Math.max(0, deadline - now()))
        waiting.set(id, own.add(done))
      }),
    tell: (id, progress) => {
      for (const done of [...(waiting.get(id) ?? [])]) done(progress)
    },
    isAwaited: (id) => waiting.has(id),
    awaited: () => waiting.keys(),
    giveUp: () => {
      for (const own of [...waiting.values()]) for (const done of [...own]) done(null)
    },
  }
}
