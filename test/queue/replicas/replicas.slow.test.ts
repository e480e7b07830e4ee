import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { begin, claimIds, claimNow } from '../claiming.ts'
import {
  accepted,
  arrival,
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
  watchAMinute,
} from '../harness.ts'

const store = async ({ store }: Replica, emails: readonly string[]): Promise<string[]> => {
  const written = await store.write(emails.map((email) => accepted(arrival({ email }))))
  return written.map(({ id }) => id)
}
const holds = async ({ db }: Replica): Promise<string[][]> =>
  (await db.selectFrom('holds').selectAll().orderBy('name').execute()).map(({ name, replica }) => [name, replica])
const names = async ({ db }: Replica): Promise<string[]> =>
  (await db.selectFrom('replicas').select('id').orderBy('id').execute()).map(({ id }) => id)

test('replicas whose heartbeat changes are counted, and those whose heartbeat stays the same for long are dead', async (t) => {
  const bench = await setUp(t)
  const other = await bench.replica('replica-2')
  assert.deepEqual(await bench.replicas.findDead(), [])
  assert.equal(bench.replicas.liveCount(), 2)
  assert.deepEqual(
    (await watchAMinute(bench)).map(({ id }) => id),
    ['replica-2'],
  )
  assert.equal(bench.replicas.liveCount(), 1)
  assert.equal(await other.replicas.beat(), true)
  assert.deepEqual(await bench.replicas.findDead(), [])
})

for (const [way, ms] of [
  ['forward', -86_400_000],
  ['back', 86_400_000],
] as const) {
  test(`a step of the database’s clock ${way} makes nobody look dead`, async (t) => {
    const bench = await setUp(t)
    const other = await bench.replica('replica-2')
    for (let looks = 0; looks < 10; looks++) {
      await other.replicas.beat()
      await bench.db
        .updateTable('replicas')
        .set((eb) => ({ seen_at: eb('seen_at', '+', ms * (looks + 1)) })) // how old it is by a clock that was set since
        .execute()
      assert.deepEqual(await bench.replicas.findDead(), [])
      bench.monotonic.at += 29_000
    }
    assert.equal(bench.replicas.liveCount(), 2)
  })
}

test('a replica that could not look for a time prunes nobody for that time, in which the others may have stood still too', async (t) => {
  const bench = await setUp(t)
  await bench.replica('replica-2')
  await bench.replicas.findDead()
  bench.monotonic.at += 600_000
  assert.deepEqual(await bench.replicas.findDead(), [])
  bench.monotonic.at += 29_000
  assert.deepEqual(await bench.replicas.findDead(), [])
})

test('a replica that finds itself pruned cuts its calls in flight, and may call again as soon as it has joined', async (t) => {
  const bench = await setUp(t)
  const other = await bench.replica('replica-2')
  const { lease, rejoin } = bench.replicas
  lease.extend(bench.monotonic.at)
  const call = lease.signal()
  await other.db.deleteFrom('replicas').where('id', '=', 'replica-1').execute()
  const rejoined = rejoin()
  assert.equal(call.aborted, true)
  assert.throws(() => lease.signal(), /another one may have taken over its deliveries/)
  lease.extend(bench.monotonic.at - 1) // a heartbeat that was sent before, and is confirmed only now
  assert.throws(() => lease.signal(), /another one may have taken over its deliveries/)
  await rejoined
  assert.equal(lease.signal().aborted, false)
})

test('pruning a dead replica leaves the holds of its attempts to nobody, because the LMS may still carry out a call', async (t) => {
  const bench = await setUp(t)
  const dead = await bench.replica('dead')
  const [begun = ''] = await store(dead, ['a@x.example', 'b@x.example'])
  const [mine = ''] = await store(bench, ['c@x.example'])
  await begin(dead, begun)
  await begin(bench, mine)
  assert.equal(await pruneAlone(bench, 'dead'), 1)
  assert.deepEqual(await names(bench), ['replica-1'])
  assert.deepEqual(await holds(bench), [
    ['a@x.example', ''],
    ['c@x.example', 'replica-1'],
  ])
})

test('a replica that has sent a heartbeat since is not pruned', async (t) => {
  const bench = await setUp(t)
  const slow = await bench.replica('slow')
  const dead = await watchAMinute(bench)
  assert.equal(dead.length, 1)
  assert.equal(await slow.replicas.beat(), true)
  await bench.replicas.prune(dead)
  assert.equal(await slow.replicas.beat(), true)
})

