import { connect, type Socket } from 'node:net'
import type { MysqlPool, MysqlPoolConnection } from 'kysely'
import { createPool, type Pool, type PoolConnection, type ResultSetHeader, type RowDataPacket } from 'mysql2'

const CONNECT_MS = 3000
/** For one statement; longer than its wait for a lock. */
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
 * Connections to a MySQL or MariaDB server, opened on demand. Every wait is bounded: for a connection, for a statement
 * (except one that changes the schema), and at the end.
 */
export function createBoundedPool({ server, idleTimeoutMs }: { server: Server; idleTimeoutMs: number }): MysqlPool {
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
    maxIdle: CONNECTIONS - 1, // only below the limit does mysql2 close idle connections, before the server does
    idleTimeout: idleTimeoutMs / 2,
  })
  prepareSessions({ pool, idleTimeoutMs })
  return {
    getConnection: (callback) =>
      pool.getConnection((error, connection) => callback(error, error ? connection : bounded(connection))),
    end: (callback) => {
      const cut = setTimeout(() => {
        for (const socket of sockets) socket.destroy()
        callback(null)
      }, END_MS)
      // The driver is done once it has sent its farewell. The server closes the connections; if it hangs, it doesn't,
      // and the open sockets would keep the process alive.
      pool.end(async () => {
        await Promise.all([...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve))))
        clearTimeout(cut)
        callback(null)
      })
    },
  }
}

function prepareSessions({ pool, idleTimeoutMs }: { pool: Pool; idleTimeoutMs: number }): void {
  const seconds = Math.max(1, Math.floor(idleTimeoutMs / 1000))
  const statements = [
    'set session transaction isolation level read committed', // as in Django; the default makes inserts lock gaps
    // Another SQL mode could read our escaped texts differently, and local time repeats an hour each year. The
    // transaction of a paused replica must not keep its locks: the default wait_timeout is 8 hours.
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
 * One use of a connection. A statement that takes too long ends the connection, and its transaction with it. The
 * driver's own timer isn't used, because it keeps running after the connection is lost and keeps the process alive.
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
        // Closing a connection that can't roll back also rolls back. The caller needs the earlier statement's error.
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
