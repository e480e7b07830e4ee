import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readReason } from '../../src/queue/rows.ts'
import { stateAfter } from '../../src/sale/types.ts'
import { factsIn } from '../lines.ts'
import { begin } from './claiming.ts'
import {
  accepted,
  arrival,
  COURSE,
  needsAttention,
  only,
  type Replica,
  retry,
  START,
  settled,
  setUp,
  succeeded,
  timeline,
} from './harness.ts'

const accept = async ({ store }: Replica, emails: readonly string[]): Promise<string[]> => {
  const stored = await store.write(emails.map((email) => accepted(arrival({ email }))))
  return stored.map(({ id }) => id)
}

test('a final result settles the delivery and ends the hold of its buyer', async (t) => {
  const bench = await setUp(t)
  const [one = '', two = ''] = await accept(bench, ['a@x.example', 'b@x.example'])
  bench.clock.at += 500
  const results = [{ ...succeeded(one), attempts: 2 }, needsAttention(two)]
  const written = await bench.store.write(results.map((one) => settled(one)))
  assert.deepEqual(
    written.map(({ progress: { state, reason } }) => [state, reason]),
    results.map((result) => [stateAfter(result), result.outcome.reason]),
  )
  for (const result of results) {
    const row = await bench.row(result.id)
    const { state, due_at, settled_at, active_at, attempts } = row
    assert.deepEqual([state, due_at, attempts], [stateAfter(result), null, result.attempts])
    assert.deepEqual([settled_at, active_at], [START + 500, START + 500])
    const { courses } = await factsIn(bench.db, result.id)
    assert.deepEqual({ courses, reason: readReason(row) }, result.outcome)
    assert.deepEqual(await timeline(bench, result.id), ['received', stateAfter(result)])
  }
  assert.equal(written[0]?.events[0]?.detail, succeeded(one).detail)
  assert.deepEqual(await bench.rows('holds'), [])
})

test('a retry ends the hold, and sets when the next attempt is due', async (t) => {
  const bench = await setUp(t)
  const [id = ''] = await accept(bench, ['a@x.example'])
  await bench.store.write([settled(retry(id, START + 5000, 3))])
  const { state, due_at, settled_at, attempts } = await bench.row(id)
  assert.deepEqual(await bench.rows('holds'), [])
  assert.deepEqual([state, due_at, settled_at, attempts], ['queued', START + 5000, null, 3])
  assert.deepEqual(await timeline(bench, id), ['received', 'retry_scheduled'])
})

test('equal results in one group are each published and stored with their own detail', async (t) => {
  const bench = await setUp(t)
  const ids = await accept(bench, ['a@x.example', 'b@x.example', 'c@x.example'])
  const results = ids.map((id, i) => ({ ...succeeded(id, i === 1 ? 'allowed' : 'enrolled'), detail: `person ${i}` }))
  const written = await bench.store.write(results.map((one) => settled(one)))
  assert.deepEqual(
    written.map(({ id, events }) => [id, only(events).deliveryId, only(events).detail]),
    ids.map((id, i) => [id, id, `person ${i}`]),
  )
  for (const { id, outcome } of results) assert.deepEqual((await factsIn(bench.db, id)).courses, outcome.courses)
})

