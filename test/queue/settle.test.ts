import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  accepted,
  arrival,
  needsAttention,
  only,
  type Replica,
  retry,
  START,
  settled,
  settledBy,
  setUp,
  succeeded,
  timeline,
} from './harness.ts'

const accept = async ({ store }: Replica, emails: readonly string[]): Promise<string[]> => {
  const stored = await store.write(emails.map((email) => accepted(arrival({ email }))))
  return stored.map(({ id }) => id)
}

test('a final result settles the delivery and clears its owner', async (t) => {
  const bench = await setUp(t)
  const [one = '', two = ''] = await accept(bench, ['a@x.example', 'b@x.example'])
  bench.clock.at += 500
  const results = [{ ...succeeded(one), attempts: 2 }, needsAttention(two)]
  const written = await bench.store.write(results.map(settled))
  assert.deepEqual(
    written.map(({ progress }) => progress),
    results,
  )
  for (const result of results) {
    const { state, owner, due_at, settled_at, active_at, attempts, outcome } = await bench.row(result.id)
    assert.deepEqual([state, owner, due_at, attempts], [result.state, null, null, result.attempts])
    assert.deepEqual([settled_at, active_at], [START + 500, START + 500])
    assert.deepEqual(outcome, JSON.stringify(result.outcome))
    assert.deepEqual(await timeline(bench, result.id), ['received', result.state])
  }
  assert.equal(written[0]?.events[0]?.detail, succeeded(one).detail)
})

test('a retry keeps the owner and sets when the next attempt is due', async (t) => {
  const bench = await setUp(t)
  const [id = ''] = await accept(bench, ['a@x.example'])
  await bench.store.write([settled(retry(id, START + 5000, 3))])
  const { state, owner, due_at, settled_at, attempts } = await bench.row(id)
  assert.deepEqual([state, owner, due_at, settled_at, attempts], ['queued', 'replica-1', START + 5000, null, 3])
  assert.deepEqual(await timeline(bench, id), ['received', 'retry_scheduled'])
})

test('equal results in one group are each published and stored with their own detail', async (t) => {
  const bench = await setUp(t)
  const ids = await accept(bench, ['a@x.example', 'b@x.example', 'c@x.example'])
  const results = ids.map((id, i) => ({ ...succeeded(id, i === 1 ? 'allowed' : 'enrolled'), detail: `person ${i}` }))
  const written = await bench.store.write(results.map(settled))
  assert.deepEqual(
    written.map(({ id, events }) => [id, only(events).deliveryId, only(events).detail]),
    ids.map((id, i) => [id, id, `person ${i}`]),
  )
  for (const { id, outcome } of results) assert.equal((await bench.row(id)).outcome, JSON.stringify(outcome))
})

test('results in one group that differ only in their number of attempts each keep their own', async (t) => {
  const bench = await setUp(t)
  const ids = await accept(bench, ['a@x.example', 'b@x.example', 'c@x.example'])
  await bench.store.write(ids.map((id, i) => settled(retry(id, START + 5000, [3, 1, 3][i]))))
  const rows = await Promise.all(ids.map(bench.row))
  assert.deepEqual(
    rows.map(({ attempts }) => attempts),
    [3, 1, 3],
  )
})

test('equal results of attempts under different replica names are stored for their own names', async (t) => {
  const bench = await setUp(t)
  const other = await bench.replica('replica-2')
  const [mine = ''] = await accept(bench, ['a@x.example'])
  const [theirs = ''] = await accept(other, ['b@x.example'])
  const later = [settledBy('replica-1', retry(mine, START + 5000)), settledBy('replica-2', retry(theirs, START + 5000))]
  assert.deepEqual(
    (await bench.store.write(later)).map(({ events }) => events.length),
    [1, 1],
  )
  assert.deepEqual(
    (await Promise.all([mine, theirs].map(bench.row))).map(({ owner, attempts }) => [owner, attempts]),
    [
      ['replica-1', 1],
      ['replica-2', 1],
    ],
  )
})

test('the time of the first success is stored only with a success, and never changes', async (t) => {
  const bench = await setUp(t)
  const [id = ''] = await accept(bench, ['a@x.example'])
  const enrolledAfter = async (settlement: ReturnType<typeof retry>): Promise<number | null> => {
    bench.clock.at += 500
    await bench.store.write([settled(settlement)])
    return (await bench.row(id)).enrolled_at
  }
  assert.equal(await enrolledAfter(retry(id, START)), null)
  assert.equal(await enrolledAfter(needsAttention(id)), null)
  await bench.store.write([accepted(arrival({ email: 'a@x.example' }))])
  assert.equal(await enrolledAfter(succeeded(id)), START + 1500)
  await bench.store.write([accepted(arrival({ email: 'a@x.example' }))])
  assert.equal(await enrolledAfter(succeeded(id)), START + 1500)
})

for (const result of [succeeded, (id: string) => retry(id, START + 5000)]) {
  test(`${result('').state}: a row that another replica owns is not changed and gets no event`, async (t) => {
    const bench = await setUp(t)
    const [lost = '', mine = ''] = await accept(bench, ['a@x.example', 'b@x.example'])
    const other = await bench.replica('replica-2')
    await bench.db.updateTable('deliveries').set({ owner: 'replica-2' }).where('id', '=', lost).execute()
    const before = await bench.row(lost)
    const written = await bench.store.write([lost, mine].map((id) => settled(result(id))))
    assert.deepEqual(
      written.map(({ events }) => events.length),
      [0, 1],
    )
    assert.deepEqual(await bench.row(lost), before)
    assert.deepEqual(await timeline(bench, lost), ['received'])
    assert.equal(only(await other.store.due({ limit: 10, after: null })).id, lost)
  })
}

test('a row that is settled already is not changed and gets no second event', async (t) => {
  const bench = await setUp(t)
  const [id = ''] = await accept(bench, ['a@x.example'])
  await bench.store.write([settled(succeeded(id))])
  await bench.db.updateTable('deliveries').set({ owner: 'replica-1' }).execute() // only the state decides
  const before = await bench.row(id)
  bench.clock.at += 500
  for (const late of [needsAttention(id), succeeded(id), retry(id, START)]) {
    assert.deepEqual(only(await bench.store.write([settled(late)])).events, [])
    assert.deepEqual(await bench.row(id), before)
  }
  assert.deepEqual(await timeline(bench, id), ['received', 'enrolled'])
})

for (const order of ['result first', 'repeat first']) {
  test(`a repeat in the same group as the result of its row starts another attempt (${order})`, async (t) => {
    const bench = await setUp(t)
    const [id = ''] = await accept(bench, ['a@x.example'])
    const writes = [settled(succeeded(id)), accepted(arrival({ email: 'a@x.example' }))]
    if (order === 'repeat first') writes.reverse()
    const written = await bench.store.write(writes)
    assert.deepEqual(written.map(({ progress }) => progress.state).sort(), ['enrolled', 'queued'])
    const { state, owner, outcome } = await bench.row(id)
    assert.deepEqual([state, owner, outcome], ['queued', 'replica-1', null])
    assert.deepEqual(await timeline(bench, id), ['received', 'enrolled', 'repeated'])
  })
}
