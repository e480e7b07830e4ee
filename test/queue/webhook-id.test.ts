import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { lockDelivery, remove } from '../../src/queue/change-deliveries.ts'
import { claimOrder } from '../../src/queue/withdrawals/claimed-order.ts'
import { endOrder } from '../../src/queue/withdrawals/end-order.ts'
import { storeRefundId } from '../../src/queue/withdrawals/store-refund.ts'
import type { VerifiedWebhook } from '../../src/sale/types.ts'
import { until } from '../service/process.ts'
import {
  accepted,
  arrival,
  COURSE,
  deadline,
  only,
  onSqlite,
  type Replica,
  rejectedArrival,
  retry,
  START,
  settled,
  setUp,
  succeeded,
  timeline,
} from './harness.ts'

const named = (webhookId: string, webhook: VerifiedWebhook = arrival()): VerifiedWebhook => ({
  ...webhook,
  form: 'standard',
  webhookId,
})
const other = (webhookId: string): VerifiedWebhook => named(webhookId, arrival({ order: 2 }))

/** The kinds and details of the stored events. */
async function events({ db }: Replica): Promise<[string, string][]> {
  const rows = await db.selectFrom('events').select(['kind', 'detail']).orderBy('id').execute()
  return rows.map(({ kind, detail }) => [kind, detail])
}

test('a webhook-id is stored with its delivery, and the event names it', async (t) => {
  const bench = await setUp(t)
  const { id } = only(await bench.store.write([accepted(named('msg_1'))]))
  assert.equal((await bench.row(id)).webhook_id, 'msg_1')
  assert.deepEqual(await events(bench), [['received', 'signed over: standard, webhook-id msg_1']])
  assert.equal(only(await bench.store.readClaimed([id])).webhookId, 'msg_1')
})

test('the same sale under the same id is a repeat: it is processed again on its row', async (t) => {
  const bench = await setUp(t)
  const { id } = only(await bench.store.write([accepted(named('msg_1'))]))
  await bench.store.write([settled(succeeded(id))])
  const again = only(await bench.store.write([accepted(named('msg_1'))]))
  assert.deepEqual([again.id, again.progress.state, again.progress.generation], [id, 'queued', 1])
  assert.equal(again.misusedId, undefined)
  assert.deepEqual(await timeline(bench, id), ['received', 'enrolled', 'repeated'])
})

test('the same sale under another id is the same delivery, which keeps its first id', async (t) => {
  const bench = await setUp(t)
  const { id } = only(await bench.store.write([accepted(named('msg_1'))]))
  const again = only(await bench.store.write([accepted(named('msg_2'))]))
  assert.equal(again.id, id)
  assert.equal((await bench.row(id)).webhook_id, 'msg_1')
  assert.deepEqual(await events(bench), [
    ['received', 'signed over: standard, webhook-id msg_1'],
    ['repeated', 'signed over: standard, webhook-id msg_2'],
  ])
})

test('a delivery that came without an id gets the one of its first repeat that has one', async (t) => {
  const { store, row, rows } = await setUp(t)
  const { id } = only(await store.write([accepted(arrival())]))
  await store.write([accepted(named('msg_1')), accepted(named('msg_2')), accepted(arrival())])
  assert.equal((await row(id)).webhook_id, 'msg_1')
  assert.equal((await rows('deliveries')).length, 1)
  const reused = only(await store.write([accepted(other('msg_1'))]))
  assert.equal(only(reused.events).kind, 'id_reused')
})

test('another sale under the id of a repeat changes nothing either, in one group or in two', async (t) => {
  const bench = await setUp(t)
  const { id } = only(await bench.store.write([accepted(named('msg_1'))]))
  const [, together] = await bench.store.write([accepted(named('msg_2')), accepted(other('msg_2'))])
  const alone = only(await bench.store.write([accepted(other('msg_2'))]))
  for (const reused of [together, alone]) {
    assert.deepEqual(
      [reused?.id, reused?.misusedId, reused?.events.map(({ kind }) => kind)],
      [id, 'sale_reused', ['id_reused']],
    )
  }
  const again = only(await bench.store.write([accepted(named('msg_2'))]))
  assert.deepEqual([again.id, again.events.map(({ kind }) => kind)], [id, ['repeated']])
  assert.equal((await bench.rows('deliveries')).length, 1)
})

