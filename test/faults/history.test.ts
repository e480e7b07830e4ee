import { join } from 'node:path'
import { test } from 'node:test'
import { NO_MARIADB, startMariaDb } from '../mariadb.ts'
import { createDatabaseClock } from './history/database-clock.ts'
import { runHistory } from './history/run.ts'

/**
 * More than the default of 110, with which the remaining work at the end takes minutes, because each start begins with
 * an empty call budget.
 */
const CALLS_PER_MINUTE = 330
const timeout = 900_000 + Number(process.env.HISTORY_SECONDS ?? 0) * 2000

test('in a random history on SQLite, every buyer is enrolled, no refunded buyer stays or comes back, and nobody else is touched', {
  timeout,
}, async (t) => {
  const database = async (folder: string) => {
    return { url: `sqlite:${join(folder, 'lernito.db')}`, mariadbPort: null, clock: null }
  }
  await runHistory({ t, title: 'history on SQLite', replicas: 1, callsPerMinute: CALLS_PER_MINUTE, database })
})

test('in a random history on three replicas with MariaDB, the same rules hold', {
  timeout,
  skip: NO_MARIADB,
}, async (t) => {
  const mariadb = await startMariaDb()
  t.after(mariadb.remove)
  const { url } = await mariadb.newDatabase()
  const clock = await createDatabaseClock(mariadb)
  await runHistory({
    t,
    title: 'history on 3 replicas, MariaDB',
    replicas: 3,
    callsPerMinute: CALLS_PER_MINUTE,
    database: async () => ({ url, mariadbPort: mariadb.port, clock }),
  })
})
