import type { BulkReplayRow } from '../../database/schema.ts'
import { insertRows } from '../../database/transaction.ts'
import { lockDeliveries } from '../../queue/change-deliveries.ts'
import { type CourseSwap, correctCourse } from '../../queue/correct.ts'
import { auditedChange, type EventDraft, type TransactionContext, type WriteContext } from '../../queue/events.ts'
import type { AppContext } from '../../queue/open-inbox.ts'
import { makeDue, replayed } from '../../queue/replay.ts'
import type { DeliveryState } from '../../sale/types.ts'
import { type Background, runBackgroundLoop } from '../../service/lib/loop.ts'
import { search } from '../find/search.ts'
import { type BulkReplay, bulkReplayOf, runningReplays, workable } from './bulk-replay.ts'

/** The number of deliveries that one transaction makes due. */
const STEP = 200
/** The number that one transaction corrects: each takes about ten statements. */
const CORRECTED_STEP = 20
const POLL_MS = 1000
/** Longer than a step takes, so that webhooks get their turn between steps. */
const BETWEEN_STEPS_MS = 100

/**
 * Makes the next deliveries of a bulk replay due, or corrects them, and stores the position reached, in one transaction. It
 * reads only deliveries that were last active before the start, from the latest to the oldest. So it replays none twice, no
 * matter which replicas run it and how often it is interrupted. Returns false if the bulk replay has ended, or if another
 * replica made this step.
 */
export async function stepReplay(context: WriteContext, id: string): Promise<boolean> {
  const { db } = context.database
  const row = await db.selectFrom('bulk_replays').selectAll().where('id', '=', id).executeTakeFirst()
  if (row === undefined || row.state !== 'running') return false
  const order = bulkReplayOf(row)
  const { corrects } = order
  const filter = workable(order)
  const after = { activeAt: row.came_to_at, id: row.came_to_id }
  const { found, next } = await search(db, { filter, after, limit: corrects === null ? STEP : CORRECTED_STEP })
  const reached = next ?? found.at(-1) ?? after
  const ids = found.map((one) => one.id)
  return auditedChange(context, async (writing) => {
    if (!(await advance(writing, { row, reached, isLast: next === null }))) return { result: false, listed: [] }
    const { due, others } =
      corrects === null
        ? await replayAll(writing, { order, ids, states: filter.states })
        : await correctAll(writing, { ids, by: order.by, ...corrects })
    await addMembers(writing, { id, due })
    return { result: true, listed: [], others }
  })
}

/** What a step made due, and the events to store: none is an entry of the audit, which has the order itself. */
interface Stepped {
  readonly due: readonly string[]
  readonly others: readonly EventDraft[]
}

async function replayAll(
  writing: TransactionContext,
  { order, ids, states }: { order: BulkReplay; ids: readonly string[]; states: readonly DeliveryState[] },
): Promise<Stepped> {
  const { due, others } = await makeDue(writing, { ids, states })
  const events = due.map((one) => replayed({ id: one, by: order.by, detail: `bulk replay ${order.id}` }))
  return { due, others: [...events, ...others] }
}

async function correctAll(
  writing: TransactionContext,
  { ids, by, ...swap }: CourseSwap & { ids: readonly string[]; by: string },
): Promise<Stepped> {
  await lockDeliveries(writing, ids)
  const [due, others]: [string[], EventDraft[]] = [[], []]
  for (const id of ids) {
    const corrected = await correctCourse(writing, { ...swap, id, by })
    if (corrected === null) continue
    due.push(corrected.id)
    others.push(...corrected.events)
  }
  return { due, others }
}

async function addMembers(
  { trx }: TransactionContext,
  { id, due }: { id: string; due: readonly string[] },
): Promise<void> {
  if (due.length === 0) return
  // Two sales that differed in the spelling of the wrong key alone have the same correction, and count as one.
  const rows = due.map((one) => ({ replay_id: id, delivery_id: one }))
  const added = await insertRows({ trx, into: 'replayed_deliveries', rows, existing: 'ignore' })
  await trx
    .updateTable('bulk_replays')
    .set((eb) => ({ replayed: eb('replayed', '+', added), total: eb('total', '-', due.length - added) }))
    .where('id', '=', id)
    .execute()
}

/** Stores the position reached. Returns false if the bulk replay moved on in the meantime, or was stopped. */
async function advance(
  { trx, at }: TransactionContext,
  { row, reached, isLast }: { row: BulkReplayRow; reached: { activeAt: number; id: string }; isLast: boolean },
): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('bulk_replays')
    .set({
      came_to_at: reached.activeAt,
      came_to_id: reached.id,
      ...(isLast ? { state: 'done' as const, ended_at: at } : {}),
    })
    .where('id', '=', row.id)
    .where('state', '=', 'running')
    .where('came_to_at', '=', row.came_to_at)
    .where('came_to_id', '=', row.came_to_id)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/**
 * Runs the bulk replays that operators started, one after the other, until the signal is aborted. Several replicas can
 * run them at once, and a replica can die in the middle of one.
 */
export function runBulkReplays(from: Background & Pick<AppContext, 'context'>): Promise<void> {
  const { context, guard } = from
  const step = async (): Promise<number> => {
    const next = (await runningReplays(context.database.db)).at(-1)
    if (next === undefined) return POLL_MS
    await stepReplay(context, next.id)
    return BETWEEN_STEPS_MS
  }
  return runBackgroundLoop({ ...from, round: () => guard(step), againMs: POLL_MS })
}