test('a replica that leaves ends its holds at once, but for those of attempts, whose calls may land', async (t) => {
  const bench = await setUp(t)
  const [id = ''] = await store(bench, ['a@x.example'])
  await begin(bench, id)
  await bench.replicas.lead()
  await bench.replicas.leave()
  assert.deepEqual([await holds(bench), await names(bench)], [[['a@x.example', '']], []])
})

test('a hold that memory does not know is ended by the next heartbeat, and one that it knows is not', async (t) => {
  const bench = await setUp(t)
  const [id = ''] = await store(bench, ['a@x.example'])
  await begin(bench, id)
  await bench.db.insertInto('holds').values({ name: 'unconfirmed@x.example', replica: 'replica-1' }).execute()
  assert.equal(await bench.replicas.holds.sweep(), 1)
  assert.deepEqual(await holds(bench), [['a@x.example', 'replica-1']])
})

test('a result of a pruned replica changes nothing, even if it has joined again', async (t) => {
  const bench = await setUp(t)
  const other = await bench.replica('replica-2')
  const [id = ''] = await store(bench, ['a@x.example'])
  await begin(bench, id)
  await pruneAlone(other, 'replica-1')
  await bench.replicas.rejoin()
  const written = only(await bench.store.write([settled(succeeded(id))]))
  assert.deepEqual([written.events, written.progress.state], [[], 'queued'])
  assert.equal((await bench.row(id)).state, 'queued')
})

test('a late result answers with the progress that other replicas have stored', async (t) => {
  const bench = await setUp(t)
  const other = await bench.replica('replica-2')
  const [id = ''] = await store(bench, ['a@x.example'])
  await begin(bench, id)
  await pruneAlone(other, 'replica-1')
  bench.clock.at += 1
  await other.store.write([settled(succeeded(id, 'allowed'))])
  const { events, progress } = only(await bench.store.write([settled(retry(id, START + 5000))]))
  assert.deepEqual(events, [])
  assert.deepEqual(progress, {
    state: 'pre_enrolled',
    reason: null,
    dueAt: null,
    generation: 0,
  })
  assert.deepEqual(await timeline(bench, id), ['received', 'pre_enrolled'])
})

test('one replica leads; after it was pruned or has left, another one does', async (t) => {
  const bench = await setUp(t)
  const other = await bench.replica('replica-2')
  const beats = async (): Promise<boolean[]> => {
    for (const { replicas } of [bench, other]) {
      replicas.lease.extend(bench.monotonic.at)
      await replicas.lead()
    }
    return [bench.replicas.isLeader(), other.replicas.isLeader()]
  }
  assert.deepEqual(await beats(), [true, false])
  assert.deepEqual(await beats(), [true, false])
  await pruneAlone(other, 'replica-1')
  assert.equal(bench.replicas.isLeader(), false, 'its lease has ended by then')
  await bench.replicas.rejoin()
  assert.equal(bench.replicas.isLeader(), false)
  await other.replicas.lead()
  assert.deepEqual(await beats(), [false, true])
  await other.replicas.leave()
  assert.deepEqual((await beats())[0], true)
})

/** Two replicas that know of each other, and what one of them has stored for 150 people. */
async function twoReplicas(t: TestContext) {
  const bench = await setUp(t)
  const other = await bench.replica('replica-2')
  for (const { replicas } of [bench, other]) await replicas.findDead()
  const ids = await store(
    bench,
    Array.from({ length: 150 }, (_, i) => `p${i}@x.example`),
  )
  return { bench, other, ids }
}

test('of what no sender waits for, several replicas claim different people first, and then all that is left', async (t) => {
  const { bench, other, ids } = await twoReplicas(t)
  bench.clock.at += 2000
  const [here, there] = [await claimIds(bench, 50), await claimIds(other, 50)]
  assert.equal(new Set([...here, ...there]).size, 100)
  assert.deepEqual([...there, ...(await claimIds(other, 1000))].sort(), ids.sort())
})

test('what nobody waits for here is left for two seconds to the other replicas, where a sender may wait for it', async (t) => {
  const { bench, other, ids } = await twoReplicas(t)
  const answer = other.inbox.submit(arrival({ email: 'waits@x.example' }), deadline())
  assert.equal((await claimIds(other)).length, 1)
  bench.clock.at += 1999
  assert.deepEqual(await claimNow(bench), [])
  bench.clock.at += 1
  bench.inbox.claimSoon()
  assert.ok(ids.includes((await claimIds(bench, 1)).join()))
  other.inbox.close()
  assert.equal((await answer).progress, null)
})
