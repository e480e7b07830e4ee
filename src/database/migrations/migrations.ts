import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'kysely'
import { AppError } from '../../service/lib/errors.ts'
import { type Database, isMysql } from '../dialect.ts'
import type { Db, Trx } from '../schema.ts'

interface Migration {
  /** The lowest number of migrations that code must know to work with a database that has this one. */
  readonly oldestCode: number
  readonly statements: readonly string[]
}

/** The statements of a file, one each, because MySQL commits after each of them. */
export function statementsOf(file: 'initial-schema.sql'): string[] {
  const text = readFileSync(join(import.meta.dirname, file), 'utf8').replaceAll(/^--.*$/gm, '')
  const statements = text.split(';').map((statement) => statement.trim())
  return statements.filter((statement) => statement !== '')
}

/**
 * A statement as the database understands it. MySQL has options at the end of a table, and no index that leaves out rows
 * by a WHERE at its end.
 */
export function statementFor(statement: string, db: Db) {
  if (!isMysql(db)) return sql.raw(statement)
  if (!statement.startsWith('create table')) return sql.raw(statement.replace(/\s+where\s[^)]*$/, ''))
  return sql.raw(`${statement} engine = InnoDB default charset = utf8mb4 collate = utf8mb4_bin`)
}

/**
 * In order. A released migration never changes; the next one is appended. Its statements are in a file of its own, and each
 * makes one table, column or index, because a process may die after any of them.
 */
const MIGRATIONS: readonly Migration[] = [{ oldestCode: 1, statements: statementsOf('initial-schema.sql') }]

/** The number of migrations that this code knows: the level to which it migrates a database. */
export const KNOWN_LEVEL = MIGRATIONS.length

/**
 * Migrates the database to this code's level. A database of newer code can be used if its migrations allow code of this
 * level; otherwise it throws AppError database.too_new.
 *
 * Several processes may migrate at the same time, and one may be killed halfway. SQLite allows one transaction at a time
 * and rolls it back if its process dies. MySQL commits after each statement, so a statement counts as done if its object
 * exists: another process created it, or one that died before it could record the migration.
 */
export function migrate({
  database: { db, dialect },
  now,
}: {
  database: Pick<Database, 'db' | 'dialect'>
  now: () => number
}): Promise<void> {
  return db.transaction().execute(async (trx) => {
    const done = await readApplied(trx)
    for (const [index, { statements, oldestCode }] of MIGRATIONS.entries()) {
      const id = index + 1
      if (done.has(id)) continue
      for (const statement of statements) {
        try {
          await statementFor(statement, trx).execute(trx)
        } catch (error) {
          if (dialect.errorKindOf(error) !== 'exists') throw error
        }
      }
      const row = { id, oldest_code: oldestCode, applied_at: now() }
      await trx.insertInto('migrations').ignore().values(row).execute()
    }
  })
}

const MIGRATIONS_TABLE =
  'create table if not exists migrations (id integer not null primary key, oldest_code integer not null, applied_at bigint not null)'

async function readApplied(trx: Trx): Promise<Set<number>> {
  await statementFor(MIGRATIONS_TABLE, trx).execute(trx)
  const applied = await trx.selectFrom('migrations').select(['id', 'oldest_code']).execute()
  const needed = Math.max(0, ...applied.map((row) => row.oldest_code))
  if (needed > KNOWN_LEVEL) {
    throw new AppError(
      'database.too_new',
      `A newer lernito-openedx has upgraded this database to level ${needed}, and this version supports only level ${KNOWN_LEVEL}. Start the newer version, or restore the backup from before the upgrade.`,
    )
  }
  return new Set(applied.map((row) => row.id))
}
