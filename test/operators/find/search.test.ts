import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { DeliveryFilter } from '../../../src/operators/find/filter.ts'
import { countFound, search } from '../../../src/operators/find/search.ts'
import type { Position } from '../../../src/queue/in-order.ts'
import { fold } from '../../../src/queue/search-terms.ts'
import { accepted, arrival, COURSE, setUp } from '../../queue/harness.ts'

const OLD = 600
const NEW = 2100
const OLD_COURSE = 'course-v1:edX+Old+1'

/** First 600 of one kind, then 2,100 of another: more than a search reads in one step. */
async function many(t: TestContext) {
  const bench = await setUp(t)
  const store = async (count: number, make: (number: number) => ReturnType<typeof arrival>): Promise<void> => {
    for (let from = 0; from < count; from += 300) {
      await bench.store.write(Array.from({ length: 300 }, (_, i) => accepted(make(from + i))))
      bench.clock.at += 1000
    }
  }
  await store(OLD, (n) => arrival({ email: `old${n}@x.example`, courseIds: [OLD_COURSE] }))
  await store(NEW, (n) => arrival({ email: `new${n}@x.example`, courseIds: [COURSE] }))
  return bench
}

test('a search whose time is over says how far it came, and the next one continues there', async (t) => {
  const { db, clock } = await many(t)
  for (const filter of [{ find: 'old' }, { course: OLD_COURSE }, { find: 'old', states: ['queued' as const] }]) {
    const found: string[] = []
    let cuts = 0
    for (let after: Position | null = null; ; ) {
      const page = await search(db, { filter, after, limit: 250, withinMs: 0 })
      found.push(...page.found.map(({ id }) => id))
      if (page.cut) {
        cuts++
        assert.ok(page.next !== null && page.next.activeAt < clock.at)
      }
      after = page.next
      if (after === null) break
    }
    assert.equal(new Set(found).size, OLD)
    assert.equal(found.length, OLD)
    assert.ok(cuts >= 4, 'the first 2,000 have no match, and a search reads 500 at a time')
  }
})

test('within its time, a search finds every match and is not cut', async (t) => {
  const { db } = await many(t)
  const page = await search(db, { filter: { find: 'old' }, after: null, limit: 1000, withinMs: 60_000 })
  assert.deepEqual([page.found.length, page.next, page.cut], [OLD, null, false])
})

test('counts are exact, whatever finds the deliveries', async (t) => {
  const { db, operations } = await many(t)
  const queued = async (filter: DeliveryFilter) => (await countFound(db, filter)).queued ?? 0
  assert.equal(await queued({}), OLD + NEW)
  assert.equal(await queued({ find: 'old' }), OLD)
  assert.equal(await queued({ find: 'old12' }), 11)
  assert.equal(await queued({ course: OLD_COURSE, states: ['queued'] }), OLD)
  assert.equal(await queued({ find: 'old12@x.example' }), 1)
  const preview = await operations.previewReplay({ filter: {} })
  assert.deepEqual([preview.count, preview.sample.length], [OLD + NEW, 10])
  assert.equal((await operations.startReplay({ filter: {}, by: 'alice' })).total, OLD + NEW)
})

test('letters without an accent to drop are found as people type them', () => {
  assert.deepEqual(['Cœur', 'Ægir', 'Søren', 'Łukasz', 'Đorđe', 'Strauß'].map(fold), [
    'coeur',
    'aegir',
    'soren',
    'lukasz',
    'dorde',
    'strauss',
  ])
})
