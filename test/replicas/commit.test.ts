import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { sql } from 'kysely'
import { openDatabase } from '../../src/deliveries/database.ts'
import { migrate } from '../../src/deliveries/migrations.ts'
import {
  accepted,
  arrival,
  counters,
  joined,
  only,
  rejectedArrival,
  settled,
  succeeded,
  timeline,
} from '../deliveries/harness.ts'
import { hasMariaDb, startMariaDb } from '../mariadb.ts'
import { startProxy } from './proxy.ts'

/** A test/replicas file without MariaDB has no tests; test/deliveries/mariadb.test.ts says so. */
if (hasMariaDb()) {
  const server = await startMariaDb()
  after(server.remove)
  const now = (): number => Date.UTC(2026, 0, 31, 12)

  for (const when of ['before', 'after'] as const) {
    const name = when === 'before' ? 'it took effect' : 'its answer came back'
    test(`a connection lost in a commit, before ${name}: nothing is lost, nothing is doubled`, async (t) => {
      const { url, remove } = await server.newDatabase()
      const proxy = await startProxy({ t, port: server.port })
      const database = openDatabase({ url: url.replace(`:${server.port}/`, `:${proxy.port}/`), serve: false })
      t.after(async () => {
        await database.close()
        await remove()
      })
      await migrate({ database, now })
      const { store } = await joined({ database, me: 'replica-1', now })
      const { db } = database

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

      proxy.loseCommit(when)
      const result = only(await store.write([settled(succeeded(one.id))]))
      assert.equal(proxy.lost(), 2)
      assert.deepEqual(result.progress, succeeded(one.id))
      assert.equal(only(result.events).kind, 'succeeded')
      assert.deepEqual(await timeline({ db }, one.id), ['received', 'succeeded'])

      proxy.loseCommit(when)
      const again = only(await store.write([accepted(arrival())]))
      assert.equal(proxy.lost(), 3)
      assert.equal(again.id, one.id)
      assert.deepEqual(await timeline({ db }, one.id), ['received', 'succeeded', 'repeated'])
      assert.deepEqual(await counters({ db }), {
        '2026-01-31 received': 2,
        '2026-01-31 rejected': 1,
        '2026-01-31 repeated': 1,
        '2026-01-31 succeeded': 1,
      })
    })
  }

  test('a replica that is paused in a transaction does not keep its locks: it can be buried', async (t) => {
    const { url, remove } = await server.newDatabase()
    const paused = openDatabase({ url, serve: true, silentMs: 1000 })
    const living = openDatabase({ url, serve: true })
    await migrate({ database: paused, now })
    const dead = await joined({ database: paused, me: 'dead', now })
    const { replicas } = await joined({ database: living, me: 'living', now })
    await dead.store.write([accepted(arrival())])
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
    await living.db.updateTable('replicas').set({ seen_at: 0 }).where('id', '=', 'dead').execute()
    assert.equal(await replicas.bury(['dead']), 1)
    sleeping.resolve()
    await assert.rejects(transaction)
  })

  test('replicas that write the same rows in other orders all get through', { timeout: 30_000 }, async (t) => {
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
      const rows = await first.db.selectFrom('deliveries').select(['id', 'owner']).execute()
      await Promise.all(
        replicas.map(({ store }, i) =>
          store.write(
            rows.flatMap(({ id, owner }) =>
              owner === `replica-${i + 1}` && round % 2 === 0
                ? [{ kind: 'settle', settlement: succeeded(id), owner } as const]
                : [accepted(arrival({ email: 'p1@x.example' }))],
            ),
          ),
        ),
      )
    }
    assert.equal((await counters(first))['2026-01-31 received'], 60)
    const { rows } = await sql<{ n: number }>`select count(*) as n from events`.execute(first.db)
    const sum = Object.values(await counters(first)).reduce((a, b) => a + b, 0)
    assert.equal(Number(only(rows).n), sum)
  })
}
