import type { DueRow } from './due.ts'

/**
 * The deliveries that this process has claimed and not settled or released, in memory. A person has one claimed delivery
 * at a time, so that no two calls about the same person are under way.
 */
export interface Claimed {
  has(id: string): boolean
  /** false: it is claimed already, or another delivery of this person is. */
  claim(row: DueRow): boolean
  /** Notes under which name of this replica the row was read. */
  setOwner(id: string, owner: string | null): void
  /** null: it is not claimed. */
  ownerOf(id: string): string | null
  release(ids: readonly string[]): void
  beginCall(ids: readonly string[]): void
  endCall(ids: readonly string[]): void
  /** Those with a call under way, or whose result is being stored. */
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
