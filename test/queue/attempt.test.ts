import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { forget } from '../../src/operators/changes/forget.ts'
import { untilFree } from '../../src/queue/replicas/holds.ts'
import { factsIn } from '../lines.ts'
import { claimIds, claimNow, submit } from './claiming.ts'
import {
  accepted,
  arrival,
  needsAttention,
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

const by = 'alice'
const EMAIL = 'ada@x.example'
const quick = { timeout: 60_000 }
const LONG = 60_000

/** A delivery that this replica has claimed. */
async function claimed(bench: Replica): Promise<string> {
  const id = await submit(bench, EMAIL)
  assert.deepEqual(await claimNow(bench), [id])
  return id
}
const begin = ({ inbox }: Replica, id: string) => inbox.beginAttempt([id])
const effectOf = async ({ row }: Replica, id: string) => (await row(id)).effect_unknown

test('the effect of an attempt is unknown from its start until it is settled', async (t) => {
  const bench = await setUp(t)
  const id = await claimed(bench)
  assert.equal(await effectOf(bench, id), 0)
  assert.deepEqual(await begin(bench, id), new Set([id]))
  assert.equal(await effectOf(bench, id), 1)
  await bench.inbox.settle([retry(id, START)])
  assert.equal(await effectOf(bench, id), 0)
  assert.deepEqual(await claimNow(bench), [id])
  await begin(bench, id)
  await bench.inbox.settle([{ ...retry(id, START), effectUnknown: true }])
  assert.equal(await effectOf(bench, id), 1)
  assert.equal(only(await bench.store.readClaimed([id])).effectUnknown, true)
})

test('a delivery may have an effect for ever since an attempt with a call began, but not for a result without one', async (t) => {
  const bench = await setUp(t)
  const mayHave = async (id: string) => (await bench.row(id)).may_have_effect
  const id = await claimed(bench)
  await bench.inbox.settle([retry(id, START)])
  assert.equal(await mayHave(id), 0)
  assert.deepEqual(await claimNow(bench), [id])
  await begin(bench, id)
  assert.equal(await mayHave(id), 1)
  await bench.inbox.settle([needsAttention(id)])
  await bench.operations.replay({ ids: [id], by })
  assert.equal(await mayHave(id), 1)
})

test('no attempt begins on a delivery that was handled, sent again or claimed by another replica since it was claimed here', async (t) => {
  const bench = await setUp(t)
  const id = await claimed(bench)
  await bench.store.write([accepted(arrival({ email: EMAIL }))])
  assert.deepEqual(await begin(bench, id), new Set())
  assert.equal(await effectOf(bench, id), 0)
  await bench.operations.markHandled({ id, as: 'paid_back', note: 'refunded', by })
  assert.deepEqual(await begin(bench, id), new Set())
})

test('no attempt begins while the database cannot confirm the hold', async (t) => {
  const bench = await setUp(t)
  const away = await bench.replica('replica-2', (store) => ({
    ...store,
    beginAttempt: () => Promise.reject(new Error('no connection')),
  }))
  assert.deepEqual(await begin(away, 'any'), new Set())
})

test('the effect stays unknown when the shop sends again, and is reset when an operator replays', async (t) => {
  const bench = await setUp(t)
  const id = await claimed(bench)
  await begin(bench, id)
  await bench.store.write([accepted(arrival({ email: EMAIL }))])
  assert.equal(await effectOf(bench, id), 1)
  await bench.operations.markHandled({ id, as: 'settled', note: '', by })
  await bench.operations.replay({ ids: [id], by })
  assert.equal(await effectOf(bench, id), 0)
})

test(
  'an operator who marks a delivery as handled waits until its call has ended, and the result of that call is kept',
  quick,
  async (t) => {
    const bench = await setUp(t)
    const stop = new AbortController()
    t.after(() => stop.abort())
    const id = await claimed(bench)
    await begin(bench, id)
    await bench.operations.markHandled({ id, as: 'paid_back', note: 'refunded', by })
    assert.deepEqual(await bench.inbox.mayContinue([id]), new Set())
    const claiming = bench.inbox.claim(10, stop.signal) // releases what was stopped, as the worker does all the time
    let ended = false
    const released = untilFree(bench.db, { names: [EMAIL], silentMs: LONG }).then(() => {
      ended = true
    })
    await delay(700) // longer than the interval between two checks
    assert.equal(ended, false)
    await bench.inbox.settle([{ ...retry(id, START), outcome: succeeded(id).outcome }])
    await released
    const { courses } = await factsIn(bench.db, id)
    assert.deepEqual([(await bench.row(id)).state, courses], ['handled', succeeded(id).outcome.courses])
    stop.abort()
    await claiming
  },
)

test('an operator does not wait for a claimed delivery whose attempt has not begun', quick, async (t) => {
  const bench = await setUp(t)
  const id = await claimed(bench)
  await bench.operations.markHandled({ id, as: 'settled', note: '', by })
  await untilFree(bench.db, { names: [EMAIL], silentMs: LONG })
  assert.deepEqual(await begin(bench, id), new Set())
})

test('of two replicas that have claimed the same delivery, one begins, and the other not after it either', async (t) => {
  const bench = await setUp(t)
  const id = await claimed(bench)
  const other = await bench.replica('replica-2')
  assert.deepEqual(await claimNow(other), [id])
  assert.deepEqual(await begin(bench, id), new Set([id]))
  assert.deepEqual(await begin(other, id), new Set())
  bench.clock.at += 1
  await bench.inbox.settle([retry(id, bench.clock.at)])
  assert.deepEqual(await begin(other, id), new Set(), 'it was read before that attempt')
})

test('no attempt begins that was read before the one in which another replica died: the next one reads first', async (t) => {
  const bench = await setUp(t)
  const id = await claimed(bench)
  const other = await bench.replica('replica-2')
  assert.deepEqual(await claimNow(other), [id])
  assert.deepEqual(await begin(other, id), new Set([id]))
  await pruneAlone(bench, 'replica-2')
  assert.deepEqual(await begin(bench, id), new Set())
  assert.equal(only(await bench.store.readClaimed([id])).effectUnknown, true)
})

test('an attempt goes on only at the replica that has the hold of its buyer', async (t) => {
  const bench = await setUp(t)
  const id = await claimed(bench)
  await begin(bench, id)
  assert.deepEqual(await bench.inbox.mayContinue([id]), new Set([id]))
  const other = await bench.replica('replica-2')
  await pruneAlone(other, 'replica-1')
  const deliveries = await other.store.readClaimed([id])
  assert.deepEqual(await other.store.beginAttempt(deliveries), new Set([id]))
  assert.deepEqual(await bench.inbox.mayContinue([id]), new Set())
})

test('a person has one attempt at a time, over all replicas', async (t) => {
  const bench = await setUp(t)
  const id = await claimed(bench)
  const other = await bench.replica('replica-2')
  bench.clock.at -= 1 // so that the other replica claims this one first
  const second = await submit(other, EMAIL, 2)
  assert.deepEqual(await claimIds(other, 1), [second])
  await begin(bench, id)
  assert.deepEqual(await begin(other, second), new Set())
  await bench.inbox.settle([succeeded(id)])
  assert.deepEqual(await begin(other, second), new Set([second]))
})

test(
  'an operator does not wait for a replica that has been silent for so long that it may not call any more',
  quick,
  async (t) => {
    const bench = await setUp(t)
    const id = await claimed(bench)
    await begin(bench, id)
    await bench.operations.markHandled({ id, as: 'settled', note: '', by })
    await untilFree(bench.db, { names: [EMAIL], silentMs: 2000 })
  },
)

test(
  'an operator waits for a replica that sends heartbeats, however old they are by the database’s clock',
  quick,
  async (t) => {
    const bench = await setUp(t)
    const id = await claimed(bench)
    await begin(bench, id)
    await bench.operations.markHandled({ id, as: 'settled', note: '', by })
    let ended = false
    const released = untilFree(bench.db, { names: [EMAIL], silentMs: 2000 }).then(() => {
      ended = true
    })
    for (let beats = 0; beats < 26; beats++) {
      await bench.db
        .updateTable('replicas')
        .set((eb) => ({ seen_at: eb('seen_at', '-', 86_400_000) }))
        .execute()
      await delay(100)
    }
    assert.equal(ended, false)
    await bench.inbox.settle([retry(id, START)])
    await released
  },
)

test('a person is erased only after the call in flight has ended', quick, async (t) => {
  const bench = await setUp(t)
  const id = await claimed(bench)
  await begin(bench, id)
  const forgotten = forget(bench.context, { email: EMAIL, by, silentMs: LONG })
  while ((await bench.row(id)).state !== 'handled') await delay(10)
  await bench.inbox.settle([retry(id, START)])
  assert.equal((await forgotten).deliveries, 1)
  assert.deepEqual(await bench.rows('deliveries'), [])
})

test('a first success counts even if the shop sends again during its attempt, and the delivery stays queued', async (t) => {
  const bench = await setUp(t)
  const id = await claimed(bench)
  await begin(bench, id)
  await bench.store.write([accepted(arrival({ email: EMAIL }))])
  bench.clock.at += 500
  await bench.inbox.settle([succeeded(id)])
  const { state, done_at } = await bench.row(id)
  assert.deepEqual([state, done_at], ['queued', START + 500])
  assert.deepEqual((await factsIn(bench.db, id)).courses, {})
})

test('no attempt begins at a replica that is no member', async (t) => {
  const bench = await setUp(t)
  const id = await claimed(bench)
  await bench.db.deleteFrom('replicas').execute()
  assert.deepEqual(await begin(bench, id), new Set())
  assert.equal(await effectOf(bench, id), 0)
})

test('a result in one group with a repeat is judged by what an operator had done before: it is no result of the repeat', async (t) => {
  const bench = await setUp(t)
  const id = await claimed(bench)
  await begin(bench, id)
  await bench.operations.markHandled({ id, as: 'settled', note: '', by })
  await bench.store.write([accepted(arrival({ email: EMAIL })), settled(succeeded(id))])
  const { state, generation, done_at } = await bench.row(id)
  assert.deepEqual([state, generation, done_at], ['queued', 1, null])
  assert.equal(await effectOf(bench, id), 1)
  assert.deepEqual(await timeline(bench, id), ['received', 'settled', 'repeated'])
})

test('a replica that the others have pruned begins no attempt', async (t) => {
  const bench = await setUp(t)
  const id = await claimed(bench)
  const other = await bench.replica('replica-2')
  await pruneAlone(other, 'replica-1')
  assert.deepEqual(await begin(bench, id), new Set())
  assert.equal(await effectOf(bench, id), 0)
})
