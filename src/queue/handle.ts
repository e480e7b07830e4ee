import { ROW_CHANGED } from '../database/transaction.ts'
import type { WriteContext } from '../database/write-context.ts'
import { type AuditedContext, type AuditedResult, auditedChange } from './audited-change.ts'

const NOTE_MAX = 1000

/** `already`: an operator has handled it before. */
export interface Handled {
  readonly kind: 'handled' | 'already' | 'unknown'
}

/** See Operations.markHandled. Stores the first 1,000 characters of the note. */
export async function markHandled(
  context: WriteContext,
  { id, note, by }: { id: string; note: string; by: string },
): Promise<AuditedResult<Handled>> {
  return auditedChange<Handled>(context, async (writing) => {
    const kind = await setHandled(writing, id)
    const event = { deliveryId: id, kind: 'handled', detail: note.slice(0, NOTE_MAX), actor: by } as const
    return { result: { kind }, listed: kind === 'handled' ? [event] : [] }
  })
}

/**
 * Makes a delivery handled, in a transaction. A queued delivery keeps its owner, which releases it when no call is in
 * flight: see untilReleased.
 */
export async function setHandled(writing: AuditedContext, id: string): Promise<Handled['kind']> {
  const { trx, at } = writing
  const row = await trx.selectFrom('deliveries').select('state').where('id', '=', id).executeTakeFirst()
  if (row === undefined) return 'unknown'
  const { state } = row
  if (state === 'handled') return 'already'
  const owner = state === 'queued' ? {} : { owner: null }
  const { numUpdatedRows } = await trx
    .updateTable('deliveries')
    .set({ state: 'handled', due_at: null, settled_at: at, active_at: at, ...owner })
    .where('id', '=', id)
    .where('state', '=', state)
    .executeTakeFirst()
  if (numUpdatedRows === 0n) throw ROW_CHANGED
  return 'handled'
}
