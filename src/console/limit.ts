import { networkOf } from '../network.ts'

const MINUTE_MS = 60_000
/** Of the 120 calls a minute that the LMS's token endpoint allows to one address. */
const MOST = 30
const MOST_OF_ONE = 6

/** From where somebody comes back from the LMS. */
export interface Origin {
  readonly ip: string
  /** The browser's id, if an operator has signed in with it before; see known-browser.ts. */
  readonly browser: string | null
}

/** A sign-in that counts as failed until `giveBack` is called. */
export interface Taken {
  giveBack(): void
}

/** Counts the failed sign-ins of a minute. */
export interface Limit {
  /** Counts one more. Null: there were too many from there, or too many in all. */
  take(origin: Origin): Taken | null
}

/**
 * Bounds how many failed sign-ins are brought to the LMS. Anybody can begin one, and the LMS's own limit counts by the
 * address that calls it, which is this service's: a stranger could use up what the enrolling calls need for their token.
 *
 * A network has six of the 30, so that one attacker locks out the own network alone. Browsers that operators have signed
 * in with before have 30 of their own, six each: neither an attacker behind the same NAT nor one with many networks
 * uses those up.
 *
 * @param from.now in ms since 1970
 */
export function createLimit({ now }: { now: () => number }): Limit {
  const strangers = createCounts(now)
  const known = createCounts(now)
  return {
    take: ({ ip, browser }) => (browser === null ? strangers.take(networkOf(ip)) : known.take(browser)),
  }
}

/** What is refused is not kept, so that there are never more than MOST entries. */
function createCounts(now: () => number) {
  let minute = { began: now(), all: 0, counts: new Map<string, number>() }

  return {
    take: (key: string): Taken | null => {
      if (Math.abs(now() - minute.began) >= MINUTE_MS) minute = { began: now(), all: 0, counts: new Map() }
      const mine = minute
      const ofOne = mine.counts.get(key) ?? 0
      if (mine.all >= MOST || ofOne >= MOST_OF_ONE) return null
      mine.all++
      mine.counts.set(key, ofOne + 1)
      return {
        giveBack: () => {
          mine.all--
          const left = (mine.counts.get(key) ?? 1) - 1
          if (left === 0) mine.counts.delete(key)
          else mine.counts.set(key, left)
        },
      }
    },
  }
}
