import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backfillWordsStep } from '../../src/maintenance/backfill.ts'
import { purgeStep } from '../../src/maintenance/retention.ts'
import { forget } from '../../src/operations/forget.ts'
import type { Found } from '../../src/operations/operations.ts'
import type { DeliveryFilter } from '../../src/search/filter.ts'
import { accepted, arrival, only, type Replica, rejectedArrival, settled, setUp, succeeded } from '../inbox/harness.ts'

const DEMO = 'course-v1:ExampleX+Demo+2026'
const OTHER = 'course-v1:Other+Python+2025'
const DAY_MS = 24 * 3_600_000

const finding = async ({ operations }: Pick<Replica, 'operations'>, find: string, more: DeliveryFilter = {}) =>
  (await operations.list({ filter: { find, ...more } })).items.map(({ id }) => id)

const maria = (order = 1) =>
  named(
    { email: 'Maria.Garcia@example.com', username: 'mgarcia', courseIds: [OTHER, DEMO], order },
    'María José',
    'García',
  )

function named(of: Parameters<typeof arrival>[0], name: string, family: string): ReturnType<typeof arrival> {
  const webhook = arrival(of)
  return webhook.request === null ? webhook : { ...webhook, request: { ...webhook.request, name, family } }
}

test('a search finds a delivery by parts of its address, name, username and course keys, and by its ids', async (t) => {
  const bench = await setUp(t)
  const webhook = { ...maria(), webhookId: 'msg_2Lh9KRb0pz' }
  const { id } = only(await bench.store.write([accepted(webhook)]))
  const other = only(
    await bench.store.write([accepted(arrival({ email: 'ada@other.example', courseIds: [OTHER] }))]),
  ).id
  const texts = ['maria.garcia@example.com', 'MARIA.GARCIA@EXAMPLE.COM', 'maria', 'garc', 'García', 'jose garcia']
  const parts = ['@example.com', 'example.com', 'garcia@ex', 'mgarcia', 'Demo+20', 'X+Demo', 'x+dEMO', 'emo+2026', DEMO]
  for (const text of [...texts, ...parts, 'garcia demo', `${DEMO} maria`, id, id.toLowerCase(), 'msg_2Lh9KRb0pz']) {
    assert.deepEqual(await finding(bench, text), [id], text)
  }
  assert.deepEqual(await finding(bench, 'other+py'), [other, id])
  assert.deepEqual(await finding(bench, 'ada other'), [other])
  for (const text of ['arcia', 'lost@', 'mari@', '@garcia.com', 'maria python2', 'ada demo', '@', 'msg_9Lh9KRb0pz']) {
    assert.deepEqual(await finding(bench, text), [], text)
  }
  assert.deepEqual(await finding(bench, 'maria', { states: ['needs_attention'] }), [])
})

test('a complete course key finds no longer one', async (t) => {
  const bench = await setUp(t)
  const { id } = only(await bench.store.write([accepted(arrival({ courseIds: [DEMO] }))]))
  await bench.store.write([accepted(arrival({ courseIds: [`${DEMO}_2`] }))])
  assert.deepEqual(await finding(bench, DEMO), [id])
  assert.equal((await finding(bench, DEMO.slice(0, -1))).length, 2)
})

