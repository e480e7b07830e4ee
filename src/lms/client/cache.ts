import { type Judged, succeeded } from './failure.ts'

interface CacheOptions<T> {
  /** Asks the LMS. */
  readonly load: (key: string) => Promise<Judged<T>>
  /** How long a value may be kept after its request, in ms; 0 if it may not. */
  readonly ttlMs: (value: T) => number
  /** The least time between two requests for a key whose value may not be kept, in ms. */
  readonly restMs?: number
  /** How many values are kept. The oldest one goes first. */
  readonly max: number
  /** The clock, in ms. */
  readonly now: () => number
}

interface Request<T> {
  /** Whether it is sent: until then it rests. */
  isSent: boolean
  readonly result: Promise<Judged<T>>
}

interface Entry<T> {
  readonly value: T
  readonly askedAt: number
}

/** Keeps answers of the LMS that stay valid for a while. Failures are never kept. */
export function createCache<T>({ load, ttlMs, restMs = 0, max, now }: CacheOptions<T>) {
  /** The oldest first. A value that may not be kept is here only for the time of its request. */
  const entries = new Map<string, Entry<T>>()
  const requests = new Map<string, Request<T>>()

  async function ask(key: string): Promise<Judged<T>> {
    const askedAt = now()
    const judged = await load(key)
    if (!judged.ok) return judged
    entries.delete(key)
    entries.set(key, { value: judged.value, askedAt })
    const [oldest] = entries.keys()
    if (entries.size > max && oldest !== undefined) entries.delete(oldest)
    return judged
  }

  /** Sends a request, after the rest that is left of the one before: at most `restMs`, even if the clock was set back. */
  function begin(key: string): Request<T> {
    const answered = Promise.withResolvers<Judged<T>>()
    const request: Request<T> = { isSent: false, result: answered.promise.finally(() => requests.delete(key)) }
    const send = (): void => {
      request.isSent = true
      ask(key).then(answered.resolve, answered.reject)
    }
    requests.set(key, request)
    const before = entries.get(key)
    const rests = before !== undefined && ttlMs(before.value) === 0
    const rest = rests ? Math.min(restMs, before.askedAt + restMs - now()) : 0
    if (rest > 0) setTimeout(send, rest).unref()
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
      const kept = entries.get(key)
      const age = kept === undefined ? 0 : now() - kept.askedAt
      const isValid = kept !== undefined && age >= 0 && age < ttlMs(kept.value) // a clock that was set back ends it
      if (isValid && kept.askedAt >= since) return succeeded(kept.value)
      const earlier = requests.get(key)
      if (earlier?.isSent) {
        const judged = await earlier.result
        if (!judged.ok || ttlMs(judged.value) > 0) return judged
      }
      return (requests.get(key) ?? begin(key)).result
    },
    /** Drops the kept value of a key, so that the next caller asks the LMS. */
    forget: (key: string): void => void entries.delete(key),
  }
}
