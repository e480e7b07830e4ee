import type { Judged } from './failure.ts'

/** Answers of the LMS that hold for a while. Failures are never kept. */
export interface Cache<T> {
  /**
   * The kept value, or what the LMS says now if that was asked for before `since` (ms since 1970). Who asks at the same
   * time shares the call.
   */
  get(key: string, since?: number): Promise<Judged<T>>
  /** Drops what is kept for a key, so that the next one asks. */
  forget(key: string): void
}

/**
 * @param from.load asks the LMS
 * @param from.ttlMs how long a value may be kept, in ms
 * @param from.max how many values are kept; the one that was not used for longest goes first
 * @param from.now the clock, in ms
 */
export function createCache<T>(from: {
  load: (key: string) => Promise<Judged<T>>
  ttlMs: (value: T) => number
  max: number
  now: () => number
}): Cache<T> {
  const { load, ttlMs, max, now } = from
  const kept = new Map<string, { value: T; askedAt: number; until: number }>()
  const flights = new Map<string, Promise<Judged<T>>>()

  function recall(key: string, since: number): { value: T } | null {
    const entry = kept.get(key)
    if (entry === undefined || entry.askedAt < since) return null
    kept.delete(key)
    if (entry.until <= now()) return null
    kept.set(key, entry)
    return entry
  }

  async function fly(key: string): Promise<Judged<T>> {
    const askedAt = now()
    try {
      const judged = await load(key)
      if (judged.ok) {
        kept.delete(key)
        kept.set(key, { value: judged.value, askedAt, until: now() + ttlMs(judged.value) })
        const oldest = kept.keys().next()
        if (kept.size > max && !oldest.done) kept.delete(oldest.value)
      }
      return judged
    } finally {
      flights.delete(key)
    }
  }

  return {
    async get(key, since = 0) {
      const entry = recall(key, since)
      if (entry !== null) return { ok: true, value: entry.value }
      const flight = flights.get(key) ?? fly(key)
      flights.set(key, flight)
      return flight
    },
    forget(key) {
      kept.delete(key)
    },
  }
}
