import type { Kysely } from 'kysely'
import { z } from 'zod'
import type { BulkReplayRow, Tables } from '../../database/schema.ts'
import type { CourseSwap } from '../../queue/correct.ts'
import { auditedChange, type EventDraft, MAX_ACTOR, type WriteContext } from '../../queue/events.ts'
import { UNSOLVED } from '../../queue/rows.ts'
import { isCourseKey } from '../../sale/course-key.ts'
import { type DeliveryState, DONE_STATES, isDone } from '../../sale/types.ts'
import { type DeliveryFilter, filterSchema } from '../find/filter.ts'
import { list, type Summary } from '../find/listing.ts'
import { countFound, countReplayable } from '../find/search.ts'
import { totalOf } from '../reports/counts.ts'

const SAMPLE = 10

/**
 * A replay of all deliveries that match a filter, in steps; or a correction, which sells them again with another course.
 * `running` until it is `done` or an operator stops it.
 */
export type BulkReplay = ReturnType<typeof bulkReplayOf>

/** A filter that names its states. */
type WithStates = DeliveryFilter & { states: DeliveryState[] }

/**
 * Returns the filter of what a bulk replay selects. It excludes enrolled and pre-enrolled deliveries unless `enrolled` is
 * true, and handled and withdrawn ones unless the filter names that state.
 */
export function selected({ filter, enrolled = false }: { filter: DeliveryFilter; enrolled?: boolean }): WithStates {
  const named = filter.states ?? ['queued', 'rejected', 'needs_attention', ...DONE_STATES]
  return { ...filter, states: named.filter((state) => !isDone(state) || enrolled) }
}

/**
 * `left`: how many more match, but were rejected for their payload, so that they can't be replayed. `sample`: those that
 * can, with the latest activity.
 */
export interface Preview {
  readonly count: number
  readonly left: number
  readonly sample: readonly Summary[]
}

/** Shows what a bulk replay of this filter makes due, the latest activity first. */
export async function previewReplay(
  db: Kysely<Tables>,
  order: { filter: DeliveryFilter; enrolled?: boolean },
): Promise<Preview> {
  const counted = await countReplayable(db, selected(order))
  const { items } = await list(db, { filter: replayable(order), limit: SAMPLE })
  return { ...counted, sample: items }
}

/** What the shop sent does not change, so a replay would reject the rejected ones again. */
export function replayable(order: { filter: DeliveryFilter; enrolled?: boolean }): WithStates {
  const { states, ...rest } = selected(order)
  return { ...rest, states: states.filter((state) => state !== 'rejected') }
}

/**
 * Stores a bulk replay of what previewReplay shows. Any replica of the service runs it in steps, even after a restart. A
 * second click gets the first one: a further one would find nothing, and its page would say that nothing was changed.
 */
export async function startReplay(
  context: WriteContext,
  { filter, enrolled = false, by }: { filter: DeliveryFilter; enrolled?: boolean; by: string },
): Promise<BulkReplay> {
  const { count: total } = await countReplayable(context.database.reports, selected({ filter, enrolled }))
  // Without the filter: it may name a person, and the event outlives the person's data.
  return start(context, { filter, enrolled, corrects: null, by, total }, '')
}

/** Returns the filter of what a bulk correction selects: what failed because of the wrong key. */
export const wrongSales = (filter: DeliveryFilter, from: string): WithStates => ({
  ...filter,
  about: from,
  states: (filter.states ?? UNSOLVED).filter((state) => UNSOLVED.some((one) => one === state)),
})

/** What a bulk correction of this filter selects: how many, and the first of them as lines of a list. */
export async function previewCorrections(
  db: Kysely<Tables>,
  { filter, from, limit }: { filter: DeliveryFilter; from: string; limit: number },
): Promise<{ total: number; items: readonly Summary[] }> {
  const wrong = wrongSales(filter, from)
  const { items } = await list(db, { filter: wrong, limit })
  return { total: totalOf(await countFound(db, wrong)), items }
}

/**
 * Stores a bulk correction: what failed because of a wrong course key is sold again with the right one. It is run, read,
 * listed and stopped as a bulk replay is. The same order of the same operator again, as a second click sends it, is the
 * first one.
 */
export async function startCorrection(
  context: WriteContext,
  { filter, corrects, by }: { filter: DeliveryFilter; corrects: CourseSwap; by: string },
): Promise<BulkReplay> {
  const wrong = wrongSales(filter, corrects.from)
  const total = totalOf(await countFound(context.database.reports, wrong))
  // Without what was sent in the place of a course key: it may hold an address, and the event outlives the person's data.
  const from = isCourseKey(corrects.from) ? `${corrects.from} ` : ''
  return start(context, { filter: wrong, enrolled: false, corrects, by, total }, `: ${from}to ${corrects.to}`)
}

