import { fold } from './collation.ts'

/**
 * What a bulk call comes to when it overlaps another (recorded: test/recordings/README.md, 'Seen besides').
 * 'clear': it goes through. 'rolled_back': 500, nothing kept. 'rolled_back_on_last': 200 with an error on the last
 * person, and still nothing kept.
 */
export type Verdict = 'clear' | 'rolled_back' | 'rolled_back_on_last'
export type RowLocks = ReturnType<typeof createRowLocks>

/**
 * The rows that running bulk calls lock: each locks the addresses that it names, in that order.
 * Of two calls that lock two addresses in opposite order, the one that began later is the victim.
 */
export function createRowLocks() {
  const running = new Set<string[]>()

  /** Begins a call that names these addresses; `release` ends it. A victim locks nothing. */
  function begin(emails: string[]): { verdict: Verdict; release: () => void } {
    const mine = [...new Set(emails.map(fold))]
    const clashes = [...running].map((theirs) => clashAt(mine, theirs)).filter((index) => index !== null)
    if (clashes.length > 0) {
      const first = Math.min(...clashes)
      return { verdict: first === mine.length - 1 ? 'rolled_back_on_last' : 'rolled_back', release: () => {} }
    }
    running.add(mine)
    return { verdict: 'clear', release: () => running.delete(mine) }
  }

  return { begin }
}

/** The index of the first address in `mine` that `theirs` locks before one that `mine` has locked already, or null. */
function clashAt(mine: string[], theirs: string[]): number | null {
  const places = new Map(theirs.map((email, place) => [email, place]))
  let furthest = -1
  for (const [index, email] of mine.entries()) {
    const place = places.get(email)
    if (place === undefined) continue
    if (place < furthest) return index
    furthest = place
  }
  return null
}
