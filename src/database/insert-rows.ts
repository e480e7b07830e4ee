import { CompiledQuery, type Insertable, MysqlAdapter, type Transaction } from 'kysely'
import type { Tables } from './schema.ts'

/**
 * Inserts rows with one statement. It writes the statement itself: compiling it took Kysely a fifth of the time of storing
 * a delivery. `ignore`: skips rows whose key exists. All rows must have the same columns.
 */
export async function insertRows<Table extends keyof Tables & string>({
  trx,
  into,
  rows,
  ignore = false,
}: {
  trx: Transaction<Tables>
  into: Table
  rows: readonly Insertable<Tables[Table]>[]
  ignore?: boolean
}): Promise<void> {
  const [first] = rows
  if (first === undefined) return
  const columns = Object.keys(first)
  const parameters = rows.flatMap((row) => columns.map((column): unknown => Reflect.get(row, column)))
  const row = `(${columns.map(() => '?').join(', ')})`
  const insert = ignore ? insertIgnore(trx) : 'insert'
  const names = columns.map((column) => `\`${column}\``).join(', ')
  const sql = `${insert} into \`${into}\` (${names}) values ${rows.map(() => row).join(', ')}`
  await trx.executeQuery(CompiledQuery.raw(sql, parameters))
}

const insertIgnore = (trx: Transaction<Tables>): string =>
  trx.getExecutor().adapter instanceof MysqlAdapter ? 'insert ignore' : 'insert or ignore'
