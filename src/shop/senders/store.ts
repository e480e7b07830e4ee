import type { Kysely } from 'kysely'
import type { SenderRow, Tables } from '../../database/schema.ts'

/** No more rows of refusals than this are kept, and of networks that sent signed webhooks. */
const REFUSED_MAX = 1000
const SIGNED_MAX = 100

export const SIGNED = ['signed', 'signed_previous', 'id_reused'] as const

/** Whether a row is about signed webhooks, and not about refused ones. */
export const isSigned = ({ result }: Pick<SenderRow, 'result'>): boolean => SIGNED.some((one) => one === result)

/**
 * Adds counts to the stored ones. `rows` hold what came since the last time, at most one for each network and result.
 * Several replicas may do it at the same time. Resolves to whether there is a new row.
 */
export async function addRows(trx: Kysely<Tables>, rows: readonly SenderRow[]): Promise<boolean> {
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
export async function deleteSurplus(db: Kysely<Tables>): Promise<void> {
  const signedSince = await lastAtOf(db, { signed: true, place: SIGNED_MAX, others: [] })
  if (signedSince !== null) {
    await db.deleteFrom('senders').where('result', 'in', SIGNED).where('last_at', '<=', signedSince).execute()
  }
  const signed = await db.selectFrom('senders').select('address').distinct().where('result', 'in', SIGNED).execute()
  const known = signed.map(({ address }) => address)
  const refusedSince = await lastAtOf(db, { signed: false, place: REFUSED_MAX, others: known })
  if (refusedSince === null) return
  await db
    .deleteFrom('senders')
    .where('result', 'not in', SIGNED)
    .where('last_at', '<=', refusedSince)
    .$if(known.length > 0, (query) => query.where('address', 'not in', known))
    .execute()
}

/** When the row at this place, from the latest one, was last raised; null if there are fewer. */
async function lastAtOf(
  db: Kysely<Tables>,
  of: { signed: boolean; place: number; others: readonly string[] },
): Promise<number | null> {
  const { signed, place, others } = of
  const row = await db
    .selectFrom('senders')
    .select('last_at')
    .where('result', signed ? 'in' : 'not in', SIGNED)
    .$if(others.length > 0, (query) => query.where('address', 'not in', others))
    .orderBy('last_at', 'desc')
    .limit(1)
    .offset(place)
    .executeTakeFirst()
  return row?.last_at ?? null
}

/** Deletes the rows that were last raised before `before` (ms since 1970). */
export async function deleteOld(db: Kysely<Tables>, before: number): Promise<void> {
  await db.deleteFrom('senders').where('last_at', '<', before).execute()
}

/** All rows. */
export const readRows = (db: Kysely<Tables>): Promise<SenderRow[]> => db.selectFrom('senders').selectAll().execute()

/** What makes a row. */
export const keyOf = ({ address, result }: Pick<SenderRow, 'address' | 'result'>): string => `${address} ${result}`

/** One row for the same network and result. */
export const sumOf = (one: SenderRow, other: SenderRow): SenderRow => ({
  ...one,
  first_at: Math.min(one.first_at, other.first_at),
  last_at: Math.max(one.last_at, other.last_at),
  count: one.count + other.count,
})
