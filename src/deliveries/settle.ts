import type { DeliveryRow } from './database/schema.ts'
import { OVERTAKEN } from './database/transaction.ts'
import type { Change, Writing } from './events.ts'
import { toProgress } from './rows.ts'
import { touchFurtherCourses } from './terms.ts'
import type { EventKind, Settlement } from './types.ts'

/** `owner`: the name under which this replica had the delivery in hand. */
export interface Settling {
  readonly settlement: Settlement
  readonly owner: string
}

/**
 * Writes what the work came to, all in one transaction; equal results share a statement. Only rows that are still the
 * owner's and still wait: one that was paused and taken over for dead changes nothing and gives no event, and its
 * progress is what others made of the row. The same for one that an operator has handled or erased meanwhile.
 */
export async function settle(writing: Writing, settlings: readonly Settling[]): Promise<Change[]> {
  if (settlings.length === 0) return []
  const stored = await readRows(writing, settlings)
  const isOurs = ({ settlement, owner }: Settling): boolean => {
    const row = stored.get(settlement.id)
    return row?.owner === owner && row.state === 'waiting'
  }
  const ours = settlings.filter(isOurs)
  const alike = Map.groupBy(ours, ({ settlement: one, owner }) => {
    const isFirst = stored.get(one.id)?.enrolled_at === null
    return JSON.stringify([one.state, one.outcome, one.dueAt, one.attempts, owner, isFirst])
  })
  for (const group of alike.values()) await settleAlike(writing, group, stored)
  await touchFurtherCourses(writing, ours.map(({ settlement }) => settlement.id).sort())
  return settlings.map((settling): Change => {
    const { settlement, owner } = settling
    const { id, detail, dueAt } = settlement
    const row = stored.get(id)
    if (row === undefined) return { id, progress: settlement, owner: null, happened: [] }
    if (!isOurs(settling)) return { id, progress: toProgress(row), owner: row.owner, happened: [] }
    const first = settlement.state === 'succeeded' && row.enrolled_at === null
    const took = first ? { tookMs: Math.max(0, writing.at - row.received_at) } : {}
    const happened = [{ deliveryId: id, kind: kindOf(settlement), detail, ...took }]
    return { id, progress: settlement, owner: dueAt === null ? null : owner, happened }
  })
}

type Stored = Pick<DeliveryRow, 'owner' | 'state' | 'due_at' | 'outcome' | 'received_at' | 'enrolled_at'>

async function readRows({ trx }: Writing, settlings: readonly Settling[]): Promise<Map<string, Stored>> {
  const rows = await trx
    .selectFrom('deliveries')
    .select(['id', 'owner', 'state', 'due_at', 'outcome', 'received_at', 'enrolled_at'])
    .where(
      'id',
      'in',
      settlings.map(({ settlement }) => settlement.id),
    )
    .execute()
  return new Map(rows.map((row) => [row.id, row]))
}

async function settleAlike(
  { trx, at }: Writing,
  group: readonly Settling[],
  stored: ReadonlyMap<string, Stored>,
): Promise<void> {
  const [first] = group
  if (first === undefined) return
  const { settlement, owner } = first
  const ids = [...new Set(group.map((one) => one.settlement.id))].sort()
  const final = settlement.dueAt === null
  const isFirst = settlement.state === 'succeeded' && stored.get(settlement.id)?.enrolled_at === null
  const { numUpdatedRows } = await trx
    .updateTable('deliveries')
    .set({
      state: settlement.state,
      outcome: JSON.stringify(settlement.outcome),
      due_at: settlement.dueAt,
      attempts: settlement.attempts,
      settled_at: final ? at : null,
      active_at: at,
      owner: final ? null : owner,
      ...(isFirst ? { enrolled_at: at } : {}),
    })
    .where('id', 'in', ids)
    .where('owner', '=', owner)
    .where('state', '=', 'waiting')
    .executeTakeFirst()
  if (Number(numUpdatedRows) !== ids.length) throw OVERTAKEN
}

const kindOf = ({ state }: Settlement): EventKind => (state === 'waiting' ? 'retry_scheduled' : state)
