import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import { purgeStep } from '../../src/queue/retention.ts'
import { claimIds, claimNow, submit } from './claiming.ts'
import {
  accepted,
  arrival,
  DEADLINE,
  deadline,
  only,
  pruneAlone,
  type Replica,
  retry,
  START,
  settled,
  setUp,
  succeeded,
  timeline,
} from './harness.ts'

/** Several replicas at the same time, which SQLite can't have; mariadb.slow.test.ts runs these. */

const quick = { timeout: 30_000 }

/** Prunes a replica as another one does after a long pause. */
async function giveUp(lost: Replica, by: Replica): Promise<void> {
  const { me, beat, rejoin } = lost.replicas
  await pruneAlone(by, me())
  assert.equal(await beat(), false)
  await rejoin()
}

test('what a command or another replica has stored is claimed', quick, async (t) => {
  const bench = await setUp(t)
  const taking = claimIds(bench)
  const id = await submit(await bench.replica('replica-2'), 'a@x.example')
  assert.deepEqual(await taking, [id])
})

test('the same webhook at two replicas is one delivery, and both senders get its answer', quick, async (t) => {
  const bench = await setUp(t)
  const other = await bench.replica('replica-2')
  const [here, there] = [bench, other].map(({ inbox }) => inbox.submit(arrival(), deadline()))
  const claimed = new AbortController()
  const claims = [bench, other].map((replica) => claimIds(replica, 10, claimed.signal).then(() => replica))
  const worker = await Promise.race(claims)
  claimed.abort()
  await Promise.all(claims) // a claim that goes on waiting would take the next attempt, which nobody then settles
  const { id } = only(await bench.db.selectFrom('deliveries').select('id').execute())
  await worker.inbox.beginAttempt([id])
  while ((await bench.rows('events')).length < 2) await delay(10) // a repeat after the settlement would start another attempt
  await worker.inbox.settle([succeeded(id)])
  // The attempt may have begun before the second webhook, which then gets the answer of the next attempt.
  for (const next of [bench, other]) {
    next.inbox.release([id])
    if ((await claimNow(next)).length > 0) await next.inbox.settle([succeeded(id, 'enrolled', 1)])
  }
  for (const answer of await Promise.all([here, there])) {
    assert.equal(answer?.id, id)
    assert.equal(answer?.progress?.state, 'enrolled')
  }
  assert.deepEqual((await timeline(bench, id)).slice(0, 3).sort(), ['enrolled', 'received', 'repeated'])
})

test(
  'a sender waits for another replica’s next attempt before the deadline, and gets its answer at once if that is later',
  quick,
  async (t) => {
    const bench = await setUp(t)
    const other = await bench.replica('replica-2')
    const id = await submit(other, 'a@x.example')
    const answered = bench.inbox.submit(arrival({ email: 'a@x.example' }), deadline())
    let told = false
    void answered.then(() => {
      told = true
    })
    while ((await bench.row(id)).generation === 0) await delay(10)
    assert.deepEqual(await claimIds(other), [id])
    await other.inbox.settle([retry(id, START + 3000, 1, 1)])
    assert.deepEqual(await claimNow(other), []) // gives the database at least one turn
    assert.equal(told, false)
    bench.clock.at = START + 3000
    other.inbox.claimSoon()
    assert.deepEqual(await claimIds(other), [id])
    await other.inbox.settle([retry(id, DEADLINE + 3000, 2, 1)])
    assert.equal((await answered).progress?.dueAt, DEADLINE + 3000)
  },
)

test(
  'a sender that waits at a pruned replica gets the result of the replica that claimed the delivery',
  quick,
  async (t) => {
    const bench = await setUp(t)
    const other = await bench.replica('replica-2')
    const answered = bench.inbox.submit(arrival(), deadline())
    const id = only(await claimIds(bench))
    await bench.inbox.beginAttempt([id])
    await giveUp(bench, other)
    assert.deepEqual(await bench.inbox.mayContinue([id]), new Set())
    bench.clock.at += 1
    assert.deepEqual(await claimIds(other), [id])
    await other.inbox.settle([succeeded(id)])
    await bench.inbox.settle([retry(id, DEADLINE)])
    assert.equal((await answered).progress?.state, 'enrolled')
    assert.deepEqual(await timeline(bench, id), ['received', 'enrolled'])
  },
)

test('a repeat that another replica stores while a result is written is not answered by it', quick, async (t) => {
  const bench = await setUp(t)
  const other = await bench.replica('replica-2')
  const id = await submit(bench, 'a@x.example')
  let settling: Promise<unknown> = Promise.resolve()
  await other.db.transaction().execute(async (trx) => {
    await trx
      .updateTable('deliveries')
      .set((eb) => ({ generation: eb('generation', '+', 1) }))
      .execute()
    settling = bench.store.write([settled(succeeded(id))])
    while (!(await waitsForRow(other.db))) await delay(10) // it has read the row, and waits for its lock
  })
  await settling
  const { state, generation } = await bench.row(id)
  assert.deepEqual([state, generation], ['queued', 1])
})

/** Whether a connection of this user is in an update of deliveries, other than this one's question. */
async function waitsForRow(db: Replica['db']): Promise<boolean> {
  const { rows } = await sql`
    select info from information_schema.processlist where info like ${'update `deliveries`%'}`.execute(db)
  return rows.length > 0
}

test('a released delivery can be claimed again', quick, async (t) => {
  const bench = await setUp(t)
  const id = await submit(bench, 'a@x.example')
  assert.deepEqual(await claimIds(bench), [id])
  assert.deepEqual(await claimNow(bench), [])
  bench.inbox.release([id])
  assert.deepEqual(await claimIds(bench), [id])
})

test('a deadlock with another replica does not keep retention from deleting', quick, async (t) => {
  const { db, store, context, rows } = await setUp(t)
  const sales = await store.write(['a', 'b'].map((name) => accepted(arrival({ email: `${name}@x.example` }))))
  await store.write(sales.map(({ id }) => settled(succeeded(id))))
  const [first = '', last = ''] = sales.map(({ id }) => id).sort()
  const purged = await db.transaction().execute(async (trx) => {
    const lock = (id: string) => trx.updateTable('deliveries').set({ attempts: 0 }).where('id', '=', id).execute()
    // The server gives up the transaction that has written less.
    const written = Array.from({ length: 100 }, (_, i) => ({ name: `round-${i}`, came_to: 0 }))
    await trx.insertInto('rounds').values(written).execute()
    await lock(last)
    const purging = purgeStep({ ...context, before: START + 1 })
    const free = db.selectFrom('deliveries').select('id').where('id', '=', first).forUpdate().skipLocked()
    while ((await free.execute()).length > 0) await delay(10)
    await lock(first)
    return { purging }
  })
  assert.equal(await purged.purging, 2)
  assert.deepEqual(await rows('deliveries'), [])
})
