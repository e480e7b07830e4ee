import { chmodSync, closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { COLUMNS, type Filled, type FilledTable, type Value } from './deliveries.ts'

const BATCH = 1024 * 1024
const TABLES: readonly FilledTable[] = ['deliveries', 'delivery_lines', 'events']
const indexesSchema = z.array(z.object({ name: z.string(), columns: z.string(), repeats: z.coerce.number() }))

/**
 * Loads deliveries into a migrated database, from files. It drops the indexes of the deliveries before and creates them
 * after, which is many times faster. `administer` runs statements as root, on the server of this machine.
 */
export async function fillMariaDb({
  name,
  administer,
  folder,
  rows,
}: {
  name: string
  administer: (sql: string) => Promise<unknown>
  folder: string
  rows: Iterable<Filled>
}): Promise<void> {
  mkdirSync(folder, { recursive: true })
  chmodSync(folder, 0o755) // the server reads the files
  const files = TABLES.map((table) => ({ table, ...createBatchFile(join(folder, `${table}.tsv`)) }))
  for (const filled of rows) {
    for (const { table, add } of files) for (const row of filled[table]) add(row.map(escaped).join('\t'))
  }
  const indexes = indexesSchema.parse(
    await administer(
      `select index_name as name, group_concat(column_name order by seq_in_index) as columns, max(non_unique) as repeats from information_schema.statistics where table_schema = '${name}' and table_name = 'deliveries' and index_name != 'PRIMARY' group by index_name`,
    ),
  )
  const change = (parts: readonly string[]): Promise<unknown> =>
    administer(`alter table ${name}.deliveries ${parts.join(', ')}`)
  await change(indexes.map((index) => `drop index \`${index.name}\``))
  for (const { table, file, end } of files) {
    end()
    await load({ name, administer, table, file })
    rmSync(file)
  }
  await change(
    indexes.map(
      ({ name: index, columns, repeats }) => `add ${repeats === 0 ? 'unique ' : ''}index \`${index}\` (${columns})`,
    ),
  )
  await administer(
    `analyze table ${Object.keys(COLUMNS)
      .map((table) => `${name}.${table}`)
      .join(', ')}`,
  )
}

const load = (of: {
  name: string
  administer: (sql: string) => Promise<unknown>
  table: FilledTable
  file: string
}): Promise<unknown> =>
  of.administer(
    `set session unique_checks = 0; load data infile '${of.file}' into table ${of.name}.${of.table} character set utf8mb4 (${COLUMNS[of.table]})`,
  )

/** A value as `load data` reads it. The searched text has line feeds. */
const escaped = (value: Value): string =>
  value === null ? '\\N' : String(value).replaceAll('\\', '\\\\').replaceAll('\t', '\\t').replaceAll('\n', '\\n')

/**
 * A new file that is written a line at a time, in batches. It doesn't return before the batch is written, so that a long
 * file isn't kept in memory.
 */
function createBatchFile(file: string) {
  const open = openSync(file, 'w')
  let batch = ''
  const flush = (): void => {
    writeSync(open, batch)
    batch = ''
  }
  return {
    file,
    add: (line: string): void => {
      batch += `${line}\n`
      if (batch.length >= BATCH) flush()
    },
    end: (): void => {
      flush()
      closeSync(open)
    },
  }
}
