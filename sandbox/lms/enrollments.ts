import { fold } from './collation.ts'
import { innerTable, type Transactions } from './transactions.ts'

export type Enrollment = {
  readonly id: number
  readonly personId: number
  readonly course: string
  readonly mode: string
  readonly active: boolean
  readonly created: number
}

/** The table of enrollments. `emailOf` gives the address of a person's id, `now` ms since 1970. */
export function createEnrollments({
  transactions: { put, count, record },
  newId,
  emailOf,
  now,
}: {
  transactions: Transactions
  newId: () => number
  emailOf: (personId: number) => string
  now: () => number
}) {
  const byPerson = new Map<number, Map<string, Enrollment>>()

  function find(personId: number, course: string): Enrollment | undefined {
    return byPerson.get(personId)?.get(fold(course))
  }

  function save(row: { personId: number; course: string; mode: string; active: boolean }): Enrollment {
    const before = find(row.personId, row.course)
    const saved = {
      id: before?.id ?? newId(),
      created: before?.created ?? now(),
      ...row,
      course: before?.course ?? row.course,
    }
    if (row.active && before?.active !== true) count('newEnrollments')
    if (row.active !== (before?.active ?? false)) {
      record({ kind: row.active ? 'enrolled' : 'unenrolled', email: emailOf(row.personId), course: saved.course })
    }
    put(innerTable(byPerson, row.personId), fold(row.course), saved)
    return saved
  }

  /** All enrollments, or those of one person, oldest first. */
  function list(personId?: number): Enrollment[] {
    const tables = personId === undefined ? [...byPerson.values()] : [byPerson.get(personId) ?? new Map()]
    return tables.flatMap((table) => [...table.values()]).sort((a, b) => a.id - b.id)
  }

  return { find, save, list, clear: () => byPerson.clear() }
}
