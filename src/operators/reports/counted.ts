import { setTimeout as delay } from 'node:timers/promises'

/** What was counted, and when: ms since 1970. */
export interface Counted<Value> {
  readonly value: Value
  readonly at: number
}

/** Different questions whose last answers are kept: a page asks a few, each time zone its own. */
const KEPT = 50

/**
 * Returns a function that counts anew each time. While a count takes longer than `withinMs`, it resolves to the last one,
 * and those who ask meanwhile share the one that is under way. The first count of a question is waited for.
 * @param of.count what counts; `ask` is data, and asks another question if it is different as JSON
 * @param of.now ms since 1970
 */
export function createCounting<Ask, Value>({
  count,
  now,
  withinMs = 100,
}: {
  count: (ask: Ask) => Promise<Value>
  now: () => number
  withinMs?: number
}): (ask: Ask) => Promise<Counted<Value>> {
  const last = new Map<string, Counted<Value>>()
  const underWay = new Map<string, Promise<Counted<Value>>>()

  const start = (key: string, ask: Ask): Promise<Counted<Value>> => {
    const counting = count(ask).then((value) => {
      const counted = { value, at: now() }
      last.delete(key)
      last.set(key, counted)
      const [oldest] = last.keys()
      if (last.size > KEPT && oldest !== undefined) last.delete(oldest)
      return counted
    })
    underWay.set(key, counting)
    const end = (): boolean => underWay.delete(key)
    counting.then(end, end)
    return counting
  }

  return async (ask) => {
    const key = JSON.stringify(ask ?? null)
    const counting = underWay.get(key) ?? start(key, ask)
    const known = last.get(key)
    if (known === undefined) return counting
    const late = new AbortController()
    const timer = delay(withinMs, known, { signal: late.signal }).catch(() => known)
    return Promise.race([counting, timer]).finally(() => late.abort())
  }
}
