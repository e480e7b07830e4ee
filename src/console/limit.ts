const MINUTE_MS = 60_000
const MOST = 30
const MOST_OF_ONE = 6

/** How many sign-ins of a minute came to nothing. */
export interface Limit {
  /** Counts one more of this address; false: it is one too many. */
  take(address: string): boolean
  /** It was no vain one. */
  giveBack(address: string): void
}

/**
 * Bounds how many vain sign-ins are brought to the LMS. Anybody can begin one, and the LMS's own limit counts by the
 * address that calls it, which is this service's: a stranger could use up what the enrolling calls need for their token.
 */
export function createLimit({ now }: { now: () => number }): Limit {
  let began = now()
  const counts = new Map<string, number>()
  return {
    take: (address) => {
      if (Math.abs(now() - began) >= MINUTE_MS) {
        began = now()
        counts.clear()
      }
      const ofOne = counts.get(address) ?? 0
      const all = [...counts.values()].reduce((sum, count) => sum + count, 0)
      if (all >= MOST || ofOne >= MOST_OF_ONE) return false
      counts.set(address, ofOne + 1)
      return true
    },
    giveBack: (address) => {
      counts.set(address, Math.max(0, (counts.get(address) ?? 0) - 1))
    },
  }
}
