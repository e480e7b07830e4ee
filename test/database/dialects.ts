import { CompiledQuery, type Kysely, sql } from 'kysely'
import type { Database } from '../../src/database/dialect.ts'
import type { Tables } from '../../src/database/schema.ts'

/** What tests have to phrase differently for each kind of database. */

const isMysql = ({ dialect }: Pick<Database, 'dialect'>): boolean => !dialect.exclusive

/** Makes the database refuse every insert into a table, or only those for which `when` is true of `new`. */
export async function refuseInserts({
  database,
  table,
  when = '1 = 1',
}: {
  database: Database
  table: keyof Tables
  when?: string
}): Promise<void> {
  const body = isMysql(database)
    ? `for each row begin if ${when} then signal sqlstate '45000' set message_text = 'no room'; end if; end`
    : `when ${when} begin select raise(abort, 'no room'); end`
  await sql.raw(`create trigger full before insert on ${table} ${body}`).execute(database.db)
}

/** All tables, columns and indexes, for comparison. */
export async function layoutOf(database: Database): Promise<unknown[]> {
  const { rows } = isMysql(database)
    ? await sql`
        select table_name, column_name, column_type, collation_name as collation_name, is_nullable, '' as seq
          from information_schema.columns where table_schema = database()
        union all select table_name, index_name, column_name, '', '', seq_in_index
          from information_schema.statistics where table_schema = database()
        order by 1, 2, 3, 6`.execute(database.db)
    : await sql`select type, name, tbl_name, sql from sqlite_master order by name`.execute(database.db)
  return rows.map((row) => ({ ...Object(row) })) // node:sqlite gives rows without a prototype
}

/** The statements that `use` sends, each with how the database would run it, line by line. */
export async function plansOf(
  database: Database,
  use: (noting: Kysely<Tables>) => Promise<unknown>,
): Promise<{ sql: string; plan: string[] }[]> {
  const { db } = database
  const statements: CompiledQuery[] = []
  await use(
    db.withPlugin({
      transformQuery: ({ node, queryId }) => {
        statements.push(db.getExecutor().compileQuery(node, queryId))
        return node
      },
      transformResult: async ({ result }) => result,
    }),
  )
  const explain = isMysql(database) ? 'explain format=traditional' : 'explain query plan'
  return Promise.all(
    statements.map(async ({ sql, parameters }) => {
      const { rows } = await db.executeQuery(CompiledQuery.raw(`${explain} ${sql}`, [...parameters]))
      return { sql, plan: rows.map((row) => (isMysql(database) ? mysqlLine(Object(row)) : String(Object(row).detail))) }
    }),
  )
}

const mysqlLine = ({ type, key, Extra }: Record<string, unknown>): string => `${type} ${key}: ${Extra ?? ''}`
