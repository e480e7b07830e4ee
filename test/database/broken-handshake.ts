import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { sql } from 'kysely'
import { createPool } from 'mysql2'
import { openDatabase } from '../../src/database/database.ts'
import { startHandshakeProxy } from './handshake-proxy.ts'

/**
 * Connects over TLS to the database at TEST_PORT and cuts the socket in the middle of the handshake, as a pool must do at
 * its end if the server hangs. The argument says whose pool it is. The process ends by itself if it survives.
 */
const ends: (() => void)[] = []
const { port, set } = await startHandshakeProxy({ after: (end) => ends.push(end) }, Number(process.env.TEST_PORT))
const ca = readFileSync(process.env.TEST_CA ?? '', 'utf8')
const failed = (): void => {
  process.stdout.write('the statement failed\n')
  for (const end of ends) end()
}
/** The server's greeting passes, and of what follows nothing: the client waits in its handshake. */
const holdThen = (cut: () => void): void => set({ direction: 'up', after: 36, how: 'hold', onHold: cut })

if (process.argv[2] === 'ours') {
  const database = openDatabase({ url: `mysql://u:p@localhost:${port}/lernito?tls=verify`, ca, serve: false })
  holdThen(() => void database.close())
  sql`select 1`.execute(database.db).catch(failed)
} else {
  const sockets: Socket[] = []
  holdThen(() => sockets[0]?.destroy())
  const stream = (): Socket => {
    const socket = connect(port, '127.0.0.1')
    sockets.push(socket)
    return socket
  }
  createPool({ host: 'localhost', user: 'u', password: 'p', ssl: { ca }, stream }).query('select 1', failed)
}
