import type { Kysely } from 'kysely'
import type { BulkReplayRow, Tables } from '../database/schema.ts'
import type { WriteContext } from '../database/write-context.ts'
import type { DeliveryState } from '../delivery/types.ts'
import { type EventDraft, MAX_ACTOR } from '../inbox/events.ts'
import { type AuditedContext, audited, type Done } from './audited-change.ts'
import { bulkReplayOf } from './bulk-replay-row.ts'
import type { DeliveryFilter } from './filter.ts'
import { preview } from './listing.ts'
import type { BulkReplay } from './operations.ts'
import { makeDue, replayed } from './replay.ts'
import { search } from './search.ts'

const LISTED = 20
/** Made due in one transaction. */
const STEP = 200

/**
 * What a replay of a filter is about: those that succeeded are left out unless asked for, and those that an operator
 * took care of unless the filter names them.
 */
export function replayable(filter: DeliveryFilter, succeeded: boolean): DeliveryFilter & { states: DeliveryState[] } {
  const named = filter.states ?? ['waiting', 'rejected', 'needs_attention', 'succeeded']
  return { ...filter, states: named.filter((state) => state !== 'succeeded' || succeeded) }
}

/** Stores the order; see Desk.startReplay. */
export async function startReplay(
  context: WriteContext,
  { filter, succeeded, by }: { filter: DeliveryFilter; succeeded: boolean; by: string },
): Promise<Done<BulkReplay>> {
  const { count, more } = await preview({ db: context.database.db, filter: replayable(filter, succeeded) })
  return audited(context, async ({ trx, at, newId }) => {
    const row: BulkReplayRow = {
      id: newId(),
      filter: JSON.stringify(filter),
      succeeded: succeeded ? 1 : 0,
      actor: by.slice(0, MAX_ACTOR),
      started_at: at,
      ended_at: null,
      state: 'running',
      replayed: 0,
      total: more ? null : count,
      came_to_at: at,
      came_to_id: '',
    }
    await trx.insertInto('bulk_replays').values(row).execute()
    // Without the filter: it may name a person, and the event outlives what is known of them.
    const detail = `bulk replay ${row.id} of ${more ? `more than ${count}` : count}`
    return { result: bulkReplayOf(row), listed: [ofNone('bulk_replay_started', detail, by)] }
  })
}

/** See Desk.stopReplay. */
export async function stopReplay(
  context: WriteContext,
  { id, by }: { id: string; by: string },
): Promise<Done<BulkReplay | null>> {
  return audited(context, async ({ trx, at }) => {
    const { numUpdatedRows } = await trx
      .updateTable('bulk_replays')
      .set({ state: 'stopped', ended_at: at })
      .where('id', '=', id)
      .where('state', '=', 'running')
      .executeTakeFirst()
    const result = await readReplay(trx, id)
    const detail = `bulk replay ${id} after ${result?.replayed ?? 0}`
    return { result, listed: numUpdatedRows > 0n ? [ofNone('bulk_replay_stopped', detail, by)] : [] }
  })
}

const ofNone = (kind: EventDraft['kind'], detail: string, actor: string): EventDraft => ({
  deliveryId: '',
  kind,
  detail,
  actor,
})

/** See Desk.bulkReplay. */
export async function readReplay(db: Kysely<Tables>, id: string): Promise<BulkReplay | null> {
  const row = await db.selectFrom('bulk_replays').selectAll().where('id', '=', id).executeTakeFirst()
  return row === undefined ? null : bulkReplayOf(row)
}

/** The latest 20, newest first. */
export async function listReplays(db: Kysely<Tables>): Promise<BulkReplay[]> {
  const rows = await db.selectFrom('bulk_replays').selectAll().orderBy('id', 'desc').limit(LISTED).execute()
  return rows.map(bulkReplayOf)
}

/**
 * Makes the next 200 deliveries of a bulk replay due, and notes how far it came, in one transaction. It looks only at
 * what was last active before its start, from the latest to the oldest, so that it comes to none twice, whoever
 * carries it out and however often it is interrupted. Gives null if it had ended or somebody else took this step.
 */
export async function stepReplay(
  context: WriteContext,
  id: string,
): Promise<Done<{ due: number; isLast: boolean }> | null> {
  const { db } = context.database
  const row = await db.selectFrom('bulk_replays').selectAll().where('id', '=', id).executeTakeFirst()
  if (row === undefined || row.state !== 'running') return null
  const { filter: given, succeeded, by } = bulkReplayOf(row)
  const filter = replayable(given, succeeded)
  const after = { activeAt: row.came_to_at, id: row.came_to_id }
  const { found, next } = await search({ db, filter, after, limit: STEP })
  const cameTo = next ?? found.at(-1) ?? after
  const done = await audited(context, async (writing) => {
    const ids = found.map((one) => one.id)
    const isMine = await advance(writing, { row, cameTo, isLast: next === null })
    if (!isMine) return { result: null, listed: [] }
    const { due } = await makeDue(writing, { ids, states: filter.states })
    await addUp(writing, { id, due: due.length })
    const others = due.map((one) => replayed({ id: one, by, detail: `bulk replay ${id}` }))
    return { result: { due: due.length, isLast: next === null }, listed: [], others }
  })
  return done.result === null ? null : { result: done.result, events: done.events }
}

/** false: it is no longer where it was, or was stopped. */
async function advance(
  { trx, at }: AuditedContext,
  {
    row,
    cameTo,
    isLast,
  }: { row: BulkReplayRow; cameTo: { readonly activeAt: number; readonly id: string }; isLast: boolean },
): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('bulk_replays')
    .set({
      came_to_at: cameTo.activeAt,
      came_to_id: cameTo.id,
      ...(isLast ? { state: 'done' as const, ended_at: at } : {}),
    })
    .where('id', '=', row.id)
    .where('state', '=', 'running')
    .where('came_to_at', '=', row.came_to_at)
    .where('came_to_id', '=', row.came_to_id)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

async function addUp({ trx }: AuditedContext, { id, due }: { id: string; due: number }): Promise<void> {
  await trx
    .updateTable('bulk_replays')
    .set((eb) => ({ replayed: eb('replayed', '+', due) }))
    .where('id', '=', id)
    .execute()
}