/** A replay that is ordered again so soon after the first time is a second click, ms. */
const SECOND_CLICK_MS = 10_000

/** Stores an order, unless it is the second click of one. `detail`: what the audit says of it at the end. */
function start(
  context: WriteContext,
  order: Pick<BulkReplay, 'filter' | 'enrolled' | 'corrects' | 'by' | 'total'>,
  detail: string,
): Promise<BulkReplay> {
  const { filter, enrolled, corrects, by, total } = order
  const said = {
    filter: JSON.stringify(filter),
    enrolled: enrolled ? 1 : 0,
    corrects: corrects === null ? null : JSON.stringify(corrects),
    actor: by.slice(0, MAX_ACTOR),
  }
  return auditedChange(context, async ({ trx, at, newId }) => {
    let orders = trx
      .selectFrom('bulk_replays')
      .selectAll()
      .where((eb) => eb.and(said))
    if (corrects === null) orders = orders.where('state', '=', 'running').where('started_at', '>', at - SECOND_CLICK_MS)
    const same = await orders.executeTakeFirst()
    if (same !== undefined) return { result: bulkReplayOf(same), listed: [] }
    const row: BulkReplayRow = {
      id: newId(),
      ...said,
      started_at: at,
      ended_at: null,
      state: 'running',
      replayed: 0,
      total,
      came_to_at: at,
      came_to_id: '',
    }
    await trx.insertInto('bulk_replays').values(row).execute()
    const { kind, what } = wordsFor(order, 'started')
    return { result: bulkReplayOf(row), listed: [eventOfNone(kind, `${what} ${row.id} of ${total}${detail}`, by)] }
  })
}

/** Stops a bulk replay; deliveries that are already due stay due. Returns null if it does not exist. */
export async function stopReplay(
  context: WriteContext,
  { id, by }: { id: string; by: string },
): Promise<BulkReplay | null> {
  return auditedChange(context, async ({ trx, at }) => {
    const { numUpdatedRows } = await trx
      .updateTable('bulk_replays')
      .set({ state: 'stopped', ended_at: at })
      .where('id', '=', id)
      .where('state', '=', 'running')
      .executeTakeFirst()
    const result = await readReplay(trx, id)
    if (result === null || numUpdatedRows === 0n) return { result, listed: [] }
    const { kind, what } = wordsFor(result, 'stopped')
    return { result, listed: [eventOfNone(kind, `${what} ${id} after ${result.replayed}`, by)] }
  })
}

/** How the audit names an order that an operator started or stopped. */
const wordsFor = ({ corrects }: Pick<BulkReplay, 'corrects'>, done: 'started' | 'stopped') =>
  corrects === null
    ? ({ kind: `bulk_replay_${done}`, what: 'bulk replay' } as const)
    : ({ kind: `bulk_correction_${done}`, what: 'bulk correction' } as const)

const eventOfNone = (kind: EventDraft['kind'], detail: string, actor: string): EventDraft => ({
  deliveryId: '',
  kind,
  detail,
  actor,
})

/** Reads a bulk replay; null if it does not exist, or only a newer version can read it. */
export async function readReplay(db: Kysely<Tables>, id: string): Promise<BulkReplay | null> {
  const [bulk = null] = readable(await db.selectFrom('bulk_replays').selectAll().where('id', '=', id).execute())
  return bulk
}

const swapSchema = z.strictObject({ from: z.string(), to: z.string() })

/** Converts a stored bulk replay. Throws ZodError for a filter that a newer version stored. */
export function bulkReplayOf({ id, filter, enrolled, corrects, ...row }: BulkReplayRow) {
  return {
    id,
    filter: filterSchema.parse(JSON.parse(filter)),
    /** Whether it includes deliveries that are enrolled or pre-enrolled. */
    enrolled: enrolled !== 0,
    /** Of a bulk correction: the course that was sold, and the right one; else null. */
    corrects: corrects === null ? null : swapSchema.parse(JSON.parse(corrects)),
    by: row.actor,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    state: row.state,
    /** How many deliveries it made due, and how many matched at its start. Sales with the same correction count as one. */
    replayed: row.replayed,
    total: row.total,
  }
}

/** Returns the bulk replays and corrections that still run, newest first. */
export async function runningReplays(db: Kysely<Tables>): Promise<BulkReplay[]> {
  const running = db.selectFrom('bulk_replays').selectAll().where('state', '=', 'running')
  return readable(await running.orderBy('id', 'desc').execute())
}

/** Converts stored bulk replays, without those whose filter a newer version has stored: that version is to run them. */
export const readable = (rows: readonly BulkReplayRow[]): BulkReplay[] =>
  rows.flatMap((row) => (filterSchema.safeParse(JSON.parse(row.filter)).success ? bulkReplayOf(row) : []))
