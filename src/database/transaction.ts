import { setTimeout as delay } from 'node:timers/promises'
import { CompiledQuery, type Insertable } from 'kysely'
import { type Database, isMysql } from './dialect.ts'
import type { Tables, Trx } from './schema.ts'

/** How often a transaction runs at most. */
const MAX_ATTEMPTS = { conflict: 10, unavailable: 3 } as const
const BACKOFF_MS = 20
/** No retry after this time: a sender waits for the answer to its webhook. */
const GIVE_UP_MS = 3000

/** Throw it in a transaction if another one changed a row between this one's read and write: it is retried. */
export const ROW_CHANGED = new Error('a row was changed by another transaction in between')

/**
 * Runs `body` in a transaction. Retries after a conflict with another transaction or a lost connection. After a
 * connection lost during the commit, it is unknown whether the commit took effect. Then the next attempt runs its
 * statements and asks `isStored`. Its statements wait for the locks of the attempt before, so that attempt has ended by
 * then. If that attempt was stored, the new one is rolled back and the stored result is returned. Without `isStored`, the
 * new one is stored as well: for what does no harm if it is written twice. Throws what the last attempt threw.
 */
export async function inTransaction<Result>({
  database: { db, dialect },
  random,
  body,
  isStored = async () => false,
}: {
  database: Pick<Database, 'db' | 'dialect'>
  /** From 0 to 1, as Math.random gives it. */
  random: () => number
  body: (trx: Trx) => Promise<Result>
  isStored?: (trx: Trx, result: Result) => Promise<boolean>
}): Promise<Result> {
  const began = performance.now()
  let uncertain: Attempt<Result> | null = null
  for (let attempt = 1; ; attempt++) {
    const before: Attempt<Result> | null = uncertain
    const committing: Attempt<Result>[] = []
    try {
      return await db.transaction().execute(async (trx) => {
        const result = await body(trx)
        if (before !== null && (await isStored(trx, before.result))) throw STORED
        committing.push({ result })
        return result
      })
    } catch (error) {
      if (error === STORED && before !== null) return before.result
      const kind = error === ROW_CHANGED ? 'conflict' : dialect.errorKindOf(error)
      if (kind !== 'conflict' && kind !== 'unavailable') throw error
      if (attempt >= MAX_ATTEMPTS[kind] || performance.now() - began > GIVE_UP_MS) throw error
      uncertain = committing[0] ?? before
    }
    await delay(BACKOFF_MS * attempt * (0.5 + random()))
  }
}

/** An attempt whose commit has begun. */
interface Attempt<Result> {
  readonly result: Result
}

/** Rolls back an attempt that is not needed. */
const STORED = new Error('an earlier attempt is stored')

/** SQLite takes no more values in a statement. */
const MAX_VALUES = 32_766

/**
 * Inserts rows with as few statements as possible. It writes the statement itself: compiling it took Kysely a quarter of
 * the main thread's time for each delivery. All rows must have the same columns; `columns`: only these are written.
 * `existing`: rows whose key exists are skipped, or, with the columns of the key, get the other values. Resolves to how many
 * rows were inserted, with MySQL counting one that got other values twice.
 */
export async function insertRows<Table extends keyof Tables & string>({
  trx,
  into,
  rows,
  columns = Object.keys(rows[0] ?? {}),
  existing,
}: {
  trx: Trx
  into: Table
  rows: readonly Insertable<Tables[Table]>[]
  columns?: readonly string[]
  existing?: 'ignore' | { readonly key: readonly (keyof Tables[Table])[] }
}): Promise<number> {
  const row = `(${columns.map(() => '?').join(', ')})`
  const verb = existing !== 'ignore' ? 'insert' : isMysql(trx) ? 'insert ignore' : 'insert or ignore'
  const names = columns.map((column) => `\`${column}\``).join(', ')
  const others =
    typeof existing === 'object' ? columns.filter((column) => !existing.key.some((one) => one === column)) : []
  const most = Math.floor(MAX_VALUES / columns.length)
  let inserted = 0
  for (let from = 0; from < rows.length; from += most) {
    const some = rows.slice(from, from + most)
    const parameters = some.flatMap((one) => columns.map((column): unknown => Reflect.get(one, column)))
    const sql = `${verb} into \`${into}\` (${names}) values ${some.map(() => row).join(', ')} ${updating(trx, others)}`
    const { numAffectedRows } = await trx.executeQuery(CompiledQuery.raw(sql, parameters))
    inserted += Number(numAffectedRows ?? 0)
  }
  return inserted
}

/** The end of an insert whose rows give these columns their values where the key exists. */
function updating(trx: Trx, columns: readonly string[]): string {
  if (columns.length === 0) return ''
  if (isMysql(trx)) {
    return `on duplicate key update ${columns.map((column) => `\`${column}\` = values(\`${column}\`)`).join(', ')}`
  }
  return `on conflict do update set ${columns.map((column) => `\`${column}\` = excluded.\`${column}\``).join(', ')}`
}
