import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Found } from '../../src/operations/operations.ts'
import { type DeliveryFilter, readSearch } from '../../src/search/filter.ts'
import { accepted, arrival, COURSE, setUp } from '../inbox/harness.ts'

const PEOPLE = 6000
const OTHERS = 11_000

/** First 6,000 of one kind, then 11,000 of another: more than one search sorts or reads. */
async function many(t: TestContext) {
  const bench = await setUp(t)
  const store = async (count: number, make: (number: number) => ReturnType<typeof arrival>): Promise<void> => {
    for (let from = 0; from < count; from += 500) {
      await bench.store.write(Array.from({ length: 500 }, (_, i) => accepted(make(from + i))))
      bench.clock.at += 1000
    }
  }
  const [oldCourse, newCourse] = [['course-v1:edX+Old+1'], [COURSE]]
  await store(PEOPLE, (n) => arrival({ email: `old${n}@x.example`, username: 'shared', courseIds: oldCourse }))
  await store(OTHERS, (n) => arrival({ email: `new${n}@x.example`, username: 'shared', courseIds: newCourse }))
  return bench
}

test('each page needs bounded work, and all pages together return every match, however many and how old', async (t) => {
  const { operations, clock } = await many(t)
  const read = async (filter: DeliveryFilter): Promise<Found[]> => {
    const pages: Found[] = []
    for (let after: string | null = null; ; ) {
      const page: Found = await operations.list({ filter, limit: 500, after })
      pages.push(page)
      after = page.next
      if (after === null) return pages
    }
  }
  const all = (pages: readonly Found[]): number => new Set(pages.flatMap(({ items }) => items.map(({ id }) => id))).size

  // Too many to sort in memory, and none of them among the latest 10,000.
  const old = await read({ emailPrefix: 'old' })
  const [first] = old
  assert.equal(first?.items.length, 0)
  assert.ok(first?.searchedBackTo && first.searchedBackTo < clock.at && first.next !== null)
  assert.equal(all(old), PEOPLE)
  assert.equal(old.slice(1).filter(({ searchedBackTo }) => searchedBackTo !== null).length, 0)
  const times = old.flatMap(({ items }) => items.map(({ activeAt }) => activeAt))
  assert.deepEqual(
    times,
    times.toSorted((a, b) => b - a),
  )

  assert.equal(all(await read({ emailPrefix: 'new' })), OTHERS)
  assert.equal(all(await read({ username: 'shared', emailPrefix: 'old12' })), 111)
  assert.equal(all(await read({ username: 'shared', states: ['queued'], course: 'course-v1:edX+Old+1' })), PEOPLE)

  // The index of courses finds these at once, wherever they are.
  const [byCourse] = await read({ course: 'course-v1:edX+Old+1' })
  assert.deepEqual([byCourse?.items.length, byCourse?.searchedBackTo], [500, null])

  const preview = await operations.previewReplay({ filter: {} })
  assert.deepEqual([preview.count, preview.more, preview.sample.length], [2000, true, 10])
  assert.equal((await operations.startReplay({ filter: {}, by: 'alice' })).total, null)
  const { queued } = await operations.countByState()
  assert.deepEqual(queued, { count: 10_000, more: true })
})

test('a search for a webhook-id finds its delivery, by the whole id or its beginning', async (t) => {
  const { store, operations } = await setUp(t)
  const sale = arrival({ email: 'ada@x.example', username: 'ada' })
  const [stored] = await store.write([accepted({ ...sale, webhookId: 'msg_Order-7' }), accepted(arrival({ order: 2 }))])
  const found = async (q: string): Promise<string[]> =>
    (await operations.list({ filter: readSearch(q) })).items.map(({ id }) => id)
  assert.deepEqual(await found(' msg_Order-7 '), [stored?.id])
  assert.deepEqual(await found('msg_Order'), [stored?.id])
  assert.deepEqual(await found('msg_Orders'), [])
})
