import { mkdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { openDatabase } from '../../src/database/database.ts'
import type { Database } from '../../src/database/dialect.ts'
import { migrate } from '../../src/database/migrations/migrations.ts'
import type { Operations } from '../../src/operators/changes/operations.ts'
import { createOperations } from '../../src/operators/changes/operations.ts'
import { createReplicas } from '../../src/queue/replicas/replicas.ts'
import { createStore, type Store } from '../../src/queue/store.ts'
import { createIds } from '../../src/sale/ids.ts'
import type { MariaDb } from '../../test/mariadb.ts'
import { type Amount, deliveries } from './deliveries.ts'
import { fillMariaDb } from './mariadb.ts'
import { fillSqlite } from './sqlite.ts'

/** A database with many deliveries, and what reads and writes them. */
export interface FilledStore {
  readonly url: string
  readonly database: Database
  readonly store: Store
  readonly operations: Operations
  close(): Promise<void>
}

/** Fills a new SQLite file in `folder`. */
export async function filledSqlite({ folder, ...amount }: Amount & { folder: string }) {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'lernito.db')
  const url = `sqlite:${file}`
  await migrated(url)
  fillSqlite({ file, rows: deliveries(amount) })
  return { ...(await openFilled(url)), bytes: statSync(file).size, remove: () => rmSync(folder, { recursive: true }) }
}

/** Fills a new database of a MariaDB server. */
export async function filledMariaDb({ folder, mariaDb, ...amount }: Amount & { folder: string; mariaDb: MariaDb }) {
  mkdirSync(folder, { recursive: true })
  const { name, url } = mariaDb.newName()
  const { administer } = mariaDb
  await administer(`create database ${name}`)
  await migrated(url)
  await fillMariaDb({ name, administer, folder, rows: deliveries(amount) })
  rmSync(folder, { recursive: true })
  return openFilled(url)
}

/** Makes an empty database of today's schema. */
export async function migrated(url: string): Promise<void> {
  const database = openDatabase({ url, serve: false })
  await migrate({ database, now: Date.now })
  await database.close()
}

/** Opens a filled database. The deliveries that are due belong to this replica. */
async function openFilled(url: string): Promise<FilledStore> {
  const database = openDatabase({ url, serve: false })
  const now = Date.now
  const replicas = createReplicas({
    database,
    newName: () => 'bench-replica',
    deadAfterMs: 20_000,
    random: Math.random,
  })
  await replicas.join()
  const context = { database, now, newId: createIds({ now }), random: Math.random, hasOutbox: false, publish: () => {} }
  return {
    url,
    database,
    store: createStore({ ...context, replicas }),
    operations: createOperations({
      context,
      guard: (work) => work(),
    }),
    close: database.close,
  }
}
