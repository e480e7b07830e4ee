import { connect, type Socket } from 'node:net'
import type { MysqlPool, MysqlPoolConnection } from 'kysely'
import { createPool, type Pool, type PoolConnection, type ResultSetHeader, type RowDataPacket } from 'mysql2'

const CONNECT_MS = 3000
/** For one statement; longer than it may wait for a lock. */
const STATEMENT_MS = 5000
const LOCK_WAIT_SECONDS = 3
const END_MS = 300
const CONNECTIONS = 8

export interface Server {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}

/**
 * Connections to a MySQL or MariaDB server, made when they are needed. Nothing waits without end: not for a connection,
 * not for a statement (only for one that changes the schema), and not at the end.
 */
export function createBoundedPool({ server, silentMs }: { server: Server; silentMs: number }): MysqlPool {
  const sockets = new Set<Socket>()
  const open = (): Socket => {
    const socket = connect({ host: server.host, port: server.port, noDelay: true, keepAlive: true })
    sockets.add(socket)
    return socket.once('close', () => sockets.delete(socket))
  }
  const pool = createPool({
    ...server,
    stream: open,
    charset: 'utf8mb4_bin',
    supportBigNumbers: true,
    connectTimeout: CONNECT_MS,
    connectionLimit: CONNECTIONS,
    maxIdle: CONNECTIONS - 1, // below the limit: only then mysql2 closes idle connections, before the server does
    idleTimeout: silentMs / 2,
  })
  prepareSessions({ pool, silentMs })
  return {
    getConnection: (callback) =>
      pool.getConnection((error, connection) => callback(error, error ? connection : bounded(connection))),
    end: (callback) => {
      const cut = setTimeout(() => {
        for (const socket of sockets) socket.destroy()
        callback(null)
      }, END_MS)
      // The driver ends when it has said goodbye. It is the server that closes the connections; one that hangs does
      // not, and would hold up the end of the process.
      pool.end(async () => {
        await Promise.all([...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve))))
        clearTimeout(cut)
        callback(null)
      })
    },
  }
}

function prepareSessions({ pool, silentMs }: { pool: Pool; silentMs: number }): void {
  const seconds = Math.max(1, Math.floor(silentMs / 1000))
  const statements = [
    'set session transaction isolation level read committed', // as Django does; without it inserts lock gaps
    // Another SQL mode could read our escaped texts differently, and local time repeats an hour each year. A paused
    // replica's transaction must not keep its locks: the default wait_timeout is 8 hours.
    `set session sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', innodb_lock_wait_timeout = ${LOCK_WAIT_SECONDS}, wait_timeout = ${seconds}`,
  ]
  pool.on('connection', (connection) => {
    for (const sql of statements) {
      connection.query(sql, (error) => {
        if (error) connection.destroy()
      })
    }
  })
}

const CHANGES_SCHEMA = /^(create|alter|drop) /i

/**
 * One use of a connection: a statement that takes too long ends it, and its transaction with it. The driver's own
 * timeout is not used: it goes on running after the connection is lost, and holds up the end of the process.
 */
function bounded(connection: PoolConnection): MysqlPoolConnection {
  return {
    config: connection.config,
    threadId: connection.threadId,
    connect: (callback) => connection.connect((error) => callback?.(error)),
    destroy: () => connection.destroy(),
    release: () => connection.release(),
    query: (sql, values, callback) => {
      const end = (error: unknown, result: RowDataPacket[] | ResultSetHeader): void => {
        clearTimeout(timer)
        // A connection that can't roll back is closed, which rolls back too; the reason is the statement before it.
        if (error && sql === 'rollback') connection.destroy()
        callback?.(sql === 'rollback' ? null : error, error ? [] : result)
      }
      const giveUp = (): void => {
        connection.destroy()
        end(Object.assign(new Error(`no answer within ${STATEMENT_MS / 1000} s`), { code: 'ETIMEDOUT' }), [])
      }
      const timer = CHANGES_SCHEMA.test(sql) ? undefined : setTimeout(giveUp, STATEMENT_MS)
      return connection.query<RowDataPacket[] | ResultSetHeader>(sql, values, end)
    },
  }
}
