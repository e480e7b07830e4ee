import type { DueRow } from './due.ts'

/**
 * The deliveries that this process has claimed and not yet settled or released, in memory. A person has at most one
 * claimed delivery at a time, so that two calls about the same person never overlap.
 */
export interface Claimed {
  has(id: string): boolean
  /** false: the delivery is claimed already, or another delivery of the person is. */
  claim(row: DueRow): boolean
  /** Records the name of this replica under which the row was read. */
  setOwner(id: string, owner: string | null): void
  /** null: the delivery is not claimed. */
  ownerOf(id: string): string | null
  release(ids: readonly string[]): void
  beginCall(ids: readonly string[]): void
  endCall(ids: readonly string[]): void
  /** The deliveries with a call in flight, or whose result is being stored. */
  inCall(): ReadonlySet<string>
}

/** See Claimed. */
export function createClaimed(): Claimed {
  const claims = new Map<string, { readonly person: string; owner: string | null }>()
  const people = new Set<string>()
  const inCall = new Set<string>()
  return {
    has: (id) => claims.has(id),
    claim: ({ id, email }) => {
      const person = email ?? id
      if (claims.has(id) || people.has(person)) return false
      claims.set(id, { person, owner: null })
      people.add(person)
      return true
    },
    setOwner: (id, owner) => {
      const claim = claims.get(id)
      if (claim !== undefined) claim.owner = owner
    },
    ownerOf: (id) => claims.get(id)?.owner ?? null,
    release: (ids) => {
      for (const id of ids) {
        const claim = claims.get(id)
        claims.delete(id)
        inCall.delete(id)
        if (claim !== undefined) people.delete(claim.person)
      }
    },
    beginCall: (ids) => {
      for (const id of ids) inCall.add(id)
    },
    endCall: (ids) => {
      for (const id of ids) inCall.delete(id)
    },
    inCall: () => inCall,
  }
}
