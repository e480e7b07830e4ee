import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  accepted,
  arrival,
  only,
  onSqlite,
  pruneAlone,
  type Replica,
  retry,
  START,
  settledBy,
  setUp,
  succeeded,
  timeline,
  watchAMinute,
} from '../harness.ts'

const store = async ({ store }: Replica, emails: readonly string[]): Promise<string[]> => {
  const written = await store.write(emails.map((email) => accepted(arrival({ email }))))
  return written.map(({ id }) => id)
}
const owners = async ({ db }: Replica): Promise<(string | null)[]> =>
  (await db.selectFrom('deliveries').select('owner').execute()).map(({ owner }) => owner)
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
  assert.equal(await other.replicas.beat(), 'replica-2')
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
  const rejoined = rejoin('replica-1')
  assert.equal(call.aborted, true)
  assert.throws(() => lease.signal(), /another one may have its deliveries/)
  lease.extend(bench.monotonic.at - 1) // a heartbeat that was sent before, and is confirmed only now
  assert.throws(() => lease.signal(), /another one may have its deliveries/)
  await rejoined
  assert.equal(lease.signal().aborted, false)
})

test('pruning a dead replica releases its unfinished deliveries and nothing else', async (t) => {
  const bench = await setUp(t)
  const dead = await bench.replica('dead')
  const [done = '', late = '', due = ''] = await store(dead, ['a@x.example', 'b@x.example', 'c@x.example'])
  await dead.store.write([succeeded(done), retry(late, START + 60_000)].map((one) => settledBy('dead', one)))
  const [mine = ''] = await store(bench, ['d@x.example'])
  const silent = await watchAMinute(bench)
  assert.equal(await bench.replicas.prune(silent), 2)
  assert.equal(await bench.replicas.prune(silent), 0)
  assert.deepEqual(await names(bench), ['replica-1'])
  const states = await Promise.all([done, late, due, mine].map(bench.row))
  assert.deepEqual(
    states.map(({ owner, state }) => [owner, state]),
    [
      [null, 'enrolled'],
      [null, 'queued'],
      [null, 'queued'],
      ['replica-1', 'queued'],
    ],
  )
})

test('a replica that has sent a heartbeat since is not pruned', async (t) => {
  const bench = await setUp(t)
  const slow = await bench.replica('slow')
  const dead = await watchAMinute(bench)
  assert.equal(dead.length, 1)
  assert.equal(await slow.replicas.beat(), 'slow')
  await bench.replicas.prune(dead)
  assert.equal(await slow.replicas.beat(), 'slow')
})

test('thousands of deliveries of a dead replica are released in steps', async (t) => {
  const bench = await setUp(t)
  const dead = await bench.replica('dead')
  for (let from = 0; from < 2400; from += 200) {
    await store(
      dead,
      Array.from({ length: 200 }, (_, i) => `p${from + i}@x.example`),
    )
  }
  assert.equal(await pruneAlone(bench, 'dead'), 2400)
  assert.deepEqual(new Set(await owners(bench)), new Set([null]))
})

test('a replica that leaves releases its rows at once', async (t) => {
  const bench = await setUp(t)
  await store(bench, ['a@x.example'])
  await bench.replicas.leave()
  assert.deepEqual([await owners(bench), await names(bench)], [[null], []])
})

test('a delivery that a pruned replica accepts belongs to its new name', async (t) => {
  const bench = await setUp(t)
  const other = await bench.replica('replica-2')
  await pruneAlone(other, 'replica-1')
  const [id = ''] = await store(bench, ['a@x.example'])
  assert.equal(bench.replicas.me(), 'replica-1-2')
  assert.equal((await bench.row(id)).owner, 'replica-1-2')
  assert.deepEqual(await timeline(bench, id), ['received'])
  assert.deepEqual(await names(bench), ['replica-1-2', 'replica-2'])
})

test('a result of a pruned replica changes nothing, even if it owns the row again', async (t) => {
  const bench = await setUp(t)
  const other = await bench.replica('replica-2')
  const [id = ''] = await store(bench, ['a@x.example'])
  await pruneAlone(other, 'replica-1')
  await bench.replicas.rejoin('replica-1')
  await bench.store.claimOrphans(10)
  assert.equal((await bench.row(id)).owner, 'replica-1-2')
  const written = only(await bench.store.write([settledBy('replica-1', succeeded(id))]))
  assert.deepEqual([written.events, written.progress.state], [[], 'queued'])
  assert.equal((await bench.row(id)).state, 'queued')
})