test('another sale under a known id is not stored, whatever became of the first, and changes nothing of it', async (t) => {
  for (const first of [arrival(), rejectedArrival()]) {
    const bench = await setUp(t)
    const { id } = only(await bench.store.write([accepted(named('msg_1', first))]))
    if (first.reason === null) await bench.store.write([settled(succeeded(id))])
    const before = await bench.row(id)
    const answer = await bench.inbox.submit(other('msg_1'), deadline())
    assert.deepEqual([answer.id, answer.misusedId, answer.progress], [id, 'sale_reused', null])
    assert.equal((await bench.rows('deliveries')).length, 1)
    // The event below gets the next number, and nothing of the sale itself changes.
    assert.deepEqual({ ...(await bench.row(id)) }, { ...before, last_event: before.last_event + 1 })
    const detail = 'another sale came under webhook-id msg_1 and was refused'
    assert.deepEqual((await events(bench)).at(-1), ['id_reused', detail])
    assert.deepEqual(
      bench.published.map(({ kind, deliveryId }) => [kind, deliveryId]),
      [['id_reused', id]],
    )
  }
})

test('an invalid sale under the id of another one is not stored either', async (t) => {
  const { store, rows } = await setUp(t)
  const { id } = only(await store.write([accepted(other('msg_1'))]))
  const reused = only(await store.write([accepted(named('msg_1', rejectedArrival()))]))
  assert.deepEqual([reused.id, reused.misusedId], [id, 'sale_reused'])
  assert.equal((await rows('deliveries')).length, 1)
})

test('of two sales with one id in one group, the one that came first is stored, whatever their digests', async (t) => {
  const { store, row } = await setUp(t)
  const sales = Array.from({ length: 12 }, (_, order) => arrival({ order }))
  const written = await store.write(
    sales.flatMap((sale, i) => [named(`msg_${i}`, sale), named(`msg_${i}`, sales[(i + 1) % 12]), sale].map(accepted)),
  )
  for (const [i, sale] of sales.entries()) {
    const [first, reused, repeat] = written.slice(3 * i)
    assert(first && reused && repeat)
    assert.deepEqual([reused.id, repeat.id], [first.id, first.id])
    assert.deepEqual(
      [first, reused, repeat].map(({ events: [event] }) => event?.kind),
      ['received', 'id_reused', 'repeated'],
    )
    const { digest, webhook_id } = await row(first.id)
    assert.deepEqual([digest, webhook_id], [sale.digest, `msg_${i}`])
  }
})

test('a late retry starts nothing while an operator’s withdrawal is carried out, nor after it', async (t) => {
  const bench = await setUp(t)
  const { id } = only(await bench.store.write([accepted(named('msg_1'))]))
  await bench.store.write([settled(succeeded(id))])
  await bench.operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
  const retried = async () => only(await bench.store.write([accepted(named('msg_1'))])).progress.withdrawnCourse
  assert.equal(await retried(), COURSE)
  const order = await claimOrder(bench)
  assert(order)
  const results = new Map([[COURSE, { kind: 'unenrolled', mode: 'audit', why: '' } as const]])
  await endOrder(bench.context, { order, attempted: { results, message: '' }, isLate: false })
  assert.equal(await retried(), COURSE)
  assert.equal((await bench.row(id)).state, 'withdrawn')
})

test('what a late retry starts reads first if an attempt may have had an effect', async (t) => {
  const bench = await setUp(t)
  const sale = named('msg_1', arrival({ courseIds: [COURSE, 'course-v1:edX+Other+2026'] }))
  const { id } = only(await bench.store.write([accepted(sale)]))
  await bench.store.write([settled({ ...retry(id, START + 5000), effectUnknown: true })])
  await bench.operations.withdraw({ id, courses: [COURSE], paid: false, by: 'alice' })
  assert.equal(only(await bench.store.write([accepted(sale)])).progress.withdrawnCourse, COURSE)
  assert.deepEqual([(await bench.row(id)).state, (await bench.row(id)).effect_unknown], ['queued', 1])
})

