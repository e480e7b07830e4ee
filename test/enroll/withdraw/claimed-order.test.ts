import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LONGEST_WAIT_MS } from '../../../src/queue/retry-schedule.ts'
import { claimOrder, holdAlso, mayContinue } from '../../../src/queue/withdrawals/claimed-order.ts'
import { accepted, arrival, only, pruneAlone, START, settled, setUp, succeeded } from '../../queue/harness.ts'

test('an order that was scheduled while the clock was far ahead counts as due, and one that only waits long does not', async (t) => {
  const bench = await setUp(t)
  const { id } = only(await bench.store.write([accepted(arrival())]))
  await bench.store.write([settled(succeeded(id))])
  await bench.operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
  const scheduled = async (ms: number) => {
    await bench.db
      .updateTable('delivery_lines')
      .set({ withdrawal_at: bench.clock.at + ms })
      .where('withdrawal_state', '=', 'open')
      .execute()
    return (await claimOrder(bench))?.delivery.id ?? null
  }
  assert.equal(await scheduled(LONGEST_WAIT_MS), null)
  assert.equal(await scheduled(LONGEST_WAIT_MS + 1), id)
})

test('an order does not go on at a replica that the others have pruned, even if none of them has claimed it yet', async (t) => {
  const bench = await setUp(t)
  const other = await bench.replica('replica-2')
  const { id } = only(await bench.store.write([accepted(arrival())]))
  await bench.store.write([settled(succeeded(id))])
  await bench.operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
  const order = await claimOrder(bench)
  assert(order)
  assert.equal(await mayContinue(bench.db, order), true)
  await pruneAlone(other, 'replica-1')
  assert.equal(await mayContinue(bench.db, order), false)
})

test('an order that another replica has attempted between the look and the hold is left for later', async (t) => {
  const bench = await setUp(t)
  const { id } = only(await bench.store.write([accepted(arrival())]))
  await bench.store.write([settled(succeeded(id))])
  await bench.operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
  const { holds } = bench.replicas
  const late: typeof holds.take = async (names, body) => {
    await bench.db
      .updateTable('delivery_lines')
      .set({ withdrawal_at: START + 1 })
      .where('withdrawal_state', '=', 'open')
      .execute()
    return holds.take(names, body)
  }
  assert.equal(await claimOrder({ ...bench, replicas: { holds: { ...holds, take: late } } }), null)
  assert.deepEqual(await bench.rows('holds'), [])
})

test('an order that has to wait for one address of the buyer holds no other, so a sale to that one is attempted', async (t) => {
  const bench = await setUp(t)
  const { id } = only(await bench.store.write([accepted(arrival())]))
  await bench.store.write([settled(succeeded(id))])
  await bench.operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
  const order = await claimOrder(bench)
  assert(order)
  await bench.db
    .insertInto('holds')
    .values({ name: 'busy@example.com', replica: 'replica-2', effect: 'enrolls' })
    .execute()
  assert.equal(await holdAlso(order, ['busy@example.com', 'free@example.com']), false)
  const held = await bench.db.selectFrom('holds').select('name').where('replica', '=', bench.replicas.me()).execute()
  assert.deepEqual([held.map(({ name }) => name), [...order.others]], [[order.person], []])
})