test('a late result answers with the progress that other replicas have stored', async (t) => {
  const bench = await setUp(t)
  const other = await bench.replica('replica-2')
  const [id = ''] = await store(bench, ['a@x.example'])
  await pruneAlone(other, 'replica-1')
  await other.store.claimOrphans(10)
  bench.clock.at += 1
  await other.store.write([settledBy('replica-2', succeeded(id, 'allowed'))])
  const { events, progress } = only(await bench.store.write([settledBy('replica-1', retry(id, START + 5000))]))
  assert.deepEqual(events, [])
  assert.deepEqual(progress, {
    state: 'enrolled',
    outcome: succeeded(id, 'allowed').outcome,
    dueAt: null,
    generation: 0,
  })
  assert.deepEqual(await timeline(bench, id), ['received', 'enrolled'])
})

test('concurrent rejoins happen once', async (t) => {
  const bench = await setUp(t)
  await Promise.all([bench.replicas.rejoin('replica-1'), bench.replicas.rejoin('replica-1')])
  await bench.replicas.rejoin('replica-1')
  assert.equal(bench.replicas.me(), 'replica-1-2')
})

test('each orphan goes to one replica, oldest first, and only when it is due', async (t) => {
  const bench = await setUp(t)
  const other = await bench.replica('replica-2')
  const ids: string[] = []
  for (let i = 0; i < 6; i++) {
    bench.clock.at = START + i
    ids.push(...(await store(bench, [`p${i}@x.example`])))
  }
  const [late = ''] = await store(bench, ['late@x.example'])
  await bench.store.write([settledBy('replica-1', retry(late, START + 1000))])
  await bench.db.updateTable('deliveries').set({ owner: null }).execute()
  await bench.store.claimOrphans(2)
  assert.deepEqual(
    (await bench.store.due({ limit: 10 })).map(({ id }) => id),
    ids.slice(0, 2),
  )
  for (let round = 0; round < 3; round++) {
    const first = bench.store.claimOrphans(10)
    if (onSqlite()) await first // two at the same time in one process would wait for each other
    await Promise.all([first, other.store.claimOrphans(10)])
  }
  const shared = [...(await bench.store.due({ limit: 10 })), ...(await other.store.due({ limit: 10 }))]
  assert.deepEqual(shared.map(({ id }) => id).sort(), ids)
  assert.equal((await bench.row(late)).owner, null)
})

const dueOf = async ({ store }: Replica): Promise<string[]> => (await store.due({ limit: 500 })).map(({ id }) => id)

test('survivors share the orphans of a dead replica: each claims its share, and more as soon as it has finished that', async (t) => {
  const bench = await setUp(t)
  const dead = await bench.replica('dead')
  const other = await bench.replica('replica-2')
  await store(
    dead,
    Array.from({ length: 150 }, (_, i) => `p${i}@x.example`),
  )
  await pruneAlone(bench, 'dead')
  await other.replicas.beat()
  await bench.replicas.findDead()
  await other.replicas.findDead()
  for (let round = 0; round < 10; round++) {
    await bench.store.claimOrphans(1000)
    if (round > 0) await other.store.claimOrphans(1000)
  }
  assert.equal((await dueOf(bench)).length, 75)
  assert.ok((await dueOf(other)).length >= 37, `the other has ${(await dueOf(other)).length}`)

  const settleSome = async (one: Replica): Promise<number> => {
    const ids = (await dueOf(one)).slice(0, 5)
    await one.store.write(ids.map((id) => settledBy(one.me, succeeded(id))))
    await one.store.claimOrphans(1000)
    return ids.length
  }
  const done = [0, 0]
  for (let round = 0; round < 40; round++) {
    done[0] = (done[0] ?? 0) + (await settleSome(bench))
    done[1] = (done[1] ?? 0) + (await settleSome(other))
  }
  assert.equal((done[0] ?? 0) + (done[1] ?? 0), 150)
  assert.ok(Math.min(...done) >= 70, `at the same pace both are busy to the end: ${done}`)
})

test('the only replica claims all orphans', async (t) => {
  const bench = await setUp(t)
  await store(bench, ['a@x.example', 'b@x.example', 'c@x.example'])
  await bench.db.updateTable('deliveries').set({ owner: null }).execute()
  await bench.store.claimOrphans(2)
  await bench.store.claimOrphans(10)
  assert.equal((await dueOf(bench)).length, 3)
})