test('ids are compared to the letter', async (t) => {
  const { store, rows } = await setUp(t)
  await store.write([accepted(named('msg_a')), accepted(other('msg_A'))])
  assert.equal((await rows('deliveries')).length, 2)
})

// SQLite serves one replica.
if (!onSqlite()) {
  /** Whether a transaction is in an insert into this table, because another one has the key. */
  const waitsToInsert = async ({ db }: Replica, into: 'webhook_ids' | 'deliveries') => {
    const like = `insert %into \`${into}\`%`
    const query = sql`select info from information_schema.processlist where info like ${like}`
    return (await query.execute(db)).rows.length > 0 || undefined
  }

  /** A sale comes in the group of a result, while the transaction of a refund under the same webhook-id is in progress. */
  test('a sale waits for a refund that came first under its id, which may lock any delivery, and is not stored', async (t) => {
    const bench = await setUp(t)
    const { store, rows, db } = bench
    const { id } = only(await store.write([accepted(arrival())]))
    const [inserted, waiting] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const refund = db.transaction().execute(async (trx) => {
      await storeRefundId({ trx, at: START }, { webhookId: 'msg_both', email: 'ada@x.example' })
      inserted.resolve()
      await waiting.promise
      await lockDelivery({ trx }, id)
    })
    await inserted.promise
    const written = store.write([settled(succeeded(id)), accepted(other('msg_both'))])
    await until('the sale waits', () => waitsToInsert(bench, 'webhook_ids'))
    waiting.resolve()
    await refund
    const [result, sale] = await written
    assert.deepEqual([result?.progress.state, sale?.misusedId], ['enrolled', 'refund_id'])
    assert.equal((await rows('deliveries')).length, 1)
  })

  test('a repeat at one replica and another sale at a second one, with one new id at the same time: one has it', async (t) => {
    const bench = await setUp(t)
    const second = await bench.replica('replica-2')
    for (let i = 0; i < 20; i++) {
      const sale = arrival({ order: 2 * i })
      const first = only(await bench.store.write([accepted(named(`msg_${i}`, sale))]))
      const [repeat, another] = await Promise.all([
        bench.store.write([accepted(named(`msg_new_${i}`, sale))]),
        second.store.write([accepted(named(`msg_new_${i}`, arrival({ order: 2 * i + 1 })))]),
      ])
      assert.equal(only(repeat).id, only(another).id)
      const isRepeat = only(another).id === first.id
      const kinds = [repeat, another].map((one) => only(only(one).events).kind)
      assert.deepEqual(kinds, isRepeat ? ['repeated', 'id_reused'] : ['id_reused', 'received'])
    }
  })

  test('a repeat that comes while its delivery is erased is a new sale, which has the id', async (t) => {
    const bench = await setUp(t)
    const { store, db } = bench
    const { id } = only(await store.write([accepted(named('msg_1'))]))
    const [erased, waiting] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const erasing = db.transaction().execute(async (trx) => {
      await remove({ trx }, [id])
      erased.resolve()
      await waiting.promise
    })
    await erased.promise
    const written = store.write([accepted(named('msg_1'))])
    await until('the repeat waits', () => waitsToInsert(bench, 'deliveries'))
    waiting.resolve()
    await erasing
    const again = only(await written)
    assert.deepEqual(
      again.events.map(({ kind }) => kind),
      ['received'],
    )
    const stored = await db.selectFrom('webhook_ids').select(['webhook_id', 'delivery_id']).execute()
    assert.deepEqual(stored, [{ webhook_id: 'msg_1', delivery_id: again.id }])
  })

  test('two replicas that receive two sales with one id at the same time store one of them', async (t) => {
    const bench = await setUp(t)
    const second = await bench.replica('replica-2')
    for (let i = 0; i < 20; i++) {
      const [one, two] = await Promise.all([
        bench.store.write([accepted(named(`msg_${i}`, arrival({ order: 2 * i })))]),
        second.store.write([accepted(named(`msg_${i}`, arrival({ order: 2 * i + 1 })))]),
      ])
      assert.equal(only(one).id, only(two).id)
      const kinds = [only(only(one).events).kind, only(only(two).events).kind]
      assert.deepEqual(kinds.sort(), ['id_reused', 'received'])
    }
    assert.equal((await bench.rows('deliveries')).length, 20)
  })
}
