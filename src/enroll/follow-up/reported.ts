import { setImmediate as turn } from 'node:timers/promises'
import type { Db, DeliveryRow } from '../../database/schema.ts'
import { lockDeliveries } from '../../queue/change-deliveries.ts'
import type { TransactionContext, WriteContext } from '../../queue/events.ts'
import { type Listed, type Position, readInOrder } from '../../queue/in-order.ts'
import { type WithLines, withLines } from '../../queue/lines.ts'
import { REASON_COLUMNS, readReason, readRequest } from '../../queue/rows.ts'
import type { Delivery, DeliveryState } from '../../sale/types.ts'
import type { Background } from '../../service/lib/loop.ts'

/** The rows of one statement: a few ms of SQLite, which blocks the process meanwhile. */
export const CHUNK = 200

/** What a check needs of a settled delivery. `email`: as the shop sent it. */
export interface Reported extends Pick<Delivery, 'id' | 'state' | 'generation' | 'reason' | 'lines'> {
  readonly email: string
}

/** A delivery whose buyer is looked up, and the true course keys to ask about. */
export interface Sought {
  readonly reported: Reported
  readonly courses: readonly string[]
}

const COLUMNS = ['id', 'state', 'generation', 'request', ...REASON_COLUMNS] as const

/** The deliveries with these ids, without those that hold no request or can't be read. */
export async function readReported(db: Db, ids: readonly string[]): Promise<Reported[]> {
  if (ids.length === 0) return []
  const rows = await db.selectFrom('deliveries').select(COLUMNS).where('id', 'in', ids).execute()
  return (await withLines(db, rows)).flatMap((row) => reportedOf(row) ?? [])
}

const NOW_COLUMNS = ['id', 'state', 'generation', 'received_at', 'email', 'effect_unknown', ...REASON_COLUMNS] as const
/** A delivery as it is while the transaction has it locked, by when it may not be as it was reported. */
export type Locked = WithLines<Pick<DeliveryRow, (typeof NOW_COLUMNS)[number]>>

/** Locks these deliveries, as a withdrawal does, and reads those that exist. */
export async function lockReported(
  { trx }: Pick<TransactionContext, 'trx'>,
  ids: readonly string[],
): Promise<Locked[]> {
  await lockDeliveries({ trx }, ids)
  const rows = await trx.selectFrom('deliveries').select(NOW_COLUMNS).where('id', 'in', ids).execute()
  return withLines(trx, rows)
}

function reportedOf(row: WithLines<Pick<DeliveryRow, (typeof COLUMNS)[number]>>): Reported | null {
  if (row.request === null) return null
  try {
    const { email } = readRequest(row.request)
    const { id, state, generation, lines } = row
    return { id, state, generation, email, lines, reason: readReason(row) }
  } catch {
    return null // the console shows what is wrong with the row
  }
}

/** What reads deliveries in chunks needs. `guard`: runs what needs the database. */
export interface Reading extends Pick<Background, 'guard'> {
  readonly context: Pick<WriteContext, 'database' | 'now'>
}

/**
 * Deliveries with their places in chunks of at most CHUNK, in the order in which `read` gives them, with a turn of the event
 * loop before each.
 * @param read a page of CHUNK that comes after this one; null: the first
 */
export async function* inChunks<Place extends { readonly id: string }>(
  { context, guard }: Reading,
  read: (after: Place | null) => Promise<readonly Place[]>,
): AsyncGenerator<{ readonly place: Place; readonly reported: Reported }[]> {
  let after: Place | null = null
  for (let isLast = false; !isLast; await turn()) {
    const place: Place | null = after
    const page: readonly Place[] = await guard(() => read(place))
    const ids = page.map(({ id }) => id)
    const found = new Map((await guard(() => readReported(context.database.db, ids))).map((one) => [one.id, one]))
    yield page.flatMap((one) => {
      const reported = found.get(one.id)
      return reported === undefined ? [] : [{ place: one, reported }]
    })
    after = page.at(-1) ?? after
    isLast = page.length < CHUNK
  }
}

/**
 * The deliveries in one state, the latest activity first. `since`: only those with activity since then (ms since 1970).
 * Deliveries that enter the state meanwhile may be left out.
 */
export async function* reportedInState(
  reading: Reading,
  { state, since = null }: { state: DeliveryState; since?: number | null },
): AsyncGenerator<Reported[]> {
  const { db } = reading.context.database
  const range = { states: [state], ...(since === null ? {} : { from: since }) }
  const read = (after: Position | null): Promise<Listed[]> => readInOrder({ db, range, after, limit: CHUNK })
  for await (const chunk of inChunks(reading, read)) {
    yield chunk.map(({ reported }) => reported).filter((one) => one.state === state)
  }
}
