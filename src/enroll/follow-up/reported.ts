import { setImmediate as turn } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import type { DeliveryRow, Tables } from '../../database/schema.ts'
import { lockDeliveries } from '../../queue/change-deliveries.ts'
import type { TransactionContext } from '../../queue/events.ts'
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
export async function readReported(db: Kysely<Tables>, ids: readonly string[]): Promise<Reported[]> {
  if (ids.length === 0) return []
  const rows = await db.selectFrom('deliveries').select(COLUMNS).where('id', 'in', ids).execute()
  return (await withLines(db, rows)).flatMap((row) => reportedOf(row) ?? [])
}

const NOW_COLUMNS = [
  'id',
  'state',
  'generation',
  'received_at',
  'settled_at',
  'email',
  'effect_unknown',
  ...REASON_COLUMNS,
] as const
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

/**
 * The deliveries in one state, the latest activity first, in chunks of at most 200, with a turn of the event loop before
 * each. `since`: only those with activity since then (ms since 1970). Deliveries that enter the state meanwhile may be
 * left out.
 * @param from.guard runs what needs the database
 */
export async function* reportedInState({
  db,
  guard,
  state,
  since = null,
}: {
  db: Kysely<Tables>
  guard: Background['guard']
  state: DeliveryState
  since?: number | null
}): AsyncGenerator<Reported[]> {
  const range = { states: [state], ...(since === null ? {} : { from: since }) }
  let after: Position | null = null
  for (let isLast = false; !isLast; await turn()) {
    const place: Position | null = after
    const page: Listed[] = await guard(() => readInOrder({ db, range, after: place, limit: CHUNK }))
    const ids = page.map(({ id }) => id)
    const found = new Map((await guard(() => readReported(db, ids))).map((one) => [one.id, one]))
    yield ids.flatMap((id) => found.get(id) ?? []).filter((one) => one.state === state)
    after = page.at(-1) ?? after
    isLast = page.length < CHUNK
  }
}
