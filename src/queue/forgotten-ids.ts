import { createHmac, randomBytes } from 'node:crypto'
import type { Db, Trx } from '../database/schema.ts'
import { insertRows } from '../database/transaction.ts'

const SECRET = 'forgotten'

/** Makes the secret of the hashes before the transaction that needs it, unless the database has it. */
export async function makeForgottenSecret(db: Db): Promise<void> {
  const value = randomBytes(32).toString('hex')
  await db.insertInto('secrets').ignore().values({ name: SECRET, value }).execute()
}

/**
 * Stores the webhook-ids of sales that a transaction is about to erase. A late retry of one of them must not put back a buyer
 * who was refunded, and who can't be found in any row any more.
 */
export async function forgetIdsOf({ trx, at }: { trx: Trx; at: number }, deliveries: readonly string[]): Promise<void> {
  const rows = await trx
    .selectFrom('webhook_ids')
    .select('webhook_id')
    .where('delivery_id', 'in', deliveries)
    .where('purpose', '=', 'sale')
    .execute()
  const hashed = await hashes(
    trx,
    rows.map(({ webhook_id }) => webhook_id),
  )
  const forgotten = [...hashed.values()].sort().map((hash) => ({ hash, forgotten_at: at }))
  if (forgotten.length > 0) await insertRows({ trx, into: 'forgotten_ids', rows: forgotten, existing: 'ignore' })
}

/** Those of these webhook-ids under which an erased sale came. */
export async function readForgotten(db: Db, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const hashed = await hashes(db, ids)
  if (hashed.size === 0) return new Set()
  const rows = await db
    .selectFrom('forgotten_ids')
    .select('hash')
    .where('hash', 'in', [...hashed.values()])
    .execute()
  const found = new Set(rows.map(({ hash }) => hash))
  return new Set(ids.filter((id) => found.has(hashed.get(id) ?? '')))
}

/** The hashes of webhook-ids; none if nobody was ever erased. */
async function hashes(db: Db, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map()
  const secret = await db.selectFrom('secrets').select('value').where('name', '=', SECRET).executeTakeFirst()
  if (secret === undefined) return new Map()
  const key = Buffer.from(secret.value, 'hex')
  return new Map(ids.map((id) => [id, createHmac('sha256', key).update(id).digest('hex')]))
}
