import { fold } from './collation.ts'
import type { Transactions } from './transactions.ts'

export type Person = {
  readonly id: number
  readonly username: string
  readonly email: string
  readonly name: string
  readonly active: boolean
  readonly staff: boolean
  readonly superuser: boolean
  readonly password: string
  readonly joined: number
  readonly lastLogin: number | null
  /** The end of the link in the activation e-mail. */
  readonly activationKey: string
  /** Set for people who registered on the stand-in itself. */
  readonly registration: { readonly country: string | null } | null
}

/** A person to save: with the id of an existing account, or without it for a new one. */
type PersonFields = Omit<Person, 'id' | 'joined' | 'activationKey'> & {
  id?: number
  joined?: number
  activationKey?: string
}
type PersonKey = { email: string } | { username: string } | { id: number } | { activationKey: string }

/**
 * The table of people, found by address or username as MariaDB finds them (see collation.ts).
 * `newKey` generates activation keys, `now` gives ms since 1970.
 */
export function createPeople({
  transactions: { put },
  newId,
  newKey,
  now,
}: {
  transactions: Transactions
  newId: () => number
  newKey: () => string
  now: () => number
}) {
  const people = new Map<number, Person>()
  const byEmail = new Map<string, number>()
  const byUsername = new Map<string, number>()

  function save(person: PersonFields): Person {
    const before = person.id === undefined ? undefined : people.get(person.id)
    if (before) {
      put(byEmail, fold(before.email), undefined)
      put(byUsername, fold(before.username), undefined)
    }
    const generated = {
      id: person.id ?? newId(),
      joined: person.joined ?? now(),
      activationKey: person.activationKey ?? newKey(),
    }
    const saved = { ...person, ...generated }
    put(people, saved.id, saved)
    put(byEmail, fold(saved.email), saved.id)
    put(byUsername, fold(saved.username), saved.id)
    return saved
  }

  function find(by: PersonKey): Person | undefined {
    if ('activationKey' in by)
      return [...people.values()].find(({ activationKey }) => activationKey === by.activationKey)
    const id = 'id' in by ? by.id : 'email' in by ? byEmail.get(fold(by.email)) : byUsername.get(fold(by.username))
    return id === undefined ? undefined : people.get(id)
  }

  return {
    save,
    find,
    emailOf: (id: number): string => people.get(id)?.email ?? '',
    clear: () => {
      for (const table of [people, byEmail, byUsername]) table.clear()
    },
  }
}
