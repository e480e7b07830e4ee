import type { Mail } from './mails.ts'

/** How many enrollments and allowances a call changed, or found unchanged. The measured cost is calculated from it. */
export type Tally = { newEnrollments: number; newAllowances: number; unchanged: number }

/** A change to a person's access to a course. An allowance without auto_enroll is none. */
export type Effect = {
  readonly kind: 'enrolled' | 'unenrolled' | 'allowed' | 'disallowed'
  readonly email: string
  readonly course: string
}
/** What a request did. */
export type Done<T> = { value: T; tally: Tally; effects: Effect[]; mails: Mail[] }
export type Transactions = ReturnType<typeof createTransactions>

/** The transactions of the stand-in's database. Its tables make their changes through `put`, which records the undo. */
export function createTransactions() {
  let undo: (() => void)[] | null = null
  let tally: Tally = noChanges()
  let effects: Effect[] = []
  let mails: Mail[] = []

  return {
    /** Stores a row, or deletes it if `row` is undefined. */
    put: <K, V>(table: Map<K, V>, key: K, row: V | undefined): void => {
      const before = table.get(key)
      undo?.push(() => (before === undefined ? table.delete(key) : table.set(key, before)))
      if (row === undefined) table.delete(key)
      else table.set(key, row)
    },
    count: (what: keyof Tally): void => {
      tally[what] += 1
    },
    record: (effect: Effect): void => {
      effects.push(effect)
    },
    mail: (mail: Mail): void => {
      mails.push(mail)
    },
    /**
     * Runs `work` as the LMS runs a request (ATOMIC_REQUESTS): its changes are rolled back if it throws or its `keep` is
     * false. `effects` are the changes that were kept. `mails` are the mails that it sent: a rollback doesn't take them back
     * (recorded: email-students.json, 'bulk: no such course with email_students').
     */
    atomically: <T>(work: () => { keep: boolean; value: T }): Done<T> => {
      undo = []
      effects = []
      mails = []
      tally = noChanges()
      let keep = false
      try {
        const done = work()
        keep = done.keep
        return { value: done.value, tally, effects: keep ? effects : [], mails }
      } finally {
        const steps = undo.reverse()
        undo = null
        if (!keep) for (const step of steps) step()
      }
    },
  }
}

const noChanges = (): Tally => ({ newEnrollments: 0, newAllowances: 0, unchanged: 0 })

/** The inner table of a key; it is created if it doesn't exist. */
export function innerTable<K, I, V>(table: Map<K, Map<I, V>>, key: K): Map<I, V> {
  const found = table.get(key)
  if (found) return found
  const made = new Map<I, V>()
  table.set(key, made)
  return made
}
