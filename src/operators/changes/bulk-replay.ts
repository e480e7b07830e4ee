import type { Kysely } from 'kysely'
import type { BulkReplayRow, Tables } from '../../database/schema.ts'
import type { TransactionContext, WriteContext } from '../../database/transaction.ts'
import { type AuditedResult, auditedChange } from '../../queue/audited-change.ts'
import { type EventDraft, MAX_ACTOR } from '../../queue/events.ts'
import { makeDue, replayed } from '../../queue/replay.ts'
import { type DeliveryEvent, type DeliveryState, DONE_STATES, isDone } from '../../sale/types.ts'
import { type Background, runBackgroundLoop } from '../../service/lib/loop.ts'
import { type DeliveryFilter, filterSchema } from '../find/filter.ts'
import { preview } from '../find/listing.ts'
import { search } from '../find/search.ts'

const LISTED = 20
/** The number of deliveries that one transaction makes due. */
const STEP = 200
const POLL_MS = 1000
/** Longer than a step takes, so that webhooks get their turn between steps. */
const BETWEEN_STEPS_MS = 100

/** A replay of all deliveries that match a filter, in steps. `running` until it is `done` or an operator stops it. */
export interface BulkReplay {
  readonly id: string
  readonly filter: DeliveryFilter
  /** Whether it includes deliveries that are enrolled or pre-enrolled. */
  readonly enrolled: boolean
  readonly by: string
  readonly startedAt: number
  readonly endedAt: number | null
  readonly state: 'running' | 'done' | 'stopped'
  /** How many deliveries it made due, and how many matched at its start. */
  readonly replayed: number
  readonly total: number
  /** It replays from the latest activity to the oldest, and has reached this time (ms since 1970). */
  readonly reachedAt: number
}

type WithStates = DeliveryFilter & { states: DeliveryState[] }

/**
 * Returns the filter of what a bulk replay selects. It excludes enrolled and pre-enrolled deliveries unless `enrolled` is
 * true, and handled and withdrawn ones unless the filter names that state.
 */
export function selected(filter: DeliveryFilter, enrolled: boolean): WithStates {
  const named = filter.states ?? ['queued', 'rejected', 'needs_attention', ...DONE_STATES]
  return { ...filter, states: named.filter((state) => !isDone(state) || enrolled) }
}

/** Stores a bulk replay; see Operations.startReplay. */
export async function startReplay(
  context: WriteContext,
  { filter, enrolled, by }: { filter: DeliveryFilter; enrolled: boolean; by: string },
): Promise<AuditedResult<BulkReplay>> {
  const { count } = await preview(context.database.db, selected(filter, enrolled))
  return auditedChange(context, async ({ trx, at, newId }) => {
    const row: BulkReplayRow = {
      id: newId(),
      filter: JSON.stringify(filter),
      enrolled: enrolled ? 1 : 0,
      actor: by.slice(0, MAX_ACTOR),
      started_at: at,
      ended_at: null,
      state: 'running',
      replayed: 0,
      total: count,
      came_to_at: at,
      came_to_id: '',
    }
    await trx.insertInto('bulk_replays').values(row).execute()
    // Without the filter: it may name a person, and the event outlives the person's data.
    const detail = `bulk replay ${row.id} of ${count}`
    return { result: bulkReplayOf(row), listed: [eventOfNone('bulk_replay_started', detail, by)] }
  })
}

/** See Operations.stopReplay. */
export async function stopReplay(
  context: WriteContext,
  { id, by }: { id: string; by: string },
): Promise<AuditedResult<BulkReplay | null>> {
  return auditedChange(context, async ({ trx, at }) => {
    const { numUpdatedRows } = await trx
      .updateTable('bulk_replays')
      .set({ state: 'stopped', ended_at: at })
      .where('id', '=', id)
      .where('state', '=', 'running')
      .executeTakeFirst()
    const result = await readReplay(trx, id)
    const detail = `bulk replay ${id} after ${result?.replayed ?? 0}`
    return { result, listed: numUpdatedRows > 0n ? [eventOfNone('bulk_replay_stopped', detail, by)] : [] }
  })
}

