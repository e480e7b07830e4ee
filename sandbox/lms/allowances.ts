import { fold } from './collation.ts'
import { innerTable, type Transactions } from './transactions.ts'

/** A CourseEnrollmentAllowed row. `personId` is the account that used it. */
export type Allowance = {
  readonly id: number
  readonly email: string
  readonly course: string
  readonly autoEnroll: boolean
  readonly personId: number | null
  readonly created: number
}

/** The table of allowances. `now` gives ms since 1970. */
export function createAllowances({
  transactions: { put, count, record },
  newId,
  now,
}: {
  transactions: Transactions
  newId: () => number
  now: () => number
}) {
  const byEmail = new Map<string, Map<string, Allowance>>()

  function find(email: string, course: string): Allowance | undefined {
    return byEmail.get(fold(email))?.get(fold(course))
  }

  function save(row: { email: string; course: string; autoEnroll: boolean; personId: number | null }): Allowance {
    const before = find(row.email, row.course)
    const stored = before
      ? { id: before.id, created: before.created, email: before.email, course: before.course }
      : null
    const saved = { id: newId(), created: now(), ...row, ...stored }
    if (!before) count('newAllowances')
    if (saved.autoEnroll && before?.autoEnroll !== true) record({ ...saved, kind: 'allowed' })
    put(innerTable(byEmail, fold(row.email)), fold(row.course), saved)
    return saved
  }

  function remove(email: string, course: string): void {
    const before = find(email, course)
    if (before?.autoEnroll) record({ ...before, kind: 'disallowed' })
    put(innerTable(byEmail, fold(email)), fold(course), undefined)
  }

  return {
    find,
    save,
    remove,
    /** The allowances of one address, oldest first. */
    list: (email: string): Allowance[] => [...(byEmail.get(fold(email))?.values() ?? [])].sort((a, b) => a.id - b.id),
    all: (): Allowance[] => [...byEmail.values()].flatMap((table) => [...table.values()]),
    clear: () => byEmail.clear(),
  }
}
