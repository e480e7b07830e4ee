/**
 * Returns a function that gives everybody who asks within a time the same read, so that many readers cost one. A read that
 * fails is not shared with those who ask after it.
 * @param of.forMs how long a read is shared, counted from its beginning, ms
 * @param of.now ms since 1970; after a clock was set back, the next one who asks reads again
 */
export function shareReads<Value>(of: {
  read: () => Promise<Value>
  forMs: number
  now: () => number
}): () => Promise<Value> {
  const { read, forMs, now } = of
  let shared: { readonly value: Promise<Value>; readonly at: number } | null = null
  return () => {
    if (shared !== null && now() - shared.at < forMs && now() >= shared.at) return shared.value
    const value = read()
    shared = { value, at: now() }
    value.catch(() => {
      if (shared?.value === value) shared = null
    })
    return value
  }
}
