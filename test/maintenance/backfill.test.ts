import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backfillStep, runBackfill } from '../../src/maintenance/backfill.ts'
import {
  accepted,
  arrival,
  counters,
  only,
  type Replica,
  rejectedArrival,
  settled,
  setUp,
  succeeded,
} from '../inbox/harness.ts'

/** Makes the rows look as older code stored them, which knew neither usernames nor courses. */
async function age({ db }: Replica): Promise<void> {
  await db.updateTable('deliveries').set({ username: null, course: null, enrolled_at: null }).execute()
  await db.deleteFrom('further_courses').execute()
}

test('a delivery that older code stored is found by its username and by each of its courses', async (t) => {
  const bench = await setUp(t)
  const { store, operations, context } = bench
  const courseIds = ['course-v1:edX+One+1', 'course-v1:edX+Two+2']
  const { id } = only(await store.write([accepted(arrival({ courseIds }))]))
  const broken = only(await store.write([accepted(arrival({ email: 'broken@x.example' }))])).id
  await store.write([accepted(rejectedArrival())])
  await bench.db.updateTable('deliveries').set({ request: '{' }).where('id', '=', broken).execute()
  const [before] = await bench.rows('further_courses')
  await age(bench)
  assert.equal(await backfillStep(context), 3)
  assert.equal(await backfillStep(context), 0)
  for (const filter of [{ username: 'ada' }, { course: courseIds[0] }, { course: courseIds[1] }]) {
    assert.deepEqual(
      (await operations.list({ filter })).items.map((one) => one.id),
      [id],
    )
  }
  assert.deepEqual(await bench.rows('further_courses'), [before])
  assert.equal((await bench.row(broken)).username, '')
})

test('a first success that older code stored is not counted again', async (t) => {
  const bench = await setUp(t)
  const { id } = only(await bench.store.write([accepted(arrival())]))
  await bench.store.write([settled(succeeded(id))])
  const before = await counters(bench)
  await age(bench)
  await backfillStep(bench.context)
  await bench.store.write([accepted(arrival())])
  await bench.store.write([settled(succeeded(id))])
  const names = Object.entries(await counters(bench)).filter(([name]) => name.includes('seconds'))
  assert.deepEqual(
    names,
    Object.entries(before).filter(([name]) => name.includes('seconds')),
  )
})

test('the backfill runs in small steps until all rows are filled, while webhooks are stored', async (t) => {
  const bench = await setUp(t)
  const people = Array.from({ length: 250 }, (_, i) => arrival({ email: `p${i}@x.example`, username: `u${i}` }))
  await bench.store.write(people.map(accepted))
  await age(bench)
  assert.equal(await backfillStep(bench.context), 100)
  const stop = new AbortController()
  const running = runBackfill({
    context: bench.context,
    guard: (work) => work(),
    onError: (error) => assert.fail(String(error)),
    signal: stop.signal,
  })
  await bench.store.write([accepted(arrival({ email: 'new@x.example', username: 'new' }))])
  for (;;) {
    const open = await bench.db.selectFrom('deliveries').select('id').where('username', 'is', null).execute()
    if (open.length === 0) break
    await new Promise(setImmediate)
  }
  stop.abort()
  await running
  const usernames = (await bench.rows('deliveries')).map((row) => Object(row).username)
  assert.deepEqual(new Set(usernames), new Set([...people.map((_, i) => `u${i}`), 'new']))
})