test('equal results in one group each keep the account of their own buyer', async (t) => {
  const bench = await setUp(t)
  const ids = await accept(bench, ['a@x.example', 'b@x.example', 'c@x.example'])
  const known = [{ [COURSE]: { id: 7, username: 'a' } }, {}, { [COURSE]: { id: 9, username: 'c' } }]
  await bench.store.write(ids.map((id, i) => settled({ ...succeeded(id), accounts: known[i] ?? {} })))
  const stored = async () => (await Promise.all(ids.map((id) => factsIn(bench.db, id)))).map(({ accounts }) => accounts)
  assert.deepEqual(await stored(), known)
  await bench.db.updateTable('deliveries').set({ state: 'queued' }).execute()
  const [first = '', , third = ''] = ids
  await bench.store.write([succeeded(first, 'allowed'), succeeded(third)].map((one) => settled(one)))
  assert.deepEqual(await stored(), [{}, {}, known[2]], 'with an allowance, nobody is known to have the course')
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

test('the time of the first success is stored only with a success, and never changes', async (t) => {
  const bench = await setUp(t)
  const [id = ''] = await accept(bench, ['a@x.example'])
  const enrolledAfter = async (settlement: ReturnType<typeof retry>): Promise<number | null> => {
    bench.clock.at += 500
    await bench.store.write([settled(settlement)])
    return (await bench.row(id)).done_at
  }
  assert.equal(await enrolledAfter(retry(id, START)), null)
  assert.equal(await enrolledAfter(needsAttention(id)), null)
  await bench.store.write([accepted(arrival({ email: 'a@x.example' }))])
  assert.equal(await enrolledAfter(succeeded(id)), START + 1500)
  await bench.store.write([accepted(arrival({ email: 'a@x.example' }))])
  assert.equal(await enrolledAfter(succeeded(id)), START + 1500)
})

for (const result of [succeeded, (id: string) => retry(id, START + 5000)]) {
  test(`${stateAfter(result(''))}: a result changes nothing, and has no event, if another replica has the hold of the buyer`, async (t) => {
    const bench = await setUp(t)
    const [lost = '', mine = ''] = await accept(bench, ['a@x.example', 'b@x.example'])
    const other = await bench.replica('replica-2')
    await begin(bench, lost)
    await bench.db.updateTable('holds').set({ replica: other.me }).execute()
    const before = await bench.row(lost)
    const written = await bench.store.write([lost, mine].map((id) => settled(result(id))))
    assert.deepEqual(
      written.map(({ events }) => events.length),
      [0, 1],
    )
    assert.deepEqual(await bench.row(lost), before)
    assert.deepEqual(await timeline(bench, lost), ['received'])
    assert.deepEqual(
      (await bench.db.selectFrom('holds').selectAll().execute()).map(({ name, replica }) => [name, replica]),
      [['a@x.example', 'replica-2']],
    )
  })
}

for (const [meanwhile, happens] of [
  ['nothing', async () => {}],
  ['the shop sends it again', ({ store }: Replica) => store.write([accepted(arrival({ email: 'a@x.example' }))])],
  [
    'an operator handles it',
    ({ operations }: Replica, id: string) => operations.markHandled({ id, as: 'settled', note: '', by: 'op' }),
  ],
] as const) {
  test(`the hold of an attempt whose call may still land is left to nobody, whatever happens meanwhile: ${meanwhile}`, async (t) => {
    const bench = await setUp(t)
    const [id = ''] = await accept(bench, ['a@x.example'])
    await begin(bench, id)
    await happens(bench, id)
    const settlement = { ...retry(id, START + 5000), effectUnknown: true, mayLand: true }
    await bench.store.write([{ kind: 'settle', settlement, person: 'a@x.example' }])
    const holds = await bench.db.selectFrom('holds').selectAll().execute()
    assert.deepEqual(
      holds.map(({ name, replica, effect, late_at }) => [name, replica, effect, late_at !== null]),
      [['a@x.example', '', 'enrolls', true]],
    )
  })
}

test('a row that is settled already is not changed and gets no second event', async (t) => {
  const bench = await setUp(t)
  const [id = ''] = await accept(bench, ['a@x.example'])
  await bench.store.write([settled(succeeded(id))])
  await bench.db.insertInto('holds').values({ name: 'a@x.example', replica: bench.me }).execute() // only the state decides
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
    assert.deepEqual([(await bench.row(id)).state, (await factsIn(bench.db, id)).courses], ['queued', {}])
    assert.deepEqual(await timeline(bench, id), ['received', 'enrolled', 'repeated'])
  })
}
