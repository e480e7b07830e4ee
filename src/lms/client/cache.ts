import { type StartTimer, startTimer as unrefTimer } from '../../service/lib/loop.ts'
import type { Judged } from './failure.ts'

interface CacheOptions<T> {
  /** Asks the LMS. */
  readonly load: (key: string) => Promise<Judged<T>>
  /** How long a value may be kept, in ms; 0 if it may not. */
  readonly ttlMs: (value: T) => number
  /** The least time between two requests for a key whose value may not be kept, in ms. */
  readonly restMs?: number
  /** How many values are kept. The least recently used one goes first. */
  readonly max: number
  /** The clock, in ms. */
  readonly now: () => number
  /** The timer for `restMs`. */
  readonly startTimer?: StartTimer
}

interface Request<T> {
  /** Its place among all requests that were sent; null before it is sent. */
  sentAs: number | null
  readonly result: Promise<Judged<T>>
}

/** Keeps answers of the LMS that stay valid for a while. Failures are never kept. */
export function createCache<T>(from: CacheOptions<T>) {
  const { load, ttlMs, now, startTimer = unrefTimer } = from
  const store = createStore(from)
  const requests = new Map<string, Request<T>>()
  let sent = 0

  async function ask(key: string): Promise<Judged<T>> {
    const askedAt = now()
    const judged = await load(key)
    if (judged.ok) store.keep(key, { value: judged.value, askedAt })
    return judged
  }

  /** Sends a request, after the rest that is left of the one before. */
  function begin(key: string): Request<T> {
    const answered = Promise.withResolvers<Judged<T>>()
    const request: Request<T> = { sentAs: null, result: answered.promise.finally(() => requests.delete(key)) }
    const send = (): void => {
      request.sentAs = ++sent
      ask(key).then(answered.resolve, answered.reject)
    }
    requests.set(key, request)
    const rest = store.restOf(key)
    if (rest > 0) startTimer(rest, send)
    else send()
    return request
  }

  return {
    /**
     * The kept value, or a new answer of the LMS if the kept one was requested before `since` (ms since 1970). Callers
     * that ask at the same time share one request. If its value may not be kept, it counts only for those that asked
     * before the request was sent.
     */
    async get(key: string, since = 0): Promise<Judged<T>> {
      const sentBefore = sent
      for (;;) {
        const kept = store.recall(key, since)
        if (kept !== null) return { ok: true, value: kept.value }
        const request = requests.get(key) ?? begin(key)
        const isLater = request.sentAs === null || request.sentAs > sentBefore
        const judged = await request.result
        if (isLater || !judged.ok || ttlMs(judged.value) > 0) return judged
      }
    },
    forget: store.forget,
  }
}

interface Entry<T> {
  readonly value: T
  readonly askedAt: number
  readonly until: number
}

/**
 * The kept values, least recently used first. A value that may not be kept is here only for the time of its request.
 */
function createStore<T>({ ttlMs, restMs = 0, max, now }: CacheOptions<T>) {
  const entries = new Map<string, Entry<T>>()
  const mayBeKept = (value: T): boolean => ttlMs(value) > 0

  return {
    keep: (key: string, { value, askedAt }: Pick<Entry<T>, 'value' | 'askedAt'>): void => {
      entries.delete(key)
      entries.set(key, { value, askedAt, until: now() + ttlMs(value) })
      const oldest = entries.keys().next()
      if (entries.size > max && !oldest.done) entries.delete(oldest.value)
    },
    /** The value of a key if it still holds and was requested at `since` or later. */
    recall: (key: string, since: number): Entry<T> | null => {
      const entry = entries.get(key)
      if (entry === undefined || !mayBeKept(entry.value)) return null
      if (entry.askedAt < since || entry.until <= now()) return null
      entries.delete(key)
      entries.set(key, entry)
      return entry
    },
    /**
     * How long the next request for a key has to wait, in ms. Never more than `restMs`, even if the clock was set back.
     */
    restOf: (key: string): number => {
      const entry = entries.get(key)
      if (entry === undefined || mayBeKept(entry.value)) return 0
      return Math.min(restMs, Math.max(0, entry.askedAt + restMs - now()))
    },
    /** Drops the kept value of a key, so that the next caller asks the LMS. */
    forget: (key: string): void => {
      entries.delete(key)
    },
  }
}
