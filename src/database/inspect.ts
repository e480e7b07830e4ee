import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { Kysely, sql } from 'kysely'
import { reasonOf } from './availability.ts'
import { openDatabase } from './database.ts'
import type { Database } from './dialect.ts'
import { type Obstacle, serverErrorOf } from './mysql/errors.ts'
import { tlsObstacleOf } from './mysql/tls.ts'
import type { EndpointRow, ReplicaRow, Tables } from './schema.ts'
import { createStatements, isBusy } from './sqlite/connection.ts'
import { refuseToWrite, sqliteDialect } from './sqlite/driver.ts'
import { assertSinglePath, resolveSymlinks, writeObstacle } from './sqlite/file.ts'

/** What a database holds, and which services use it. */
export interface Inspection {
  /** The number of applied migrations; 0: none, or the file doesn't exist yet. */
  readonly level: number
  /** The number of migrations that code must know to work with it. */
  readonly oldestCode: number
  /** The clocks of the database and of this machine at the same time, ms since 1970; null if they are the same clock. */
  readonly clock: { readonly theirs: number; readonly ours: number } | null
  /** Whether another program keeps a SQLite file locked, so that nobody can write. false if that was not asked. */
  readonly locked: boolean
  /** What the server says of itself; null for a SQLite file. */
  readonly server: Awaited<ReturnType<typeof traitsOf>> | null
  /** The number of services. `silent` services have sent no heartbeat for so long that they count as dead. `names`: of both. */
  readonly services: { readonly alive: number; readonly silent: number; readonly names: readonly string[] }
  /** The true keys of the courses in which the latest 5,000 pre-enrolled deliveries wait for buyers. */
  readonly preEnrolled: readonly string[]
  /** How the shop's endpoint for events took them last; null before events were first turned on. */
  readonly endpoint: Pick<EndpointRow, 'state' | 'error' | 'url_digest'> | null
}

/** `name` names the database without its password. */
export type Inspected =
  | { readonly ok: true; readonly name: string; readonly found: Inspection }
  | { readonly ok: false; readonly name: string; readonly obstacle: Obstacle; readonly reason: string }

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
  /** Whether to find out if a SQLite file is locked, which takes the right to write for a moment. */
  triesLock?: boolean
  signal: AbortSignal
}): Promise<Inspected> {
  const { url, ca, now, deadAfterMs, triesLock = false, signal } = from
  if (!url.startsWith('mysql:')) return inspectSqlite(url.replace(/^sqlite:/, ''), triesLock)
  const database = openDatabase({ url, ca, serve: false })
  const { name, db, dialect } = database
  const inspectServer = async (): Promise<Inspection> => {
    const before = now()
    const { rows } = await sql<{ at: number }>`select ${dialect.clock} as at`.execute(db)
    const clock = { theirs: Number(rows[0]?.at), ours: (before + now()) / 2 }
    const { replicas, ...content } = await contentOf(db)
    const alive = replicas.filter(({ seen_at: at }) => clock.theirs - at < deadAfterMs).length
    const services = { alive, silent: replicas.length - alive, names: replicas.map(({ id }) => id) }
    return { ...content, clock, locked: false, server: await traitsOf(db), services }
  }
  const late = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })))
  })
  try {
    return { ok: true, name, found: await Promise.race([inspectServer(), late]) }
  } catch (error) {
    const known = serverErrorOf(error)?.obstacle ?? tlsObstacleOf(error)
    const general = dialect.errorKindOf(error) === 'unavailable' ? 'unreachable' : 'unusable'
    return { ok: false, name, obstacle: known ?? general, reason: reasonOf(error) }
  } finally {
    await database.close()
  }
}

/** The same for all databases. It reads an index, and the lines of at most 5,000 deliveries. */
const PRE_ENROLLED_SQL =
  "select distinct course_key from (select id from deliveries where state = 'pre_enrolled' order by active_at desc limit 5000) as latest inner join delivery_lines on delivery_id = id where result = 'allowed'"

type Content = Omit<Inspection, 'clock' | 'locked' | 'server' | 'services'> & {
  readonly replicas: readonly ReplicaRow[]
}

/** What the tables hold, as far as they are there. */
async function contentOf(db: Database['db']): Promise<Content> {
  const tables = new Set((await db.introspection.getTables()).map(({ name }) => name))
  const applied = tables.has('migrations') ? await db.selectFrom('migrations').select('oldest_code').execute() : []
  const replicas = tables.has('replicas') ? await db.selectFrom('replicas').selectAll().execute() : []
  const preEnrolled =
    applied.length === 0 ? [] : (await sql.raw<{ course_key: string }>(PRE_ENROLLED_SQL).execute(db)).rows
  const endpoint = tables.has('endpoints')
    ? await db.selectFrom('endpoints').select(['state', 'error', 'url_digest']).executeTakeFirst()
    : undefined
  return {
    level: applied.length,
    oldestCode: Math.max(0, ...applied.map(({ oldest_code }) => oldest_code)),
    preEnrolled: preEnrolled.map(({ course_key }) => course_key),
    endpoint: endpoint ?? null,
    replicas,
  }
}

