import { ROW_CHANGED } from '../database/transaction.ts'
import { firstWithdrawn, isWanted } from '../sale/line.ts'
import { STOPPED_STATES } from '../sale/types.ts'
import { lockDeliveries, readCorrections } from './change-deliveries.ts'
import type { Change, EventDraft, TransactionContext } from './events.ts'
import { linesOf } from './lines.ts'

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

/** A retry that came after a course of its sale was withdrawn. `hasRest`: the sale has courses that no withdrawal names. */
interface LateRetry {
  readonly withdrawnCourse: string
  readonly hasRest: boolean
}

/**
 * Of these deliveries, finds those that have a course withdrawn, or refunded in vain, and the first such course, as it was
 * sent. A withdrawal from before a newer sale doesn't count.
 *
 * A repeat of such a delivery under a webhook-id that was known before is a retry which came late: a sender that didn't
 * get an answer in time sends the same id again, and must not put a refunded buyer back. A new id, or none, is a new sale.
 */
export async function readLateRetries(
  { trx }: Pick<TransactionContext, 'trx'>,
  ids: readonly string[],
): Promise<ReadonlyMap<string, LateRetry>> {
  const rows = await linesOf(trx, ids)
  return new Map(
    rows.flatMap(({ id, lines }) => {
      const withdrawnCourse = firstWithdrawn(lines)
      return withdrawnCourse === undefined ? [] : [[id, { withdrawnCourse, hasRest: lines.some(isWanted) }] as const]
    }),
  )
}

/** A late retry starts what no withdrawal names, and is told which course it didn't start. */
export const lateRetry = (id: string, { withdrawnCourse, hasRest }: LateRetry): Change => ({
  id,
  progress: { state: 'withdrawn', reason: null, dueAt: null, generation: 0, withdrawnCourse },
  drafts: [
    {
      deliveryId: id,
      kind: 'repeated',
      detail: `a late retry; ${withdrawnCourse} was withdrawn${hasRest ? ', and the other courses start again' : ''}`,
    },
  ],
})
