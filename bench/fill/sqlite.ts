import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { COLUMNS, type Filled, type FilledTable, type Value } from './deliveries.ts'

const CACHE_KIB = 4 * 1024 * 1024

/**
 * Inserts deliveries into a migrated SQLite file. It drops the indexes before and creates them after, because accepting or
 * even inserting millions one by one takes too long.
 */
export function fillSqlite({ file, rows }: { file: string; rows: Iterable<Filled> }): void {
  const database = new DatabaseSync(file)
  database.exec(`PRAGMA synchronous = OFF; PRAGMA cache_size = -${CACHE_KIB}; BEGIN`)
  const indexes = database
    .prepare(
      "select name, sql from sqlite_master where type = 'index' and sql is not null and tbl_name != 'migrations'",
    )
    .all()
  for (const { name } of indexes) database.exec(`drop index ${name}`)
  const inserts = Object.entries(COLUMNS).map(([table, columns]) => {
    return [
      table as FilledTable,
      database.prepare(`insert into ${table} (${columns}) values (${columns.replace(/\w+/g, '?')})`),
    ] as const
  })
  for (const filled of rows) {
    for (const [table, insert] of inserts) {
      for (const row of filled[table]) insertRow(table, insert, row)
    }
  }
  for (const { sql } of indexes) database.exec(String(sql))
  database.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE)')
  database.close()
}

/** The body is a blob, which a text would not be found equal to. */
function insertRow(table: FilledTable, insert: StatementSync, row: readonly Value[]): void {
  const body = COLUMNS[table].split(', ').indexOf('body')
  if (body < 0) insert.run(...row)
  else insert.run(...row.map((value, i) => (i === body ? Buffer.from(String(value)) : value)))
}
