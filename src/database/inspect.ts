import { sql } from 'kysely'
import { reasonOf } from './availability.ts'
import { openDatabase } from './database.ts'
import type { Database } from './dialect.ts'
import { type Inspected, type Inspection, PRE_ENROLLED_SQL, type ServerTraits } from './inspection.ts'
import { serverErrorOf } from './mysql/errors.ts'
import { tlsObstacleOf } from './mysql/tls.ts'
import { inspectSqlite } from './sqlite/inspect-sqlite.ts'

/**
 * Inspects the inbox's database without changing anything: it creates neither a SQLite file nor tables. See openDatabase
 * for the URL. Ends when `signal` is aborted.
 */
export async function inspectDatabase(from: {
  url: string
  ca?: string | null | undefined
  now: () => number
  /** A replica without a heartbeat for this long counts as dead, ms. */
  deadAfterMs: number
  signal: AbortSignal
}): Promise<Inspected> {
  const { url, ca, now, deadAfterMs, signal } = from
  if (!url.startsWith('mysql:')) return inspectSqlite({ file: url.replace(/^sqlite:/, '') })
  const database = openDatabase({ url, ca, serve: false })
  const { name } = database
  const late = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })))
  })
  try {
    return { ok: true, name, found: await Promise.race([inspectServer({ database, now, deadAfterMs }), late]) }
  } catch (error) {
    const known = serverErrorOf(error)?.obstacle ?? tlsObstacleOf(error)
    const general = database.dialect.errorKindOf(error) === 'unavailable' ? 'unreachable' : 'unusable'
    return { ok: false, name, obstacle: known ?? general, reason: reasonOf(error) }
  } finally {
    await database.close()
  }
}

async function inspectServer({
  database,
  now,
  deadAfterMs,
}: {
  database: Database
  now: () => number
  deadAfterMs: number
}): Promise<Inspection> {
  const { db, dialect } = database
  const before = now()
  const { rows } = await sql<{ at: number }>`select ${dialect.clock} as at`.execute(db)
  const ours = (before + now()) / 2
  const clock = { theirs: Number(rows[0]?.at), ours }
  const tables = await db.introspection.getTables()
  const has = (table: string): boolean => tables.some(({ name }) => name === table)
  const applied = has('migrations') ? await db.selectFrom('migrations').select('oldest_code').execute() : []
  const replicas = has('replicas')
    ? await db
        .selectFrom('replicas')
        .select((eb) => ['id', eb(dialect.clock, '-', eb.ref('seen_at')).as('silent')])
        .execute()
    : []
  const alive = replicas.filter(({ silent }) => Number(silent) < deadAfterMs).length
  const preEnrolled =
    applied.length === 0 ? [] : (await sql.raw<{ outcome: string }>(PRE_ENROLLED_SQL).execute(db)).rows
  return {
    level: applied.length,
    oldestCode: Math.max(0, ...applied.map(({ oldest_code }) => oldest_code)),
    clock,
    server: await traitsOf(db),
    services: { alive, silent: replicas.length - alive, names: replicas.map(({ id }) => id) },
    preEnrolled: preEnrolled.map(({ outcome }) => outcome),
  }
}

/** MySQL also has super_read_only, and a managed reader may have only one of the others. */
const READ_ONLY = ['read_only', 'super_read_only', 'innodb_read_only', 'transaction_read_only', 'tx_read_only']
const OFF = /^(OFF|0|NO)$/i

/** By `show variables`, because a server has only some of them, and `select @@name` fails for the others. */
async function traitsOf(db: Database['db']): Promise<ServerTraits> {
  const names = sql.join([...READ_ONLY, 'wsrep_on'])
  const { rows } = await sql<{ Variable_name: string; Value: string }>`
    show variables where variable_name in (${names})`.execute(db)
  const on = rows.filter(({ Value }) => !OFF.test(Value))
  const readOnly = on.filter(({ Variable_name: name }) => READ_ONLY.includes(name))
  return {
    readOnly:
      readOnly.length > 0 ? readOnly.map(({ Variable_name, Value }) => `${Variable_name}=${Value}`).join(', ') : null,
    galera: on.some(({ Variable_name: name }) => name === 'wsrep_on'),
  }
}
