import { ROW_CHANGED } from '../database/transaction.ts'
import { firstWithdrawn, isWanted } from '../sale/line.ts'
import { type Progress, STOPPED_STATES } from '../sale/types.ts'
import { lockDeliveries, readCorrections } from './change-deliveries.ts'
import type { Change, EventDraft, TransactionContext } from './events.ts'
import { withLines } from './lines.ts'
import { PROGRESS_COLUMNS, toProgress } from './rows.ts'

/**
 * The deliveries that corrections by operators have put in the places of these repeats, by the ids of the repeats: the shop
 * doesn't know of the correction, and a repeat must not start what was wrong. Not of one that an operator has replayed since.
 * Locks the repeats and these deliveries, so that no refund comes between this look and their start. Throws ROW_CHANGED if
 * one of these was corrected before it was locked.
 */
export async function readReplacements(
  { trx }: Pick<TransactionContext, 'trx'>,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map()
  await lockDeliveries({ trx }, ids)
  const replaced = await trx
    .selectFrom('deliveries')
    .select(['id', 'replaced_by'])
    .where('id', 'in', ids)
    .where('replaced_by', 'is not', null)
    .where('state', 'in', STOPPED_STATES)
    .execute()
  const found = new Map<string, string>()
  for (const row of replaced) {
    const last = (await readCorrections(trx, row)).at(-1)
    if (last !== undefined) found.set(row.id, last)
  }
  const newest = [...new Set(found.values())]
  await lockDeliveries({ trx }, newest)
  // Until then, an operator may have corrected one of them once more, on MySQL.
  for (const id of newest) if ((await readCorrections(trx, { replaced_by: id })).length > 1) throw ROW_CHANGED
  return found
}

/** The event of a corrected delivery that came again. */
export const repeatedAs = (id: string, correction: string): EventDraft => ({
  deliveryId: id,
  kind: 'repeated',
  detail: `its correction starts again: ${correction}`,
})

/**
 * A retry that came after a withdrawal of its sale was ordered. `withdrawnCourse`: the first course that was or is to be
 * withdrawn; undefined if the withdrawal has failed. `hasRest`: the sale has courses that no withdrawal names. `progress`: what
 * the delivery has.
 */
interface LateRetry {
  readonly withdrawnCourse: string | undefined
  readonly hasRest: boolean
  readonly progress: Progress
}

/**
 * Of these deliveries, finds those that have a course withdrawn, or refunded in vain. A withdrawal from before a newer sale
 * doesn't count.
 *
 * A repeat of such a delivery under a webhook-id that was known before is a retry which came late: a sender that didn't
 * get an answer in time sends the same id again, and must not put a refunded buyer back. A new id, or none, is a new sale.
 */
export async function readLateRetries(
  { trx }: Pick<TransactionContext, 'trx'>,
  ids: readonly string[],
): Promise<ReadonlyMap<string, LateRetry>> {
  if (ids.length === 0) return new Map()
  const columns = ['id', ...PROGRESS_COLUMNS] as const
  const rows = await withLines(trx, await trx.selectFrom('deliveries').select(columns).where('id', 'in', ids).execute())
  return new Map(
    rows
      .filter(({ lines }) => !lines.every(isWanted))
      .map(({ id, lines, ...row }) => [
        id,
        { withdrawnCourse: firstWithdrawn(lines), hasRest: lines.some(isWanted), progress: toProgress(row) },
      ]),
  )
}

/**
 * A late retry starts what no withdrawal names. It is told which course it didn't start; or, if the withdrawal has failed, what
 * the sale has. null: it waits for what it has started.
 */
export function lateRetry(id: string, { withdrawnCourse, hasRest, progress }: LateRetry): Change | null {
  const repeated = (detail: string): EventDraft => ({
    deliveryId: id,
    kind: 'repeated',
    detail: `a late retry; ${detail}`,
  })
  if (withdrawnCourse !== undefined) {
    const rest = hasRest ? ', and the other courses start again' : ''
    return {
      id,
      progress: { state: 'withdrawn', reason: null, dueAt: null, generation: 0, withdrawnCourse },
      drafts: [repeated(`${withdrawnCourse} was withdrawn${rest}`)],
    }
  }
  return hasRest ? null : { id, progress, drafts: [repeated('its refund has failed, and the sale stays as it is')] }
}
