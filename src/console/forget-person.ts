import type { CallContext } from '../enroll/pair.ts'
import { withdrawAllowances } from '../enroll/withdraw/withdraw-person.ts'
import { acquireChecked } from '../lms/client/budget.ts'
import { type Judged, mayStillLand } from '../lms/client/failure.ts'
import { type ForgottenPerson, forget } from '../operators/changes/forget.ts'
import type { AppContext } from '../queue/open-inbox.ts'
import type { HeldPeople } from '../queue/replicas/hold-people.ts'

export type Vacuum = AppContext['database']['vacuum']

/**
 * Erases a person: under their hold, so that no sale that comes meanwhile loses anything, first their unused allowances in the
 * LMS, and then what the tables have; afterwards what the files of a SQLite database still show. Safe to repeat. Waits for
 * calls in flight, and then for at most a minute for what the LMS may still carry out.
 * @param of.by the operator, at most 254 characters
 * @param of.compact whether to rewrite a large file too: see vacuum-sqlite.ts
 * @param of.calls for the allowances; null leaves the LMS as it is
 * @param of.onWait called once if it has to wait
 * @throws AppError database.busy, and what the database throws; the person may be erased in part
 */
export async function forgetPerson(of: {
  context: AppContext['context']
  vacuum: Vacuum
  email: string
  by: string
  compact: boolean
  calls: CallContext | null
  onWait?: () => void
}): Promise<ForgottenPerson> {
  const { context, vacuum, email, by, compact, calls, onWait } = of
  let deleted: Judged<number> | null = null
  const underHold = async (held: HeldPeople): Promise<void> => {
    if (calls !== null) deleted = await withdrawHeld(calls, { email: email.trim(), held })
  }
  const { deliveries, traces } = await forget(context, {
    email,
    by,
    underHold,
    ...(onWait === undefined ? {} : { onWait }),
  })
  const clean = await vacuum({ traces, evenIfLarge: compact })
  return { deliveries, clean, ...told(deleted) }
}

/** Deletes allowances so that a call which gets no answer keeps the next sale of the person waiting until it has landed. */
async function withdrawHeld(
  { lms, acquire }: CallContext,
  { email, held }: { email: string; held: HeldPeople },
): Promise<Judged<number>> {
  await held.mayUndo()
  const deleted = await withdrawAllowances({ lms, email, acquire: () => acquireChecked(acquire, held.assert) })
  if (!deleted.ok && mayStillLand(deleted.failure)) held.isLate()
  return deleted
}

function told(deleted: Judged<number> | null): Pick<ForgottenPerson, 'allowances' | 'failure'> {
  if (deleted === null) return { allowances: null, failure: null }
  return deleted.ok
    ? { allowances: deleted.value, failure: null }
    : { allowances: null, failure: deleted.failure.message }
}
