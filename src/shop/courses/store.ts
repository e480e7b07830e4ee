import type { Kysely } from 'kysely'
import type { Tables } from '../../database/schema.ts'
import { inTransaction } from '../../database/transaction.ts'
import type { WriteContext } from '../../queue/events.ts'
import { CATALOGUE, FIRST_ROW } from './catalogue.ts'
import { type Compared, compare, insertChanges } from './changes.ts'

/**
 * Stores a new catalogue in the place of the one that was read `before`, in one transaction with the events for the shop
 * about what has changed in courses that were sold. If another replica has stored one since, nothing happens: that one is
 * as new. So of all replicas, and whenever one dies, a change is told by the one transaction that stores it.
 */
export async function storeContents(
  { database, now, newId, random, hasOutbox }: WriteContext,
  compared: Compared,
): Promise<void> {
  const { before } = compared
  const at = now()
  const { after, changes } = compare(compared, at)
  const text = JSON.stringify(after)
  const isSame = text === JSON.stringify({ courses: before.courses, missing: before.missing })
  const version = before.version + (isSame ? 0 : 1)
  await inTransaction({
    database,
    random,
    body: async (trx) => {
      await insertFirst(trx)
      const { numUpdatedRows } = await trx
        .updateTable('catalogue')
        .set({ ...(isSame ? {} : { courses: text, version }), checked_at: at, failed_at: null, failure: null })
        .where('name', '=', CATALOGUE)
        .where('version', '=', before.version)
        .executeTakeFirst()
      if (numUpdatedRows > 0n && hasOutbox) await insertChanges({ trx, at, newId, seq: version }, changes)
    },
  })
}

/** Stores why the LMS could not be asked. The catalogue stays as it is. */
export async function storeFailure({ database: { db }, now }: WriteContext, failure: string): Promise<void> {
  await insertFirst(db)
  await db.updateTable('catalogue').set({ failed_at: now(), failure }).where('name', '=', CATALOGUE).execute()
}

const insertFirst = (db: Kysely<Tables>) => db.insertInto('catalogue').ignore().values(FIRST_ROW).execute()
