import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DeliveryFilter } from '../../../src/operators/find/filter.ts'
import { type Found, listAll } from '../../../src/operators/find/listing.ts'
import { newLine } from '../../../src/sale/line.ts'
import type { VerifiedWebhook } from '../../../src/sale/types.ts'
import {
  accepted,
  arrival,
  COURSE,
  needsAttention,
  only,
  type Replica,
  rejectedArrival,
  retry,
  START,
  settled,
  setUp,
  succeeded,
} from '../../queue/harness.ts'

type Bench = Awaited<ReturnType<typeof setUp>>

/** Stores deliveries one second apart; returns their ids. */
async function storeAll({ store, clock }: Bench, arrivals: readonly VerifiedWebhook[]): Promise<string[]> {
  const ids: string[] = []
  for (const one of arrivals) {
    ids.push(only(await store.write([accepted(one)])).id)
    clock.at += 1000
  }
  return ids
}

const idsOf = ({ items }: Found): string[] => items.map(({ id }) => id)
const find = async ({ operations }: Replica, filter: DeliveryFilter): Promise<string[]> =>
  idsOf(await operations.list({ filter, limit: 500 }))

test('a list begins with the newest activity, even if that is not the newest delivery', async (t) => {
  const bench = await setUp(t)
  const [a = '', b = '', c = ''] = await storeAll(
    bench,
    ['a@x.example', 'b@x.example', 'c@x.example'].map((email) => arrival({ email })),
  )
  assert.deepEqual(await find(bench, {}), [c, b, a])
  await bench.store.write([settled(retry(a, bench.clock.at + 60_000))])
  assert.deepEqual(await find(bench, {}), [a, c, b])
})

test('all deliveries of a list are read once each, also those that are active meanwhile', async (t) => {
  const bench = await setUp(t)
  const people = Array.from({ length: 600 }, (_, n) => accepted(arrival({ email: `p${n}@x.example` })))
  const ids = (await bench.store.write(people)).map(({ id }) => id)
  bench.clock.at += 3_600_000
  const read: string[] = []
  for await (const items of listAll({ read: bench.operations.list, filter: {}, now: () => bench.clock.at })) {
    read.push(...items.map(({ id }) => id))
    const [unread = ''] = ids.filter((id) => !read.includes(id))
    const again = [unread, read[0] ?? ''].filter((id) => id !== '' && read.length === 500)
    await bench.store.write(again.map((id) => settled(retry(id, bench.clock.at + 60_000))))
  }
  assert.deepEqual(read.toSorted(), ids.toSorted())
})

test('of all deliveries of a list, as many as are wanted are read, also over several pages', async (t) => {
  const bench = await setUp(t)
  const people = Array.from({ length: 600 }, (_, n) => accepted(arrival({ email: `p${n}@x.example` })))
  const ids = (await bench.store.write(people)).map(({ id }) => id)
  const parts = { read: bench.operations.list, filter: {}, now: () => bench.clock.at }
  for (const most of [2, 500, 503]) {
    const read: string[] = []
    for await (const items of listAll({ ...parts, most })) read.push(...items.map(({ id }) => id))
    assert.deepEqual(read, ids.toSorted().toReversed().slice(0, most), `${most}`)
  }
})

test('a summary has the data and the progress of a delivery', async (t) => {
  const bench = await setUp(t)
  const [id = ''] = await storeAll(bench, [arrival({ email: 'Ada@Example.com', username: 'Ada' })])
  await bench.store.write([settled(retry(id, START + 60_000, 3))])
  assert.deepEqual(only((await bench.operations.list({ filter: {} })).items), {
    id,
    state: 'queued',
    email: 'Ada@Example.com',
    username: 'Ada',
    courseIds: [COURSE],
    receivedAt: START,
    activeAt: START + 1000,
    attempts: 3,
    lastEvent: 2,
    generation: 0,
    dueAt: START + 60_000,
    reason: null,
    lines: [newLine(COURSE)],
    name: 'Ada Lovelace',
    settledAt: null,
    doneAt: null,
    replayedAt: null,
    replaces: null,
    replacedBy: null,
    handled: null,
    handledAs: null,
    request: arrival({ email: 'Ada@Example.com', username: 'Ada' }).request,
    unreadable: null,
    source: 'shop',
    webhookId: null,
  })
})