/** MySQL also has super_read_only, and a managed reader may have only one of the others. */
const READ_ONLY = ['read_only', 'super_read_only', 'innodb_read_only', 'transaction_read_only', 'tx_read_only']
const OFF = /^(OFF|0|NO)$/i

/**
 * What a MySQL or MariaDB server says of itself. By `show variables`, because a server has only some of them, and
 * `select @@name` fails for the others.
 */
async function traitsOf(db: Database['db']) {
  const names = sql.join([...READ_ONLY, 'wsrep_on'])
  const { rows } = await sql<{ Variable_name: string; Value: string }>`
    show variables where variable_name in (${names})`.execute(db)
  const on = rows.filter(({ Value }) => !OFF.test(Value))
  const readOnly = on.filter(({ Variable_name: name }) => READ_ONLY.includes(name))
  return {
    /** The server variables by which it takes no writes, such as read_only=ON; null if it takes them. */
    readOnly: readOnly.map(({ Variable_name, Value }) => `${Variable_name}=${Value}`).join(', ') || null,
    /** Whether it is a node of a Galera cluster. */
    galera: on.some(({ Variable_name: name }) => name === 'wsrep_on'),
  }
}

const BUSY_TIMEOUT_MS = 1000
/** A file that is locked at every try of this time is called locked. Its busy service leaves gaps between its groups. */
const LOCKED_MS = 2000
const LOCK_AGAIN_MS = 20

async function inspectSqlite(name: string, triesLock: boolean): Promise<Inspected> {
  const obstacle = writeObstacle(resolve(name))
  if (obstacle !== null) return { ok: false, name, obstacle: 'not_writable', reason: obstacle }
  try {
    const file = existsSync(dirname(resolve(name))) ? resolveSymlinks(name) : name
    assertSinglePath(file)
    const alive = isServed(file) ? 1 : 0
    const { replicas, ...content } = existsSync(file) ? await contentOfFile(file, triesLock) : EMPTY
    const services = { alive, silent: 0, names: replicas.map(({ id }) => id) }
    return { ok: true, name, found: { ...content, clock: null, server: null, services } }
  } catch (error) {
    return { ok: false, name, obstacle: 'unusable', reason: reasonOf(error) }
  }
}

const EMPTY = { level: 0, oldestCode: 0, locked: false, preEnrolled: [], endpoint: null, replicas: [] }

async function contentOfFile(file: string, triesLock: boolean): Promise<Content & Pick<Inspection, 'locked'>> {
  const connection = openReadOnly(file)
  const db = new Kysely<Tables>({
    dialect: sqliteDialect({ read: createStatements(connection), write: refuseToWrite }),
  })
  try {
    return { ...(await contentOf(db)), locked: triesLock && (await isLocked(file)) }
  } finally {
    connection.close()
  }
}

/**
 * Opens the file without leaving files behind. A reader of a WAL database creates the files -wal and -shm if they are
 * missing, and can't delete them. The service's user might then lack the permission to write to them. If they are
 * missing, no process has the database open, so it can be read as immutable.
 */
function openReadOnly(file: string): DatabaseSync {
  const location = pathToFileURL(file)
  if (!existsSync(`${file}-wal`)) location.searchParams.set('immutable', '1')
  return new DatabaseSync(location, { readOnly: true, timeout: BUSY_TIMEOUT_MS })
}

/**
 * Whether the right to write can't be had for a while. It takes that right, if a process may have the file open, and gives it
 * back. It never blocks, because in the service, a transaction that holds the right may wait for this thread. To be called
 * while a connection that only reads is open: the last one to be closed would carry out the log of a killed service.
 */
async function isLocked(file: string): Promise<boolean> {
  if (!existsSync(`${file}-wal`)) return false
  const tries = (): boolean => isBusyFor(new DatabaseSync(file, { timeout: 0 }), 'begin immediate; rollback')
  for (let waited = 0; tries(); waited += LOCK_AGAIN_MS) {
    if (waited >= LOCKED_MS) return true
    await delay(LOCK_AGAIN_MS)
  }
  return false
}

/** Whether a service holds FILE.lock. A starting service waits for the lock longer than this check takes. */
const isServed = (file: string): boolean =>
  existsSync(`${file}.lock`) &&
  isBusyFor(new DatabaseSync(`${file}.lock`, { readOnly: true, timeout: 0 }), 'select 1 from sqlite_master')

/** Whether another connection's lock keeps this one, which is closed then, from these statements. */
function isBusyFor(connection: DatabaseSync, statements: string): boolean {
  try {
    connection.exec(statements)
    return false
  } catch (error) {
    if (isBusy(error)) return true
    throw error
  } finally {
    connection.close()
  }
}