const eventOfNone = (kind: EventDraft['kind'], detail: string, actor: string): EventDraft => ({
  deliveryId: '',
  kind,
  detail,
  actor,
})

/** See Operations.bulkReplay. */
export async function readReplay(db: Kysely<Tables>, id: string): Promise<BulkReplay | null> {
  const row = await db.selectFrom('bulk_replays').selectAll().where('id', '=', id).executeTakeFirst()
  return row === undefined ? null : bulkReplayOf(row)
}

/** Converts a stored bulk replay. Throws ZodError for a filter that a newer version stored. */
export function bulkReplayOf({ filter, actor, ...row }: BulkReplayRow): BulkReplay {
  return {
    id: row.id,
    filter: filterSchema.parse(JSON.parse(filter)),
    enrolled: row.enrolled !== 0,
    by: actor,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    state: row.state,
    replayed: row.replayed,
    total: row.total,
    reachedAt: row.came_to_at,
  }
}

/** Returns the latest 20 bulk replays, newest first. */
export async function listReplays(db: Kysely<Tables>): Promise<BulkReplay[]> {
  const rows = await db.selectFrom('bulk_replays').selectAll().orderBy('id', 'desc').limit(LISTED).execute()
  return rows.map(bulkReplayOf)
}

/**
 * Makes the next 200 deliveries of a bulk replay due and stores the position reached, in one transaction. It reads only
 * deliveries that were last active before the start, from the latest to the oldest. So it replays none twice, no matter
 * which replicas run it and how often it is interrupted. Returns null if the bulk replay has ended, or if another replica
 * made this step.
 */
export async function stepReplay(
  context: WriteContext,
  id: string,
): Promise<AuditedResult<{ due: number; isLast: boolean }> | null> {
  const { db } = context.database
  const row = await db.selectFrom('bulk_replays').selectAll().where('id', '=', id).executeTakeFirst()
  if (row === undefined || row.state !== 'running') return null
  const { filter: given, enrolled, by } = bulkReplayOf(row)
  const { states, ...rest } = selected(given, enrolled)
  // What the shop sent does not change, so a replay would reject the rejected ones again.
  const filter = { ...rest, states: states.filter((state) => state !== 'rejected') }
  const after = { activeAt: row.came_to_at, id: row.came_to_id }
  const { found, next } = await search(db, { filter, after, limit: STEP })
  const reached = next ?? found.at(-1) ?? after
  const done = await auditedChange(context, async (writing) => {
    const ids = found.map((one) => one.id)
    const isMine = await advance(writing, { row, reached, isLast: next === null })
    if (!isMine) return { result: null, listed: [] }
    const { due } = await makeDue(writing, { ids, states: filter.states })
    if (due.length > 0) {
      const { trx } = writing
      await trx
        .updateTable('bulk_replays')
        .set((eb) => ({ replayed: eb('replayed', '+', due.length) }))
        .where('id', '=', id)
        .execute()
      const rows = due.map((one) => ({ replay_id: id, delivery_id: one }))
      await trx.insertInto('replayed_deliveries').values(rows).execute()
    }
    const others = due.map((one) => replayed({ id: one, by, detail: `bulk replay ${id}` }))
    return { result: { due: due.length, isLast: next === null }, listed: [], others }
  })
  return done.result === null ? null : { result: done.result, events: done.events }
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
 * @param from.onStepped called with the events of a step, after they are stored
 */
export function runBulkReplays(
  from: Background & { context: WriteContext; onStepped: (events: readonly DeliveryEvent[]) => void },
): Promise<void> {
  const { context, guard, onStepped } = from
  const step = async (): Promise<number> => {
    const { db } = context.database
    const running = db.selectFrom('bulk_replays').select('id').where('state', '=', 'running').orderBy('id')
    const next = await running.limit(1).executeTakeFirst()
    if (next === undefined) return POLL_MS
    const done = await stepReplay(context, next.id)
    if (done !== null) onStepped(done.events)
    return BETWEEN_STEPS_MS
  }
  return runBackgroundLoop({ ...from, round: () => guard(step), againMs: POLL_MS })
}