test('a summary of a handled delivery has the latest note and its author', async (t) => {
  const bench = await setUp(t)
  const [id = ''] = await storeAll(bench, [arrival(), arrival({ order: 2 })])
  const { operations } = bench
  await operations.markHandled({ id, as: 'paid_back', note: 'refunded', by: 'alice' })
  await operations.replay({ ids: [id], by: 'alice' })
  await operations.markHandled({ id, as: 'paid_back', note: 'refunded, order 1182', by: 'bob' })
  const { items } = await operations.list({ filter: {} })
  assert.deepEqual(
    items.map(({ handled }) => handled),
    [{ note: 'refunded, order 1182', by: 'bob', at: bench.clock.at }, null],
  )
})

test('a delivery is found by address, username, and each of its courses, as a whole and in any letter case', async (t) => {
  const bench = await setUp(t)
  const other = 'course-v1:edX+Other+2026'
  const [ada = '', alan = '', grace = ''] = await storeAll(bench, [
    arrival({ email: 'Ada@x.example', username: 'Countess', courseIds: [COURSE, other] }),
    arrival({ email: 'alan@x.example', username: 'alan', courseIds: [other] }),
    arrival({ email: 'grace@y.example', username: 'grace', courseIds: [COURSE] }),
    arrival({ email: 'longer@y.example', username: 'longer', courseIds: [`${COURSE}_2`] }),
  ])
  assert.deepEqual(await find(bench, { email: 'ADA@X.example' }), [ada])
  assert.deepEqual(await find(bench, { email: 'ada@x' }), [])
  assert.deepEqual(await find(bench, { username: 'COUNTESS' }), [ada])
  assert.deepEqual(await find(bench, { course: other.toUpperCase() }), [alan, ada])
  assert.deepEqual(await find(bench, { course: COURSE }), [grace, ada])
  assert.deepEqual(await find(bench, { email: 'ada@x.example', course: COURSE }), [ada])
  assert.deepEqual(await find(bench, { email: 'alan@x.example', course: COURSE }), [])
  assert.deepEqual(await find(bench, { email: '' }), [])
})

test('a delivery that was rejected for its payload is found by its readable fields', async (t) => {
  const bench = await setUp(t)
  const courseIds = [COURSE, '', 'x'.repeat(1000)]
  const about = { email: ' Ada@x ', username: 'Countess', name: 'Grace', family: 'Hopper', courseIds }
  const [id = ''] = await storeAll(bench, [{ ...rejectedArrival(), about }])
  const texts = ['ada@', 'grace hopper', COURSE.slice(12).toUpperCase()].map((find) => ({ find }))
  const filters: DeliveryFilter[] = [...texts, { username: 'countess' }, { course: COURSE }]
  for (const filter of filters) assert.deepEqual(await find(bench, filter), [id])
})

test('a delivery that was rejected for its payload is listed with its course keys as the shop sent them', async (t) => {
  const bench = await setUp(t)
  const courseIds = [COURSE, '', 'Course-V1:Broken Key']
  await storeAll(bench, [{ ...rejectedArrival(), about: { email: 'Ada@x', username: 'Countess', courseIds } }])
  const listed = only((await bench.operations.list({ filter: {} })).items)
  assert.deepEqual(
    [listed.email, listed.username, listed.courseIds],
    ['ada@x', 'countess', [COURSE, 'Course-V1:Broken Key']],
  )
})

test('a text matches literally, whatever characters it contains', async (t) => {
  const bench = await setUp(t)
  const [percent = '', under = ''] = await storeAll(bench, [
    arrival({ email: 'a%b@x.example' }),
    arrival({ email: 'a_b@x.example' }),
    arrival({ email: 'axb@x.example' }),
  ])
  assert.deepEqual(await find(bench, { find: 'a%' }), [percent])
  assert.deepEqual(await find(bench, { find: 'a_' }), [under])
  assert.equal((await find(bench, { find: 'b@' })).length, 3)
})

test('a list can be filtered by state and by the time of the last activity', async (t) => {
  const bench = await setUp(t)
  const [done = '', attention = '', waits = ''] = await storeAll(
    bench,
    ['a', 'b', 'c'].map((name) => arrival({ email: `${name}@x.example` })),
  )
  const [wrong = ''] = await storeAll(bench, [rejectedArrival()])
  await bench.store.write([settled(succeeded(done)), settled(needsAttention(attention))])
  assert.deepEqual(await find(bench, { states: ['queued'] }), [waits])
  assert.deepEqual(await find(bench, { states: ['rejected', 'needs_attention', 'queued'] }), [attention, wrong, waits])
  assert.deepEqual(await find(bench, { states: [] }), [])
  const at = START + 4000 // all were stored before, two are settled now
  assert.deepEqual(await find(bench, { from: at }), [attention, done])
  assert.deepEqual(await find(bench, { to: at }), [wrong, waits])
  assert.deepEqual(await find(bench, { from: START + 2000, to: START + 3000 }), [waits])
  assert.deepEqual(await find(bench, { states: ['queued', 'enrolled'], from: at }), [done])
  assert.deepEqual(await find(bench, { states: ['needs_attention'], course: COURSE }), [attention])
  assert.deepEqual(await find(bench, { states: ['queued'], course: 'course-v1:edX+None+1' }), [])
  assert.deepEqual(await find(bench, { find: 'b@', to: at }), [])
})

