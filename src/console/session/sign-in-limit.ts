import { networkOf } from '../../service/lib/network.ts'

const MINUTE_MS = 60_000
/** The LMS's token endpoint allows 120 calls a minute to one address; failed sign-ins get this share of them. */
const TOTAL_MAX = 30
const EACH_MAX = 6

/** Where a browser that returns from the LMS comes from. */
export interface SignInOrigin {
  readonly ip: string
  /** The browser's id, if an operator has signed in with it before; see known-browser.ts. */
  readonly browser: string | null
}

/** A sign-in that counts as failed until `undo` is called. */
export interface CountedSignIn {
  undo(): void
}

/** Counts the failed sign-ins of a minute. */
export interface SignInLimit {
  /** Counts one more failed sign-in. Returns null if there were too many from this origin, or too many in all. */
  count(origin: SignInOrigin): CountedSignIn | null
}

/**
 * Limits the failed sign-ins that reach the LMS. Anyone can begin one, and the LMS counts them by the address that calls
 * it, which is this service's: a stranger could use up the calls with which the service gets its own token.
 *
 * A network has six of the 30, so that one attacker locks out only their own network. Browsers that operators have
 * signed in with before have a separate limit of 30, six each: neither an attacker behind the same NAT nor an attacker
 * with many networks can use it up.
 *
 * @param from.now in ms since 1970
 */
export function createSignInLimit({ now }: { now: () => number }): SignInLimit {
  const strangers = createCounts(now)
  const known = createCounts(now)
  return {
    count: ({ ip, browser }) => (browser === null ? strangers.count(networkOf(ip)) : known.count(browser)),
  }
}

/** Refused sign-ins leave no entry, so there are never more than TOTAL_MAX entries. */
function createCounts(now: () => number) {
  let minute = { began: now(), total: 0, counts: new Map<string, number>() }

  return {
    count: (key: string): CountedSignIn | null => {
      if (Math.abs(now() - minute.began) >= MINUTE_MS) minute = { began: now(), total: 0, counts: new Map() }
      const mine = minute
      const ofKey = mine.counts.get(key) ?? 0
      if (mine.total >= TOTAL_MAX || ofKey >= EACH_MAX) return null
      mine.total++
      mine.counts.set(key, ofKey + 1)
      return {
        undo: () => {
          mine.total--
          const left = (mine.counts.get(key) ?? 1) - 1
          if (left === 0) mine.counts.delete(key)
          else mine.counts.set(key, left)
        },
      }
    },
  }
}
