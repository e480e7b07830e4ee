import type { Judged } from './failure.ts'
import { type Later, later as timer } from './later.ts'

/** Answers of the LMS that hold for a while. Failures are never kept. */
export interface Cache<T> {
  /**
   * The kept value, or what the LMS says now if that was asked for before `since` (ms since 1970). Who asks at the same
   * time shares the call, except that a value which may not be kept counts only if it was asked for after this.
   */
  get(key: string, since?: number): Promise<Judged<T>>
  /** Drops what is kept for a key, so that the next one asks. */
  forget(key: string): void
}

interface Entry<T> {
  readonly value: T
  readonly askedAt: number
  readonly until: number
}

interface Flight<T> {
  /** Where it began among all that was asked here; null while it rests. */
  begun: number | null
  readonly result: Promise<Judged<T>>
}

/**
 * @param from.load asks the LMS
 * @param from.ttlMs how long a value may be kept, in ms; 0: not at all
 * @param from.restMs from one call for a key that gave a value not to be kept, to the beginning of the next, in ms
 * @param from.max how many values are kept; the one that was not used for longest goes first
 * @param from.now the clock, in ms
 * @param from.later the timer for that rest
 */
export function createCache<T>(from: {
  load: (key: string) => Promise<Judged<T>>
  ttlMs: (value: T) => number
  restMs?: number
  max: number
  now: () => number
  later?: Later
}): Cache<T> {
  const { load, ttlMs, restMs = 0, max, now, later = timer } = from
  const kept = new Map<string, Entry<T>>()
  const flights = new Map<string, Flight<T>>()
  let turn = 0

  const mayBeKept = (value: T): boolean => ttlMs(value) > 0

  function recall(key: string, since: number): Entry<T> | null {
    const entry = kept.get(key)
    if (entry === undefined || !mayBeKept(entry.value)) return null
    if (entry.askedAt < since || entry.until <= now()) return null
    kept.delete(key)
    kept.set(key, entry)
    return entry
  }

  /** How long the next call for a key has to wait, in ms; never longer than a rest, should the clock be set back. */
  function restOf(key: string): number {
    const entry = kept.get(key)
    if (entry === undefined || mayBeKept(entry.value)) return 0
    return Math.min(restMs, Math.max(0, entry.askedAt + restMs - now()))
  }

  async function ask(key: string): Promise<Judged<T>> {
    const askedAt = now()
    const judged = await load(key)
    if (judged.ok) {
      kept.delete(key)
      kept.set(key, { value: judged.value, askedAt, until: now() + ttlMs(judged.value) })
      const oldest = kept.keys().next()
      if (kept.size > max && !oldest.done) kept.delete(oldest.value)
    }
    return judged
  }

  function fly(key: string): Flight<T> {
    const answered = Promise.withResolvers<Judged<T>>()
    const flight: Flight<T> = { begun: null, result: answered.promise.finally(() => flights.delete(key)) }
    const begin = (): void => {
      flight.begun = ++turn
      ask(key).then(answered.resolve, answered.reject)
    }
    flights.set(key, flight)
    const rest = restOf(key)
    if (rest > 0) later(rest, begin)
    else begin()
    return flight
  }

  return {
    async get(key, since = 0) {
      const asked = turn
      for (;;) {
        const entry = recall(key, since)
        if (entry !== null) return { ok: true, value: entry.value }
        const flight = flights.get(key) ?? fly(key)
        const isLater = flight.begun === null || flight.begun > asked
        const judged = await flight.result
        if (isLater || !judged.ok || mayBeKept(judged.value)) return judged
      }
    },
    forget(key) {
      kept.delete(key)
    },
  }
}
