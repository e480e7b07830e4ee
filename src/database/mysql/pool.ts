import type { MysqlPool, MysqlPoolConnection } from 'kysely'
import type { ResultSetHeader, RowDataPacket } from 'mysql2'
import { openConnection, type Server, type ServerConnection, timeout } from './connection.ts'
import { serverErrorOf } from './errors.ts'
import { sslOptionsFor } from './tls.ts'

/** Longer than a new connection takes, ms. */
const OPENING_MS = 4000

/** What a pool may use at most, and how long it waits. */
export interface Limits {
  readonly connections: number
  /** For one statement; longer than its wait for a lock, ms. */
  readonly statementMs: number
  /** How long a connection that nobody uses is kept, ms: less than the server keeps it. */
  readonly keptMs: number
}

interface PoolParts {
  readonly server: Server
  readonly idleTimeoutMs: number
  /** Absent: those for all but reports. */
  readonly limits?: Limits | undefined
}

const USUAL = { connections: 8, statementMs: 5000 }

type Callback = Parameters<MysqlPool['getConnection']>[0]

/**
 * Connections to a MySQL or MariaDB server, opened on demand. Every wait is bounded: for a connection, for a statement
 * (except one that changes the schema), and at the end. Those who wait for a connection get one in turn.
 * docs/decisions/0030-tls-to-mysql.md says why it isn't the driver's pool.
 */
export function createBoundedPool({ server, idleTimeoutMs, limits }: PoolParts): MysqlPool {
  const { connections, statementMs, keptMs } = limits ?? { ...USUAL, keptMs: idleTimeoutMs / 2 }
  const ssl = server.tls === null ? null : sslOptionsFor(server.tls)
  const all = new Set<ServerConnection>()
  const idle = createLine<ServerConnection>({ ms: keptMs, expire: (connection) => connection.leave() })
  const waiting = createWaiting(statementMs + OPENING_MS)
  let isClosed = false

  const open = (callback: Callback): void => {
    let isReady = false
    const connection = openConnection({
      server,
      ssl,
      idleTimeoutMs,
      onReady: () => {
        isReady = true
        callback(null, use(connection))
      },
      onLost: (error) => {
        all.delete(connection)
        idle.remove(connection)
        if (!isReady) callback(error, NONE)
        const next = all.size < connections ? waiting.takeFirst() : null
        if (next !== null) open(next)
      },
    })
    all.add(connection)
  }
  const release = (connection: ServerConnection): void => {
    if (isClosed || !all.has(connection)) return
    const next = connection.isRetired ? null : waiting.takeFirst()
    if (next !== null) next(null, use(connection))
    // `onLost` then opens another one for those who wait.
    else if (connection.isRetired) connection.leave()
    else idle.add(connection)
  }
  const use = (connection: ServerConnection): MysqlPoolConnection =>
    useOf({ connection, statementMs, release, retireAll: () => retire({ all, idle }) })
  return {
    getConnection: (callback) => {
      const latest = idle.takeLast() // the one that was used last: so those that aren't needed are closed
      if (isClosed) callback(closed(), NONE)
      else if (latest !== null) callback(null, use(latest))
      else if (all.size < connections) open(callback)
      else waiting.add(callback)
    },
    end: async (callback) => {
      isClosed = true
      for (const next of waiting.takeAll()) next(closed(), NONE)
      idle.takeAll()
      for (const connection of all) connection.leave()
      await Promise.all([...all].map((connection) => connection.closed)) // an open socket would keep the process alive
      callback(null)
    },
  }
}

/**
 * After a failover, the connections from before all lead to the old server. It still answers reads, with what is no longer
 * true. So all are closed: those in use at the end of their use, because a commit may be in progress.
 */
function retire({ all, idle }: { all: ReadonlySet<ServerConnection>; idle: Line<ServerConnection> }): void {
  for (const one of all) one.isRetired = true
  for (const one of idle.takeAll()) one.leave()
}

/** Those who wait, in their order. Who has waited for `ms` leaves the line, and `expire` gets it. */
function createLine<One>({ ms, expire }: { ms: number; expire: (one: One) => void }) {
  const timers = new Map<One, NodeJS.Timeout>()
  /** Returns whether it was in the line. */
  const remove = (one: One): boolean => {
    clearTimeout(timers.get(one))
    return timers.delete(one)
  }
  const take = (one: One | undefined): One | null => (one !== undefined && remove(one) ? one : null)
  return {
    remove,
    add: (one: One): void => {
      const leave = (): void => {
        timers.delete(one)
        expire(one)
      }
      timers.set(one, setTimeout(leave, ms))
    },
    takeFirst: (): One | null => take(timers.keys().next().value),
    takeLast: (): One | null => take([...timers.keys()].at(-1)),
    takeAll: (): One[] => [...timers.keys()].filter(remove),
  }
}
type Line<One> = ReturnType<typeof createLine<One>>

/** Those who wait for a connection while all are in use. */
const createWaiting = (ms: number): Line<Callback> =>
  createLine({ ms, expire: (callback) => callback(timeout(`no free connection within ${ms / 1000} s`), NONE) })

const closed = (): Error => new Error('Pool is closed.')

/** Kysely's type wants a connection beside an error, too. */
const NONE: MysqlPoolConnection = {
  config: {},
  threadId: 0,
  connect: () => {},
  destroy: () => {},
  release: () => {},
  query: () => {
    throw closed()
  },
}

const CHANGES_SCHEMA = /^(create|alter|drop) /i

/**
 * One use of a connection. A statement that takes too long ends the connection, and its transaction with it. The
 * driver's own timer isn't used, because it keeps running after the connection is lost and keeps the process alive.
 */
function useOf({
  connection,
  statementMs,
  release,
  retireAll,
}: {
  connection: ServerConnection
  statementMs: number
  release: (connection: ServerConnection) => void
  /** Called when the server serves no writes any more. */
  retireAll: () => void
}): MysqlPoolConnection {
  const { driver, cut } = connection
  let isReleased = false
  return {
    config: driver.config,
    threadId: driver.threadId,
    connect: (callback) => callback?.(null),
    destroy: () => cut(new Error('the connection was given up')),
    release: () => {
      if (isReleased) return
      isReleased = true
      release(connection)
    },
    query: (sql, values, callback) => {
      const end = (error: unknown, result: RowDataPacket[] | ResultSetHeader): void => {
        clearTimeout(timer)
        if (serverErrorOf(error)?.retired && !connection.isRetired) retireAll()
        // Cutting a connection that can't roll back also rolls back. The caller needs the earlier statement's error.
        if (error && sql === 'rollback') cut(new Error('the transaction could not be rolled back'))
        callback?.(sql === 'rollback' ? null : error, error ? [] : result)
      }
      const giveUp = (): void => {
        const late = timeout(`no answer within ${statementMs / 1000} s`)
        end(late, []) // first: the driver then reports the cut to the same callback, which no longer matters
        cut(late)
      }
      const timer = CHANGES_SCHEMA.test(sql) ? undefined : setTimeout(giveUp, statementMs)
      return driver.query<RowDataPacket[] | ResultSetHeader>(sql, values, end)
    },
  }
}
