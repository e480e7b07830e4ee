import type { Attempt } from './attempt.ts'
import type { DueRow } from './due.ts'

export type Claimed = ReturnType<typeof createClaimed>

/**
 * The deliveries that this process has claimed and not yet settled or released, in memory. A person has at most one
 * claimed delivery at a time, so that two calls about the same person never overlap.
 */
export function createClaimed() {
  const claims = new Map<string, { readonly person: string; attempt: Attempt | null; begun: boolean }>()
  const people = new Set<string>()
  return {
    has: (id: string): boolean => claims.has(id),
    /** false: the delivery is claimed already, or another delivery of the person is. */
    claim: ({ id, person }: DueRow): boolean => {
      if (claims.has(id) || people.has(person)) return false
      claims.set(id, { person, attempt: null, begun: false })
      people.add(person)
      return true
    },
    /** Records the delivery as it was read. */
    read: (attempt: Attempt): void => {
      const claim = claims.get(attempt.id)
      if (claim !== undefined) claim.attempt = attempt
    },
    /** undefined: the delivery is not claimed, or not read yet. */
    attemptOf: (id: string): Attempt | undefined => claims.get(id)?.attempt ?? undefined,
    /** Records that the attempt has begun: this replica has the hold of the person. */
    begin: (id: string): void => {
      const claim = claims.get(id)
      if (claim !== undefined) claim.begun = true
    },
    anyBegun: (): boolean => [...claims.values()].some(({ begun }) => begun),
    hasBegun: (id: string): boolean => claims.get(id)?.begun === true,
    release: (ids: readonly string[]): void => {
      for (const id of ids) {
        const claim = claims.get(id)
        claims.delete(id)
        if (claim !== undefined) people.delete(claim.person)
      }
    },
  }
}
