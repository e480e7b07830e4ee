import type { Change, Writing } from './events.ts'
import { toProgress } from './rows.ts'
import { OVERTAKEN } from './transaction.ts'
import type { EventKind, Progress, Settlement } from './types.ts'

/** `owner`: the name under which this replica had the delivery in hand. */
export interface Settling {
  readonly settlement: Settlement
  readonly owner: string
}

/**
 * Writes what the work came to, all in one transaction; equal results share a statement. Only rows that are still the
 * owner's: one that was paused and taken over for dead changes nothing and gives no event, and its progress is what
 * others made of the row.
 */
export async function settle(writing: Writing, settlings: readonly Settling[]): Promise<Change[]> {
  if (settlings.length === 0) return []
  const stored = await readRows(writing, settlings)
  const isOurs = ({ settlement, owner }: Settling): boolean => {
    const row = stored.get(settlement.id)
    return row?.owner === owner && row.progress.state === 'waiting'
  }
  const alike = Map.groupBy(settlings.filter(isOurs), ({ settlement: one, owner }) =>
    JSON.stringify([one.state, one.outcome, one.dueAt, one.attempts, owner]),
  )
  for (const group of alike.values()) await settleAlike(writing, group)
  return settlings.map((settling) => {
    const { settlement, owner } = settling
    const { id, detail, dueAt } = settlement
    if (!isOurs(settling)) return { id, progress: settlement, owner: null, ...stored.get(id), happened: [] }
    const happened = [{ deliveryId: id, kind: kindOf(settlement), detail }]
    return { id, progress: settlement, owner: dueAt === null ? null : owner, happened }
  })
}

async function readRows(
  { trx }: Writing,
  settlings: readonly Settling[],
): Promise<Map<string, { owner: string | null; progress: Progress }>> {
  const rows = await trx
    .selectFrom('deliveries')
    .select(['id', 'owner', 'state', 'due_at', 'outcome'])
    .where(
      'id',
      'in',
      settlings.map(({ settlement }) => settlement.id),
    )
    .execute()
  return new Map(rows.map((row) => [row.id, { owner: row.owner, progress: toProgress(row) }]))
}

async function settleAlike({ trx, at }: Writing, group: readonly Settling[]): Promise<void> {
  const [first] = group
  if (first === undefined) return
  const { settlement, owner } = first
  const ids = [...new Set(group.map((one) => one.settlement.id))].sort()
  const final = settlement.dueAt === null
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
    })
    .where('id', 'in', ids)
    .where('owner', '=', owner)
    .where('state', '=', 'waiting')
    .executeTakeFirst()
  if (Number(numUpdatedRows) !== ids.length) throw OVERTAKEN
}

const kindOf = ({ state }: Settlement): EventKind => (state === 'waiting' ? 'retry_scheduled' : state)
