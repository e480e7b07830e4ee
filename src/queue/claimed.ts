import type { DueRow } from './due.ts'

export type Claimed = ReturnType<typeof createClaimed>

/**
 * The deliveries that this process has claimed and not yet settled or released, in memory. A person has at most one
 * claimed delivery at a time, so that two calls about the same person never overlap.
 */
export function createClaimed() {
  const claims = new Map<string, { readonly person: string; owner: string | null }>()
  const people = new Set<string>()
  const inCall = new Set<string>()
  return {
    has: (id: string): boolean => claims.has(id),
    /** false: the delivery is claimed already, or another delivery of the person is. */
    claim: ({ id, email }: DueRow): boolean => {
      const person = email ?? id
      if (claims.has(id) || people.has(person)) return false
      claims.set(id, { person, owner: null })
      people.add(person)
      return true
    },
    /** Records the name of this replica under which the row was read. */
    setOwner: (id: string, owner: string | null): void => {
      const claim = claims.get(id)
      if (claim !== undefined) claim.owner = owner
    },
    /** null: the delivery is not claimed. */
    ownerOf: (id: string): string | null => claims.get(id)?.owner ?? null,
    release: (ids: readonly string[]): void => {
      for (const id of ids) {
        const claim = claims.get(id)
        claims.delete(id)
        inCall.delete(id)
        if (claim !== undefined) people.delete(claim.person)
      }
    },
    beginCall: (ids: readonly string[]): void => {
      for (const id of ids) inCall.add(id)
    },
    endCall: (ids: readonly string[]): void => {
      for (const id of ids) inCall.delete(id)
    },
    /** The deliveries with a call in flight, or whose result is being stored. */
    inCall: (): ReadonlySet<string> => inCall,
  }
}