test('words that very many deliveries have give bounded pages that together hold every match', async (t) => {
  const bench = await setUp(t)
  const store = async (count: number, email: string) => {
    for (let from = 0; from < count; from += 500) {
      const some = Array.from({ length: 500 }, (_, i) => arrival({ email: `p${from + i}@${email}`, username: '' }))
      await bench.store.write(some.map(accepted))
      bench.clock.at += 1000
    }
  }
  await store(5500, 'old.example')
  await store(10_500, 'new.example')
  const read = async (filter: DeliveryFilter): Promise<Found[]> => {
    const pages: Found[] = []
    for (let after: string | null = null; ; ) {
      const page: Found = await bench.operations.list({ filter, limit: 500, after })
      pages.push(page)
      after = page.next
      if (after === null) return pages
    }
  }
  const ids = (pages: readonly Found[]): string[] => pages.flatMap(({ items }) => items.map(({ id }) => id))
  const old = await read({ find: '@old' })
  assert.equal(old[0]?.items.length, 500) // though none is among the latest 10,000
  assert.equal(new Set(ids(old)).size, 5500)
  assert.deepEqual(ids(old), ids(old).toSorted().reverse())
  assert.equal(new Set(ids(await read({ find: 'p' }))).size, 16_000)
  assert.equal(new Set(ids(await read({ find: 'old.example p12' }))).size, 111)
  assert.equal(new Set(ids(await read({ find: 'demox+demo' }))).size, 16_000)
  assert.deepEqual(ids(await read({ find: 'old', states: ['rejected'] })), [])
})

test('the index of words keeps nothing of a delivery that is deleted, erased or changed', async (t) => {
  const bench = await setUp(t)
  const write = async (webhook: ReturnType<typeof arrival>) => only(await bench.store.write([accepted(webhook)])).id
  const old = await write(maria())
  await bench.store.write([settled(succeeded(old))])
  const erased = await write(maria(2))
  const kept = await write(arrival({ email: 'ada@x.example' }))
  await bench.store.write([settled(succeeded(kept))])
  bench.clock.at += DAY_MS
  await write(arrival({ email: 'ada@x.example' })) // a repeat
  assert.equal(await purgeStep({ db: bench.db, before: bench.clock.at }), 1)
  await bench.operations.replay({ ids: [kept], by: 'alice' })
  await bench.operations.startReplay({ filter: { find: 'garcia' }, by: 'alice' })
  await bench.operations.startReplay({ filter: { find: 'lovelace' }, by: 'alice' })
  assert.deepEqual(await finding(bench, 'garcia'), [erased])
  const { traces } = await forget(bench.context, { email: 'maria.garcia@EXAMPLE.com', by: 'alice', silentMs: 0 })
  assert.ok(traces.includes(`garcia${erased}`))
  assert.deepEqual(await finding(bench, 'lovelace'), [kept])
  const left = await bench.db.selectFrom('search_words').select('delivery_id').distinct().execute()
  assert.deepEqual(
    left.map((row) => row.delivery_id),
    [kept],
  )
  assert.deepEqual(
    (await bench.operations.bulkReplays()).map(({ filter }) => filter.find),
    ['lovelace'],
  )
})

test('a rejected delivery is found by what could be read, and by its sale once it has one', async (t) => {
  const bench = await setUp(t)
  const about = { email: 'not-an-address', name: 'Grace', family: 'Hopper', courseIds: [DEMO] }
  const { id } = only(await bench.store.write([accepted({ ...rejectedArrival(), about })]))
  for (const text of ['grace hopper', 'not-an', 'X+demo']) assert.deepEqual(await finding(bench, text), [id], text)
  await bench.store.write([accepted(arrival())])
  assert.deepEqual(await finding(bench, 'hopper'), [])
  assert.deepEqual(await finding(bench, 'lovelace'), [id])
})

test('the backfill adds the words of deliveries that older code stored, the latest first', async (t) => {
  const bench = await setUp(t)
  const people = Array.from({ length: 101 }, (_, i) => arrival({ email: `p${i}@x.example` }))
  const ids = (await bench.store.write(people.map(accepted))).map(({ id }) => id)
  const before = await bench.rows('search_words')
  await bench.db.deleteFrom('search_words').execute()
  await bench.db.updateTable('deliveries').set({ words: null, words_version: 0 }).execute()
  assert.equal(await backfillWordsStep(bench.context), 100)
  assert.deepEqual(await finding(bench, 'p0'), [])
  assert.deepEqual(await finding(bench, 'p100'), [ids[100]])
  assert.equal(await backfillWordsStep(bench.context), 1)
  assert.equal(await backfillWordsStep(bench.context), 0)
  assert.deepEqual(await bench.rows('search_words'), before)
})
