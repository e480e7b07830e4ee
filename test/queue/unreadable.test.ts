import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimNow, submit } from './claiming.ts'
import { COURSE, only, setUp, succeeded, timeline } from './harness.ts'

const quick = { timeout: 30_000 }
const DAMAGED = [
  ['request', '{"email":"ada@x.ex'],
  ['request', '{"email":"ada@x.example"}'],
  ['request', null],
] as const

for (const [column, text] of DAMAGED) {
  test(`a row with ${column} ${text} needs attention and delays no other`, quick, async (t) => {
    const bench = await setUp(t)
    const { inbox, db, published, row } = bench
    const bad = await submit(bench, 'ada@x.example')
    const good = await submit(bench, 'grace@x.example')
    await db
      .updateTable('deliveries')
      .set({ [column]: text })
      .where('id', '=', bad)
      .execute()
    published.length = 0
    assert.deepEqual(await claimNow(bench), [good])
    const { state, due_at, reason, reason_text } = await row(bad)
    assert.deepEqual([state, due_at], ['needs_attention', null])
    assert.equal(reason, 'row.unreadable')
    const event = only(published)
    assert.deepEqual([event.deliveryId, event.kind], [bad, 'needs_attention'])
    assert.match(event.detail, /^the stored delivery can’t be read: /)
    assert.ok(!`${event.detail}${reason_text}`.includes('ada@x'), 'the log shows nothing of its content')
    assert.deepEqual(await timeline(bench, bad), ['received', 'needs_attention'])
    await inbox.settle([succeeded(good)])
    const next = await submit(bench, 'ada@x.example', 2)
    assert.deepEqual(await claimNow(bench), [next])
  })
}

test('after a repair, a replay attempts it', quick, async (t) => {
  const bench = await setUp(t)
  const id = await submit(bench, 'ada@x.example')
  const { request } = await bench.row(id)
  await bench.db.updateTable('deliveries').set({ request: '{' }).execute()
  assert.deepEqual(await claimNow(bench), [])
  await bench.operations.replay({ ids: [id], by: 'alice' })
  assert.deepEqual(await claimNow(bench), [])
  assert.equal((await bench.row(id)).state, 'needs_attention')
  await bench.db.updateTable('deliveries').set({ request }).execute()
  await bench.operations.replay({ ids: [id], by: 'alice' })
  assert.deepEqual(await claimNow(bench), [id])
})

test('the same sale, sent again, takes the place of a row that can’t be read', quick, async (t) => {
  const bench = await setUp(t)
  const id = await submit(bench, 'ada@x.example')
  const { request, body } = await bench.row(id)
  await bench.db
    .updateTable('deliveries')
    .set({ request: '{', body: Buffer.from('?') })
    .execute()
  assert.deepEqual(await claimNow(bench), [])
  assert.equal(await submit(bench, 'ada@x.example'), id)
  assert.deepEqual(await claimNow(bench), [id])
  const row = await bench.row(id)
  assert.deepEqual([row.request, Buffer.from(row.body)], [request, Buffer.from(body)])
})

test('the events of a test sale say so, also if its row can’t be read', quick, async (t) => {
  const bench = await setUp(t)
  await bench.operations.testSale({ email: 'ada@x.example', courseIds: [COURSE], nonce: '1', by: 'alice' })
  await bench.db.updateTable('deliveries').set({ request: '{' }).execute()
  assert.deepEqual(await claimNow(bench), [])
  assert.deepEqual(
    bench.published.map(({ kind, isTest }) => [kind, isTest]),
    [
      ['received', true],
      ['needs_attention', true],
    ],
  )
})
