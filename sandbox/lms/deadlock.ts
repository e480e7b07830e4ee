import { fold } from './collation.ts'

/**
 * The result of a batch call that overlaps another (recorded: test/recordings/README.md, 'Seen besides', for bulk_enroll,
 * and enrollments-modify.json, 'DEADLOCK', for both batch views).
 * 'clear': it succeeds. 'rolled_back': 500, and nothing is kept. 'rolled_back_on_last': 200 with an error on the last
 * person, but nothing is kept.
 */
export type Verdict = 'clear' | 'rolled_back' | 'rolled_back_on_last'
export type RowLocks = ReturnType<typeof createRowLocks>

/**
 * The row locks of batch calls in progress. Each call locks the addresses that it names, in that order. Of two calls that
 * lock two addresses in opposite order, the later one is the victim of the deadlock.
 */
export function createRowLocks() {
  const running = new Set<string[]>()

  /** Starts a call that names these addresses; `release` ends it. A victim locks nothing. */
  function begin(emails: string[]): { verdict: Verdict; release: () => void } {
    const mine = [...new Set(emails.map(fold))]
    const conflicts = [...running].map((theirs) => conflictAt(mine, theirs)).filter((index) => index !== null)
    if (conflicts.length > 0) {
      const first = Math.min(...conflicts)
      return { verdict: first === mine.length - 1 ? 'rolled_back_on_last' : 'rolled_back', release: () => {} }
    }
    running.add(mine)
    return { verdict: 'clear', release: () => running.delete(mine) }
  }

  return { begin }
}

/** The index of the first address in `mine` that `theirs` locks before an earlier one of `mine`, or null. */
function conflictAt(mine: string[], theirs: string[]): number | null {
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
