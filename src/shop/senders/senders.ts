import type { Kysely } from 'kysely'
import type { Availability } from '../../database/availability.ts'
import type { SenderRow, Tables } from '../../database/schema.ts'
import { inTransaction, type WriteContext } from '../../database/transaction.ts'
import { isUnreachable } from '../../service/lib/errors.ts'
import { type Background, runBackgroundLoop } from '../../service/lib/loop.ts'
import { createTally, isSigned, keyOf, putRow, SIGNED } from './tally.ts'
import { type SendersView, viewOf } from './view.ts'

/** No more rows of refusals than this are kept, and of networks that sent signed webhooks. */
const REFUSED_MAX = 1000
const SIGNED_MAX = 100
/** A time before that of every row. */
const BEFORE_ALL = -1
/** From one flush to the next. */
const FLUSH_MS = 5_000
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/**
 * Counts what came to the webhook from whom, over all replicas and restarts. A flood costs no write each: it is counted in memory, and written by `flush`. A process
 * that is killed loses what came since the last flush. A connection that is lost during a flush may count some twice.
 */
export function createSenders({
  context,
  guard,
}: {
  context: Pick<WriteContext, 'database' | 'random' | 'now'>
  guard: Availability['guard']
}) {
  const { database, random, now } = context
  const { db } = database
  const tally = createTally({ of: 'webhooks' })
  let flushing: Promise<void> = Promise.resolve()

  const store = async (): Promise<void> => {
    const rows = tally.take()
    if (rows.length === 0) return
    try {
      const isNew = await guard(() => inTransaction({ database, random, body: (trx) => addRows(trx, rows) }))
      if (isNew) await guard(() => deleteSurplus(db))
    } catch (error) {
      tally.putBack(rows)
      throw error
    }
  }

  return {
    /** Counts a refusal, in memory only. True if it is one of too many for a log line each. */
    refused: ({ ip, code }: { ip: string; code: string }): boolean => {
      tally.add({ ip, result: code, at: now() })
      return tally.refuse({ ip, code })
    },
    /** Counts a webhook with a valid signature, in memory only. */
    signed: ({ ip, isPrevious }: { ip: string; isPrevious: boolean }): void =>
      tally.add({ ip, result: isPrevious ? 'signed_previous' : 'signed', at: now() }),
    /** Counts a sale under the webhook-id of another one, in memory only. */
    reusedId: (): void => tally.add({ ip: '', result: 'id_reused', at: now() }),
    endMinute: tally.endMinute,
    /** Stores what was counted since the last time. If that fails, it stays counted. */
    flush: (): Promise<void> => {
      flushing = flushing.catch(() => {}).then(store)
      return flushing
    },
    /** What is stored, and what this replica has counted since. */
    read: async (): Promise<SendersView> => {
      await flushing.catch(() => {})
      const rows = new Map<string, SenderRow>()
      for (const row of [...(await guard(() => readRows(db))), ...tally.rows()]) putRow(rows, row)
      return viewOf([...rows.values()])
    },
    /** Deletes what nobody sent since `before` (ms since 1970). */
    deleteOld: async (before: number): Promise<void> => {
      await guard(() => db.deleteFrom('senders').where('last_at', '<', before).execute())
    },
  }
}
export type Senders = ReturnType<typeof createSenders>

/**
 * Stores the senders every few seconds, and deletes every hour what nobody sent for `days`, until the signal is aborted.
 * Then it stores once more.
 */
export async function runSenders({
  senders,
  days,
  now,
  onError,
  signal,
}: Omit<Background, 'guard'> & {
  senders: Senders
  days: number
  /** In ms since 1970. */
  now: () => number
}): Promise<void> {
  let deleteAt = Number.NEGATIVE_INFINITY
  const round = async (): Promise<number> => {
    await senders.flush()
    if (now() >= deleteAt || now() < deleteAt - HOUR_MS) {
      await senders.deleteOld(now() - days * DAY_MS)
      deleteAt = now() + HOUR_MS
    }
    return FLUSH_MS
  }
  await runBackgroundLoop({ round, againMs: FLUSH_MS, onError, signal })
  await senders.flush().catch((error: unknown) => {
    if (!isUnreachable(error)) onError(error)
  })
}

/**
 * Adds counts to the stored ones. `rows` hold what came since the last time, at most one for each network and result.
 * Several replicas may do it at the same time. Resolves to whether there is a new row.
 */
async function addRows(trx: Kysely<Tables>, rows: readonly SenderRow[]): Promise<boolean> {
  let isNew = false
  // In one order, so that two replicas don't deadlock.
  for (const row of rows.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))) {
    if (await raise(trx, row)) continue
    const { numInsertedOrUpdatedRows = 0n } = await trx.insertInto('senders').ignore().values(row).executeTakeFirst()
    if (numInsertedOrUpdatedRows > 0n) isNew = true
    else await raise(trx, row) // another replica has just inserted it
  }
  return isNew
}

async function raise(trx: Kysely<Tables>, { address, result, last_at: at, count }: SenderRow): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('senders')
    .set((eb) => ({
      count: eb('count', '+', count),
      last_at: eb.case().when('last_at', '<', at).then(at).else(eb.ref('last_at')).end(),
    }))
    .where('address', '=', address)
    .where('result', '=', result)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/**
 * Deletes the rows that were raised least recently, where there are too many. Refusals of a network that also sent
 * signed webhooks are kept: strangers can't displace those of the shop.
 */
async function deleteSurplus(db: Kysely<Tables>): Promise<void> {
  const rows = (await readRows(db)).toSorted((a, b) => b.last_at - a.last_at)
  const signed = rows.filter(isSigned)
  const oldest = signed[SIGNED_MAX]?.last_at ?? BEFORE_ALL
  const known = signed.filter(({ last_at: at }) => at > oldest).map(({ address }) => address)
  const refused = rows.filter((row) => !isSigned(row) && !known.includes(row.address))
  await db.deleteFrom('senders').where('result', 'in', SIGNED).where('last_at', '<=', oldest).execute()
  await db
    .deleteFrom('senders')
    .where('result', 'not in', SIGNED)
    .where('last_at', '<=', refused[REFUSED_MAX]?.last_at ?? BEFORE_ALL)
    .$if(known.length > 0, (query) => query.where('address', 'not in', known))
    .execute()
}

/** All rows. */
export const readRows = (db: Kysely<Tables>): Promise<SenderRow[]> => db.selectFrom('senders').selectAll().execute()
