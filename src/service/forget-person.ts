import type { Database } from '../database/dialect.ts'
import type { WriteContext } from '../database/write-context.ts'
import type { CallContext } from '../enroll/pair.ts'
import { withdrawAllowances } from '../enroll/withdraw/withdraw-person.ts'
import { type ForgottenPerson, forget } from '../operators/changes/forget.ts'
import type { DeliveryEvent } from '../sale/types.ts'

/**
 * Erases a person: first from the tables, then from the files of a SQLite database, and last their unused allowances in
 * the LMS. Safe to repeat. Waits for calls in flight, however long they take.
 * @param of.by the operator, at most 254 characters
 * @param of.compact whether to rewrite a large file too: see vacuum-sqlite.ts
 * @param of.calls for the allowances; null leaves the LMS as it is
 * @throws AppError database.busy, and what the database throws; the person may be erased in part
 */
export async function forgetPerson({
  context,
  vacuum,
  email,
  by,
  compact,
  calls,
  publish = () => {},
}: {
  context: WriteContext
  vacuum: Database['vacuum']
  email: string
  by: string
  compact: boolean
  calls: CallContext | null
  /** Called with each event after it is stored. */
  publish?: (event: DeliveryEvent) => void
}): Promise<ForgottenPerson> {
  const { deliveries, traces } = await forget(context, { email, by, publish })
  const clean = await vacuum({ traces, evenIfLarge: compact })
  const withdrawn = calls === null ? null : await withdrawAllowances({ ...calls, email: email.trim() })
  const failed = withdrawn !== null && 'failure' in withdrawn
  return {
    deliveries,
    allowances: withdrawn === null || failed ? null : withdrawn.deleted,
    clean,
    failure: failed ? withdrawn.failure.message : null,
  }
}
