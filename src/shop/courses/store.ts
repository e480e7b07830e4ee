import type { Transaction } from 'kysely'
import type { Tables } from '../../database/schema.ts'
import { inTransaction, type WriteContext } from '../../database/transaction.ts'
import { CATALOGUE, type Catalogue, type Contents, FIRST_ROW } from './catalogue.ts'

/**
 * Stores a new catalogue in the place of the one that was read `before`, in one transaction. If another replica has stored
 * one since, nothing happens: that one is as new.
 */
export async function storeContents(
  { database, now, random }: WriteContext,
  { before, after }: { readonly before: Catalogue; readonly after: Contents },
): Promise<void> {
  const at = now()
  const text = JSON.stringify({ courses: after.courses, missing: after.missing })
  const isSame = text === JSON.stringify({ courses: before.courses, missing: before.missing })
  await inTransaction({
    database,
    random,
    body: async (trx) => {
      await insertFirst(trx)
      const changed = isSame ? {} : { courses: text, version: before.version + 1 }
      await trx
        .updateTable('catalogue')
        .set({ ...changed, checked_at: at, failed_at: null, failure: null })
        .where('name', '=', CATALOGUE)
        .where('version', '=', before.version)
        .execute()
    },
  })
}

/** Stores why the LMS could not be asked. The catalogue stays as it is. */
export async function storeFailure({ database, now, random }: WriteContext, failure: string): Promise<void> {
  await inTransaction({
    database,
    random,
    body: async (trx) => {
      await insertFirst(trx)
      await trx.updateTable('catalogue').set({ failed_at: now(), failure }).where('name', '=', CATALOGUE).execute()
    },
  })
}

const insertFirst = (trx: Transaction<Tables>) => trx.insertInto('catalogue').ignore().values(FIRST_ROW).execute()
