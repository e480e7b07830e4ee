import { fold } from './collation.ts'
import type { Transactions } from './transactions.ts'

/** What happened to a person, in the LMS's words (Open edX, student/models/enrollment.py). */
export const TRANSITIONS = {
  unenrolledToEnrolled: 'from unenrolled to enrolled',
  enrolledToEnrolled: 'from enrolled to enrolled',
  allowedToEnrolled: 'from allowed to enroll to enrolled',
  unenrolledToAllowed: 'from unenrolled to allowed to enroll',
  enrolledToUnenrolled: 'from enrolled to unenrolled',
  unenrolledToUnenrolled: 'from unenrolled to unenrolled',
  /** The LMS's constant has this text by mistake (recorded: unenroll.json, 'modify: other letter case'). */
  allowedToUnenrolled: 'from allowed to enroll to enrolled',
  none: 'N/A',
} as const

export type Transition = (typeof TRANSITIONS)[keyof typeof TRANSITIONS]

/** A row of ManualEnrollmentAudit. `enrolledBy` is a username, `enrollment` the person's enrollment after the change. */
export type AuditRow = {
  readonly enrolledBy: string | null
  readonly email: string
  readonly transition: Transition
  readonly reason: string | null
  readonly enrollment: { readonly username: string; readonly course: string } | null
}

/** The table of audit rows, oldest first. */
export function createAudit({ transactions: { put }, newId }: { transactions: Transactions; newId: () => number }) {
  const rows = new Map<number, AuditRow>()
  const lastByEmail = new Map<string, AuditRow>()

  return {
    save: (row: AuditRow): void => {
      put(rows, newId(), row)
      put(lastByEmail, fold(row.email), row)
    },
    /** The newest row of an address, or undefined. */
    last: (email: string): AuditRow | undefined => lastByEmail.get(fold(email)),
    list: (): AuditRow[] => [...rows.values()],
    clear: (): void => {
      rows.clear()
      lastByEmail.clear()
    },
  }
}
