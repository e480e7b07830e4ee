import { connect, type Socket } from 'node:net'
import { type Connection, createConnection, type SslOptions } from 'mysql2'
import { hostToVerify, type Tls, tlsError } from './tls.ts'

/** For the whole opening: TCP, TLS, login, and the statements that prepare the session. */
const CONNECT_MS = 3000
const LOCK_WAIT_SECONDS = 3
const COLLATION = 'utf8mb4_bin'
/** How long the server may take to close a connection after the farewell. */
const FAREWELL_MS = 300

export interface Server {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
  /** null: without TLS */
  readonly tls: Tls | null
}

/**
 * Opens a connection to a MySQL or MariaDB server. Calls `onReady` once when statements can be sent, and `onLost` once
 * with the error when the connection is lost or could not be made. See sslOptionsFor for `ssl`.
 */
export function openConnection(of: {
  server: Server
  ssl: SslOptions | null
  idleTimeoutMs: number
  onReady: () => void
  onLost: (error: Error) => void
}) {
  const { ssl, idleTimeoutMs, onReady, onLost } = of
  const { tls, ...server } = of.server
  const socket = connect({ host: server.host, port: server.port, noDelay: true, keepAlive: true })
  const driver = createConnection({
    ...server,
    host: hostToVerify(server.host),
    stream: () => socket,
    ...(ssl === null ? {} : { ssl }),
    charset: COLLATION,
    supportBigNumbers: true,
    connectTimeout: 0, // it would end with the login; `late` covers the session's statements too
  })
  let state: 'opening' | 'ready' | 'lost' = 'opening'
  const lose = (error: Error): void => {
    if (state === 'lost') return
    state = 'lost'
    clearTimeout(late)
    socket.destroy() // the driver then fails the statement in progress
    onLost(ssl === null ? loginError({ error, driver }) : tlsError({ error, stream: streamOf(driver) }))
  }
  // It stays attached. A connection that breaks can report several errors, above all in its TLS handshake, and an error
  // that nobody listens to ends the process.
  driver.on('error', lose)
  socket.once('end', () => socket.destroy())
  socket.once('close', () => lose(lostConnection()))
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  const late = setTimeout(() => lose(timeout('connect ETIMEDOUT')), CONNECT_MS)
  driver.once('connect', () => {
    prepareSession({ driver, idleTimeoutMs }, (error) => {
      if (error !== null) return lose(error)
      if (state !== 'opening') return
      state = 'ready'
      clearTimeout(late)
      onReady()
    })
  })
  return {
    driver,
    /** Whether to close it after its use: see retire in pool.ts. */
    isRetired: false,
    /** Resolves when the socket is closed. */
    closed,
    /** Cuts the connection at once, and its transaction with it. The statement in progress fails. */
    cut: lose,
    /** Takes leave of the server after the statement in progress. A server that hangs can't hold the socket open. */
    leave: (): void => {
      if (state === 'ready') sayFarewell({ driver, socket, closed })
      else lose(new Error('the connection is closed by this service'))
    },
  }
}
export type ServerConnection = ReturnType<typeof openConnection>

function sayFarewell({ driver, socket, closed }: { driver: Connection; socket: Socket; closed: Promise<void> }): void {
  driver.end()
  const cut = setTimeout(() => socket.destroy(), FAREWELL_MS)
  void closed.then(() => clearTimeout(cut))
}

const lostConnection = (): Error =>
  Object.assign(new Error('the connection was closed'), { code: 'PROTOCOL_CONNECTION_LOST', fatal: true })

/** What the driver reports if the server takes too long. */
export const timeout = (text: string): Error => Object.assign(new Error(text), { code: 'ETIMEDOUT' })

function prepareSession(
  { driver, idleTimeoutMs }: { driver: Connection; idleTimeoutMs: number },
  done: (error: Error | null) => void,
): void {
  const seconds = Math.max(1, Math.floor(idleTimeoutMs / 1000))
  const failed = (error: Error | null): void => {
    if (error) done(error)
  }
  // A server may be told to set another character set for its clients, and the driver then writes in that one.
  driver.query(`set names utf8mb4 collate ${COLLATION}`, failed)
  // As in Django; the default makes inserts lock gaps.
  driver.query('set session transaction isolation level read committed', failed)
  // Another SQL mode could read our escaped texts differently, and local time repeats an hour each year. Without
  // autocommit, nothing that is written outside of a transaction would be stored. The transaction of a paused replica
  // must not keep its locks: the default wait_timeout is 8 hours.
  driver.query(
    `set session sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', autocommit = 1, innodb_lock_wait_timeout = ${LOCK_WAIT_SECONDS}, wait_timeout = ${seconds}`,
    (error) => done(error),
  )
}

const ACCESS_DENIED = 1045
/** Of the server's capabilities, the one that says that it offers TLS. */
const OFFERS_TLS = 0x800

/** MariaDB, and MySQL for a user with REQUIRE SSL, refuse a login without TLS like a wrong password. */
function loginError({ error, driver }: { error: Error; driver: Connection }): Error {
  const flags = 'serverCapabilityFlags' in driver ? Number(driver.serverCapabilityFlags) : 0
  if (!('errno' in error) || error.errno !== ACCESS_DENIED || (flags & OFFERS_TLS) === 0) return error
  error.message += '; if the server requires TLS, end LERNITO_DATABASE_URL with ?tls=verify'
  return error
}

const streamOf = (driver: Connection): unknown => ('stream' in driver ? driver.stream : undefined)
