import { z } from 'zod'
import type { BulkReplayRow, Db } from '../../database/schema.ts'
import type { CourseSwap } from '../../queue/correct.ts'
import { auditedChange, MAX_ACTOR, type WriteContext } from '../../queue/events.ts'
import { UNSOLVED } from '../../queue/rows.ts'
import { isCourseKey } from '../../sale/course-key.ts'
import { type DeliveryState, DONE_STATES, isDone, isStopped } from '../../sale/types.ts'
import { type DeliveryFilter, filterSchema } from '../find/filter.ts'
import { list, type Summary } from '../find/listing.ts'
import { countFound, countRefused } from '../find/search.ts'
import { totalOf } from '../reports/counts.ts'

const SAMPLE = 10

/**
 * A replay of all deliveries that match a filter, in steps; or a correction, which sells them again with another course.
 * `running` until it is `done` or an operator stops it.
 */
export type BulkReplay = ReturnType<typeof bulkReplayOf>

/** A filter that names its states. */
type WithStates = DeliveryFilter & { states: DeliveryState[] }

/** What an order is about. `corrects`: of a bulk correction, the wrong course key. */
export interface Selection {
  readonly filter: DeliveryFilter
  readonly enrolled?: boolean
  readonly corrects?: Pick<CourseSwap, 'from'> | null
}

/**
 * Returns the filter of what an order selects. A bulk replay excludes enrolled and pre-enrolled deliveries unless `enrolled`
 * is true, and handled and withdrawn ones unless the filter names that state. A bulk correction selects what failed because
 * of the wrong key.
 */
export function selected({ filter, enrolled = false, corrects = null }: Selection): WithStates {
  const { states } = filter
  if (corrects !== null) {
    return { ...filter, about: corrects.from, states: UNSOLVED.filter((state) => states?.includes(state) ?? true) }
  }
  const named = states ?? ['queued', 'rejected', 'needs_attention', ...DONE_STATES]
  return { ...filter, states: named.filter((state) => !isDone(state) || enrolled) }
}

/**
 * The same without what a replay doesn't start. What the shop sent does not change, so what was rejected would be again.
 */
export function workable(order: Selection): WithStates {
  const all = selected(order)
  if (order.corrects) return all
  const states = all.states.filter((state) => state !== 'rejected')
  // Only what a person has ended can be replaced. Without that, the count is in an index.
  return states.some(isStopped) ? { ...all, states, startable: true } : { ...all, states }
}

/** Counts what an order makes due, or corrects. */
const countWorkable = async (db: Db, order: Selection): Promise<number> =>
  totalOf(await countFound(db, workable(order)))

/**
 * `left`: how many more match, but were rejected for their payload, so that they can't be replayed. `sample`: those that
 * can, with the latest activity.
 */
export interface Preview {
  readonly count: number
  readonly left: number
  readonly sample: readonly Summary[]
}

/** Shows what an order of this filter makes due, or corrects, the latest activity first. */
export async function previewReplay(
  db: Db,
  { limit = SAMPLE, ...order }: Selection & { limit?: number },
): Promise<Preview> {
  const count = await countWorkable(db, order)
  const left = order.corrects ? 0 : await countRefused(db, selected(order))
  const { items } = await list(db, { filter: workable(order), limit })
  return { count, left, sample: items }
}

/** A replay that is ordered again so soon after the first time is a second click, ms. */
const SECOND_CLICK_MS = 10_000

/**
 * Stores an order for what previewReplay shows: a bulk replay, or a bulk correction, which sells again with the right course.
 * Any replica of the service runs it in steps, even after a restart. A second click gets the first order: a further one
 * would find nothing, and its page would say that nothing was changed.
 */
export async function startReplay(
  context: WriteContext,
  order: { filter: DeliveryFilter; enrolled?: boolean; corrects?: CourseSwap | null; by: string },
): Promise<BulkReplay> {
  const { enrolled = false, corrects = null, by } = order
  const total = await countWorkable(context.database.reports, order)
  const said = {
    filter: JSON.stringify(corrects === null ? order.filter : selected(order)),
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
    const { kind, what } = wordsFor({ corrects }, 'started')
    const detail = `${what} ${row.id} of ${total}${corrects === null ? '' : `: ${swapText(corrects)}`}`
    return { result: bulkReplayOf(row), listed: [{ deliveryId: '', kind, detail, actor: by }] }
  })
}

/**
 * An event outlives a person's data. So it has no filter, which may name a person, and nothing that was sent in the place of
 * a course key, which may be an address.
 */
const swapText = ({ from, to }: CourseSwap): string => `${isCourseKey(from) ? `${from} ` : ''}to ${to}`

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
    const detail = `${what} ${id} after ${result.replayed}`
    return { result, listed: [{ deliveryId: '', kind, detail, actor: by }] }
  })
}

/** How the audit names an order that an operator started or stopped. */
const wordsFor = ({ corrects }: Pick<BulkReplay, 'corrects'>, done: 'started' | 'stopped') =>
  corrects === null
    ? ({ kind: `bulk_replay_${done}`, what: 'bulk replay' } as const)
    : ({ kind: `bulk_correction_${done}`, what: 'bulk correction' } as const)

/** Reads a bulk replay; null if it does not exist, or only a newer version can read it. */
export async function readReplay(db: Db, id: string): Promise<BulkReplay | null> {
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
export async function runningReplays(db: Db): Promise<BulkReplay[]> {
  const running = db.selectFrom('bulk_replays').selectAll().where('state', '=', 'running')
  return readable(await running.orderBy('id', 'desc').execute())
}

/** Converts stored bulk replays, without those whose filter a newer version has stored: that version is to run them. */
export const readable = (rows: readonly BulkReplayRow[]): BulkReplay[] =>
  rows.flatMap((row) => (filterSchema.safeParse(JSON.parse(row.filter)).success ? bulkReplayOf(row) : []))
