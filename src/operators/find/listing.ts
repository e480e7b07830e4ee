import type { Db, DeliveryRow } from '../../database/schema.ts'
import type { Position } from '../../queue/in-order.ts'
import { readDeliveries, type WithLines, withLines } from '../../queue/lines.ts'
import { REASON_COLUMNS, readReason, readRequest, toDelivery, unreadable } from '../../queue/rows.ts'
import { type Withdrawable, withdrawableOf } from '../../queue/withdrawals/withdrawable.ts'
import type { ToldNote } from '../../sale/delivery-sentence.ts'
import type { Line } from '../../sale/line.ts'
import type { Delivery, EnrollmentRequest } from '../../sale/types.ts'
import type { DeliveryFilter, Page } from './filter.ts'
import { search } from './search.ts'
import { readNotes } from './timeline.ts'

const PAGE = 50
/** A page where all pages are read. */
const LONG_PAGE = 500

/** A delivery as one line of a list, without its payload, which can be large. `unreadable` is as in Shown. */
export type Summary = ReturnType<typeof summaryOf>

/**
 * A page of a search can be short, or empty, although there is a next page, because one page reads a limited number of
 * deliveries. `searchedBackTo` is then the time (ms since 1970) that the search reached; else null.
 */
export interface Found extends Page<Summary> {
  readonly searchedBackTo: number | null
}

/** One delivery with all its data. `unreadable`: why its request can't be read, which is then null. */
export interface Shown extends Delivery, ReturnType<typeof buyerAndCourses> {
  readonly activeAt: number
  /** The number of its last event. */
  readonly lastEvent: number
  /** The note of the operator who handled it; null: it isn't handled, or without a note. */
  readonly handled: ToldNote | null
  /** What it can be withdrawn from; null if it has no request that can be read. */
  readonly withdrawable: Withdrawable | null
  readonly unreadable: string | null
}

/**
 * Returns a page of the deliveries that match a filter, newest activity first: the first one for an invalid `after`.
 * @param of.limit at most 500
 * @param of.after the `next` of the previous page
 */
export async function list(
  db: Db,
  { filter, limit = PAGE, after = null }: { filter: DeliveryFilter; limit?: number; after?: string | null },
): Promise<Found> {
  const { found, next, cut } = await search(db, { filter, after: readCursor(after), limit })
  return {
    items: await summaries(
      db,
      found.map(({ id }) => id),
    ),
    next: next === null ? null : cursorOf(next),
    searchedBackTo: cut ? (next?.activeAt ?? null) : null,
  }
}

/** The clocks of replicas are at most this far apart, ms. */
const APART_MS = 60_000

/**
 * Yields all deliveries that match a filter, each once, in pages, newest activity first. One that is active meanwhile moves
 * to the top of the list before it was read. So what was active since the start is read again, and comes last.
 * @param of.read Operations.list
 * @param of.now ms since 1970
 * @param of.most after so many deliveries, it ends
 */
export async function* listAll(of: {
  read: (page: { filter: DeliveryFilter; limit: number; after: string | null }) => Promise<Found>
  filter: DeliveryFilter
  now: () => number
  most?: number
}): AsyncGenerator<readonly Summary[]> {
  const { read, filter, now, most = Number.POSITIVE_INFINITY } = of
  const from = Math.max(filter.from ?? 0, now() - APART_MS)
  const ids = new Set<string>()
  for (const one of [filter, { ...filter, from }]) {
    for (let after: string | null = null; ; ) {
      const { items, next } = await read({ filter: one, limit: Math.min(LONG_PAGE, most - ids.size), after })
      const further = items.filter(({ id }) => !ids.has(id))
      for (const { id } of further) ids.add(id)
      yield further
      if (ids.size >= most || (next === null && after === null)) return // the latter: all of them were on one page
      if (next === null) break
      after = next
    }
  }
}

/** Returns one delivery with all its data, even if its row can't be read; null if it does not exist. */
export async function show(db: Db, id: string): Promise<Shown | null> {
  const [row] = await readDeliveries(db, [id])
  if (row === undefined) return null
  const read = requestOrNothing(row)
  return {
    ...toDelivery({ ...row, request: null }),
    ...read,
    ...buyerAndCourses({ ...row, ...read }),
    handled: (await readNotes(db, [row])).get(id) ?? null,
    withdrawable: withdrawableOf(row),
    activeAt: row.active_at,
    lastEvent: row.last_event,
  }
}

/** Parses a stored request. If it can't be read, `unreadable` says why, and there is none. */
function requestOrNothing({ request }: Pick<DeliveryRow, 'request'>) {
  try {
    return { request: request === null ? null : readRequest(request), unreadable: null }
  } catch (error) {
    return { request: null, unreadable: unreadable(error).subject }
  }
}

/** Who bought which courses, as far as it is known. */
function buyerAndCourses({
  request,
  email,
  username,
  lines,
}: {
  request: EnrollmentRequest | null
  email: string | null
  username: string
  lines: readonly Line[]
}) {
  return {
    /** As the shop sent them; in lower case if it was refused for its payload, and null where that had none. */
    email: request?.email ?? email,
    username: request?.username ?? (username === '' ? null : username),
    /** The first and the last name. */
    name: request === null ? null : `${request.name} ${request.family}`.trim(),
    courseIds: request?.courseIds ?? lines.map((line) => line.sent),
  }
}

/** What a line has as its row has it, and what else it is made of. */
const readRows = (db: Db, ids: readonly string[]) =>
  db
    .selectFrom('deliveries')
    .select([
      'id',
      'state',
      'source',
      'attempts',
      'webhook_id as webhookId',
      'due_at as dueAt',
      'last_event as lastEvent',
      'generation',
    ])
    .select(['received_at as receivedAt', 'active_at as activeAt', 'settled_at as settledAt'])
    .select(['done_at as doneAt', 'replayed_at as replayedAt', 'handled_as as handledAs'])
    .select(['request', 'email', 'username', 'replaces', 'replaced_by', ...REASON_COLUMNS])
    .where('id', 'in', ids)
    .execute()

/** Returns these deliveries in this order, at most some hundred, without those that don't exist any more. */
export async function summaries(db: Db, ids: readonly string[]): Promise<Summary[]> {
  if (ids.length === 0) return []
  const rows = await withLines(db, await readRows(db, ids))
  const notes = await readNotes(db, rows)
  const byId = new Map(rows.map((row) => [row.id, row]))
  return ids.flatMap((id) => {
    const row = byId.get(id)
    return row === undefined ? [] : [summaryOf(row, notes.get(id) ?? null)]
  })
}

function summaryOf(
  {
    request,
    email,
    username,
    replaced_by,
    reason,
    reason_text,
    reason_course,
    ...row
  }: WithLines<Awaited<ReturnType<typeof readRows>>[number]>,
  handled: ToldNote | null,
) {
  const read = requestOrNothing({ request })
  return {
    ...row,
    ...read,
    ...buyerAndCourses({ ...row, ...read, email, username }),
    reason: readReason({ reason, reason_text, reason_course }),
    replacedBy: replaced_by,
    handled,
  }
}

const cursorOf = ({ activeAt, id }: Position): string => Buffer.from(`${activeAt} ${id}`).toString('base64url')

function readCursor(text: string | null): Position | null {
  if (text === null) return null
  const [, at, id] = /^(\d{1,15}) (\w{1,26})$/.exec(Buffer.from(text, 'base64url').toString()) ?? []
  return at === undefined || id === undefined ? null : { activeAt: Number(at), id }
}