for (const [name, filter] of Object.entries<DeliveryFilter>({
  'all deliveries': {},
  'several states': { states: ['queued', 'rejected', 'enrolled', 'needs_attention'] },
  'a text': { find: 'p' },
  'a course': { course: COURSE },
  'a further course and a state': { course: 'course-v1:edX+Second+2026', states: ['queued'] },
  'a username and a state': { username: 'same', states: ['queued'] },
})) {
  test(`pages of ${name} return each delivery once, even if new ones arrive in between`, async (t) => {
    const bench = await setUp(t)
    const courseIds = [COURSE, 'course-v1:edX+Second+2026']
    const people = Array.from({ length: 23 }, (_, i) =>
      arrival({ email: `p${i}@x.example`, username: 'same', courseIds }),
    )
    // Groups have the same time, so that the id decides the order.
    for (let i = 0; i < people.length; i += 5) {
      await bench.store.write(people.slice(i, i + 5).map(accepted))
      bench.clock.at += 1000
    }
    const before = await find(bench, filter)
    assert.equal(before.length, 23)
    const seen: string[] = []
    for (let after: string | null = null; ; ) {
      const page: Found = await bench.operations.list({ filter, limit: 4, after })
      assert.equal(page.searchedBackTo, null)
      seen.push(...idsOf(page))
      await storeAll(bench, [arrival({ email: `p-new${seen.length}@x.example`, username: 'same', courseIds })])
      after = page.next
      if (after === null) break
      assert.equal(page.items.length, 4)
    }
    assert.deepEqual(seen, before)
  })
}

test('a delivery with new activity moves to the top of the list of each of its courses', async (t) => {
  const bench = await setUp(t)
  const { store, operations, clock } = bench
  const second = 'course-v1:edX+Second+2026'
  const courseIds = [COURSE, second]
  const [a = '', b = ''] = await storeAll(
    bench,
    ['a', 'b'].map((name) => arrival({ email: `${name}@x.example`, courseIds })),
  )
  const later = async (change: () => Promise<unknown>, expected: readonly string[]): Promise<void> => {
    clock.at += 1000
    await change()
    for (const course of courseIds) assert.deepEqual(await find(bench, { course }), expected)
  }
  await later(() => store.write([settled(retry(a, clock.at + 60_000))]), [a, b])
  await later(() => store.write([settled(succeeded(b))]), [b, a])
  await later(() => store.write([accepted(arrival({ email: 'a@x.example', courseIds }))]), [a, b])
  await later(() => operations.replay({ ids: [b], by: 'alice' }), [b, a])
  await later(() => operations.markHandled({ id: a, as: 'settled', note: '', by: 'alice' }), [a, b])
})

test('an unreadable row is still listed and shown', async (t) => {
  const bench = await setUp(t)
  const [id = ''] = await storeAll(bench, [arrival()])
  await bench.db.updateTable('deliveries').set({ request: '{"email":' }).execute()
  const { email, courseIds } = only((await bench.operations.list({ filter: {} })).items)
  assert.deepEqual([email, courseIds], ['ada@example.com', [COURSE]])
  const shown = await bench.operations.show(id)
  assert.deepEqual([shown?.request, shown?.unreadable], [null, 'its JSON is damaged'])
  assert.equal((await bench.operations.show('NONE')) ?? null, null)
})

test('one delivery is shown with all its data', async (t) => {
  const bench = await setUp(t)
  const webhook = arrival()
  const [id = ''] = await storeAll(bench, [webhook])
  const shown = await bench.operations.show(id)
  assert(shown)
  assert.deepEqual(shown.request, webhook.request)
  assert.deepEqual(Buffer.from(shown.body), webhook.body)
  assert.deepEqual([shown.digest, shown.activeAt, shown.unreadable], [webhook.digest, START, null])
})
