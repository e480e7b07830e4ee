import { insertEvents, type Writing } from './events.ts'
import type { DeliveryEvent, EventKind, Settlement } from './types.ts'

export interface Settled {
  readonly id: string
  readonly progress: Settlement
  readonly events: readonly DeliveryEvent[]
}

/**
 * Writes what the work came to, all in one transaction; equal results share a statement. Only rows that are still this
 * replica's: one that was paused and taken over for dead changes nothing, and gets no event.
 */
export async function settle(writing: Writing, settlements: readonly Settlement[]): Promise<Settled[]> {
  const alike = Map.groupBy(settlements, (one) => JSON.stringify([one.state, one.outcome, one.dueAt, one.attempts]))
  const kept = new Set<string>()
  for (const group of alike.values()) {
    for (const id of await settleAlike(writing, group)) kept.add(id)
  }
  const events = await insertEvents(
    writing,
    settlements
      .filter(({ id }) => kept.has(id))
      .map((one) => ({ deliveryId: one.id, kind: kindOf(one), detail: one.detail })),
  )
  return settlements.map((one) => ({
    id: one.id,
    progress: one,
    events: events.filter((event) => event.deliveryId === one.id),
  }))
}

async function settleAlike({ trx, at, me }: Writing, group: readonly Settlement[]): Promise<readonly string[]> {
  const [first] = group
  if (first === undefined) return []
  const ids = group.map((one) => one.id).sort()
  const final = first.dueAt === null
  const { numUpdatedRows } = await trx
    .updateTable('deliveries')
    .set({
      state: first.state,
      outcome: JSON.stringify(first.outcome),
      due_at: first.dueAt,
      attempts: first.attempts,
      settled_at: final ? at : null,
      active_at: at,
      owner: final ? null : me,
    })
    .where('id', 'in', ids)
    .where('owner', '=', me)
    .where('state', '=', 'waiting')
    .executeTakeFirst()
  if (Number(numUpdatedRows) === ids.length) return ids
  const updated = await trx
    .selectFrom('deliveries')
    .select('id')
    .where('id', 'in', ids)
    .where('state', '=', first.state)
    .where('owner', final ? 'is' : '=', final ? null : me)
    .where('active_at', '=', at)
    .execute()
  return updated.map((row) => row.id)
}

const kindOf = ({ state }: Settlement): EventKind => (state === 'waiting' ? 'retry_scheduled' : state)
