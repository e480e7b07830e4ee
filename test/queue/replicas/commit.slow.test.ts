import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Transaction } from 'kysely'
import { openDatabase } from '../../../src/database/database.ts'
import { migrate } from '../../../src/database/migrations/migrations.ts'
import type { Tables } from '../../../src/database/schema.ts'
import { withLines } from '../../../src/queue/lines.ts'
import { personOf, toDelivery } from '../../../src/queue/rows.ts'
import type { Store } from '../../../src/queue/store.ts'
import { onMariaDb } from '../../mariadb.ts'
import { until } from '../../service/process.ts'
import {
  accepted,
  arrival,
  joined,
  only,
  pruneAlone,
  rejectedArrival,
  settled,
  succeeded,
  timeline,
} from '../harness.ts'
import { startProxy } from './proxy.ts'

/** Without MariaDB this file has no tests; test/queue/mariadb.slow.test.ts reports that. */
await onMariaDb('connections lost in a commit', (server) => {
  const now = (): number => Date.UTC(2026, 0, 31, 12)

  for (const when of ['before', 'after'] as const) {
    const name = when === 'before' ? 'it took effect' : 'its answer came back'
    test(`a connection lost in a commit before ${name}: nothing is lost or stored twice`, async (t) => {
      const { url, remove } = await server.newDatabase()
      const proxy = await startProxy({ t, port: server.port })
      const database = openDatabase({ url: url.replace(`:${server.port}/`, `:${proxy.port}/`), serve: false })
      t.after(async () => {
        await database.close()
        await remove()
      })
      await migrate({ database, now })
      const { db } = database
      const { store } = await joined({ database, me: 'replica-1', now })

      proxy.loseCommit(when)
      const [one, other] = await store.write([accepted(arrival()), accepted({ ...rejectedArrival(), digest: 'other' })])
      assert(one && other)
      assert.equal(proxy.lost(), 1)
      assert.deepEqual(
        one.events.map(({ kind }) => kind),
        ['received'],
      )
      assert.deepEqual(await timeline({ db }, one.id), ['received'])
      assert.deepEqual(await timeline({ db }, other.id), ['received', 'rejected'])

      await begin(store, one.id)
      proxy.loseCommit(when)
      const result = only(await store.write([settled(succeeded(one.id))]))
      assert.equal(proxy.lost(), 2)
      assert.equal(result.progress.state, 'enrolled')
      assert.equal(only(result.events).kind, 'enrolled')
      assert.deepEqual(await timeline({ db }, one.id), ['received', 'enrolled'])

      proxy.loseCommit(when)
      const again = only(await store.write([accepted(arrival())]))
      assert.equal(proxy.lost(), 3)
      assert.equal(again.id, one.id)
      assert.deepEqual(await timeline({ db }, one.id), ['received', 'enrolled', 'repeated'])
      assert.equal((await db.selectFrom('events').select('id').execute()).length, 5)
    })
  }

  async function begin(store: Store, id: string): Promise<void> {
    const deliveries = await store.readClaimed([id])
    assert.deepEqual(await store.beginAttempt(deliveries), new Set([id]))
  }

  /** Waits until a transaction waits for a row that another one has locked. */
  const untilLocked = (): Promise<true> =>
    until('the lock', async () => {
      await delay(120) // MariaDB refreshes this list only after 100 ms without a read
      const rows = await server.administer("select 1 from information_schema.innodb_trx where trx_state = 'LOCK WAIT'")
      return (Array.isArray(rows) && rows.length > 0) || undefined
    })

  /** A migrated database with a replica, and a second connection that can block it. */
  async function setUp(t: TestContext) {
    const { url, remove } = await server.newDatabase()
    const [database, rival] = [openDatabase({ url, serve: true }), openDatabase({ url, serve: true })]
    t.after(async () => {
      await Promise.all([database.close(), rival.close()])
      await remove()
    })
    await migrate({ database, now })
    const { store } = await joined({ database, me: 'replica-1', now })
    return { db: database.db, store, rival: rival.db }
  }

  test('a transaction is retried after a deadlock, and nothing is stored twice', async (t) => {
    const { db, store, rival } = await setUp(t)
    const stored = await store.write([1, 2].map((order) => accepted(arrival({ email: `p${order}@x.example` }))))
    const [first = '', second = ''] = stored.map(({ id }) => id)
    for (const id of [first, second]) await begin(store, id)
    const lock = (trx: Transaction<Tables>, id: string) =>
      trx.updateTable('deliveries').set({ attempts: 7 }).where('id', '=', id).execute()
    const settling = await rival.transaction().execute(async (trx) => {
      const ballast = Array.from({ length: 100 }, (_, i) => ({ replay_id: 'R', delivery_id: `${i}` }))
      await trx.insertInto('replayed_deliveries').values(ballast).execute() // makes the other transaction the victim
      await lock(trx, second)
      const settling = store.write([first, second].map((id) => settled(succeeded(id))))
      await untilLocked()
      await lock(trx, first)
      return { settling } // in an object, because a bare promise would be awaited here
    })
    const written = await settling.settling
    assert.deepEqual(
      written.map(({ events }) => events.length),
      [1, 1],
    )
    for (const id of [first, second]) assert.deepEqual(await timeline({ db }, id), ['received', 'enrolled'])
  })

  test('a webhook that another replica is storing at the same time is a repeat, even in a group with other writes', async (t) => {
    const { db, store, rival } = await setUp(t)
    const { id } = only(await store.write([accepted(arrival())]))
    await begin(store, id)
    const row = await db.selectFrom('deliveries').selectAll().executeTakeFirstOrThrow()
    const twin = arrival({ order: 2 })
    const writing = await rival.transaction().execute(async (trx) => {
      await trx
        .insertInto('deliveries')
        .values({ ...row, id: 'theirs', digest: twin.digest })
        .execute()
      const writing = store.write([settled(succeeded(id)), accepted(twin)])
      await untilLocked()
      return { writing }
    })
    const [, repeat] = await writing.writing
    assert.deepEqual([repeat?.id, repeat?.events.map(({ kind }) => kind)], ['theirs', ['repeated']])
  })

  test('a replica that is paused in a transaction loses its locks, so that others attempt what it left', async (t) => {
    const { url, remove } = await server.newDatabase()
    const paused = openDatabase({ url, serve: true, idleTimeoutMs: 1000 })
    const living = openDatabase({ url, serve: true })
    await migrate({ database: paused, now })
    const dead = await joined({ database: paused, me: 'dead', now })
    const other = await joined({ database: living, me: 'living', now })
    const { id } = only(await dead.store.write([accepted(arrival())]))
    const sleeping = Promise.withResolvers<void>()
    const asleep = Promise.withResolvers<void>()
    const transaction = paused.db.transaction().execute(async (trx) => {
      await trx.updateTable('deliveries').set({ attempts: 1 }).execute()
      asleep.resolve()
      await sleeping.promise
    })
    t.after(async () => {
      await Promise.all([paused.close(), living.close()])
      await remove()
    })
    await asleep.promise
    assert.equal(await pruneAlone(other, 'dead'), 1)
    await begin(other.store, id)
    sleeping.resolve()
    await assert.rejects(transaction)
  })

  test('closing leaves no connection open, even if the server hangs', async (t) => {
    const { url, remove } = await server.newDatabase()
    const proxy = await startProxy({ t, port: server.port })
    const database = openDatabase({ url: url.replace(`:${server.port}/`, `:${proxy.port}/`), serve: false })
    t.after(async () => {
      server.signal('SIGCONT')
      await remove()
    })
    await migrate({ database, now })
    assert.ok(proxy.isUsed())
    server.signal('SIGSTOP')
    await database.close()
    await until('the end of the connections', async () => !proxy.isUsed() || undefined)
  })

  test('replicas that write the same rows in different orders all succeed', { timeout: 120_000 }, async (t) => {
    const { url, remove } = await server.newDatabase()
    const databases = [1, 2, 3].map(() => openDatabase({ url, serve: false }))
    t.after(async () => {
      await Promise.all(databases.map(({ close }) => close()))
      await remove()
    })
    const [first] = databases
    assert(first)
    await migrate({ database: first, now })
    const replicas = await Promise.all(
      databases.map((database, i) => joined({ database, me: `replica-${i + 1}`, now })),
    )
    const numbers = Array.from({ length: 60 }, (_, i) => i)
    for (let round = 0; round < 10; round++) {
      const written = await Promise.all(
        replicas.map(({ store }, i) =>
          store.write(numbers.map((n) => accepted(arrival({ email: `p${(n * (7 + i)) % 60}@x.example` })))),
        ),
      )
      assert.equal(new Set(written.flat().map(({ id }) => id)).size, 60)
      const rows = await first.db.selectFrom('deliveries').selectAll().execute()
      await Promise.all(
        replicas.map(async ({ store }) => {
          const begun =
            round % 2 === 0 ? await store.beginAttempt((await withLines(first.db, rows)).map(toDelivery)) : new Set()
          return store.write(
            rows.map((row) =>
              begun.has(row.id)
                ? ({ kind: 'settle', settlement: succeeded(row.id), person: personOf(row) } as const)
                : accepted(arrival({ email: 'p1@x.example' })),
            ),
          )
        }),
      )
    }
    assert.equal((await first.db.selectFrom('events').select('id').where('kind', '=', 'received').execute()).length, 60)
  })
})
