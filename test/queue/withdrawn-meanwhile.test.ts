import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimOrder } from '../../src/queue/withdrawals/claimed-order.ts'
import { endOrder } from '../../src/queue/withdrawals/end-order.ts'
import { resultsOf } from '../../src/sale/line.ts'
import { factsIn, setFacts } from '../lines.ts'
import { accepted, arrival, only, setUp, succeeded } from './harness.ts'

const CLEAN = 'course-v1:CodeTherapy+CS101011+2025_T1'
const [DEMO, PYTHON] = ['course-v1:edX+DemoX+Demo_Course', 'course-v1:Lernito+PY101+2026']

test('an attempt that was read before a withdrawal ended does not bring its course back into the outcome', async (t) => {
  const bench = await setUp(t)
  const { id } = only(await bench.store.write([accepted(arrival({ courseIds: [DEMO, PYTHON, CLEAN] }))]))
  await setFacts(bench.db, id, { courses: { [DEMO]: 'enrolled', [CLEAN]: 'enrolled' } })
  await bench.operations.withdraw({ id, courses: [DEMO], paid: false, by: 'op' })
  const deliveries = await bench.store.readClaimed([id])
  const [delivery] = deliveries
  assert(delivery)
  assert.deepEqual(delivery.request?.courseIds, [PYTHON, CLEAN])
  const order = await claimOrder(bench)
  assert(order)
  await endOrder(bench.context, {
    order,
    attempted: { results: new Map([[DEMO, { kind: 'unenrolled', mode: 'audit', why: '' }]]), message: '' },
    isLate: false,
  })
  order.holds.ended([order.person])
  const begun = await bench.store.beginAttempt([delivery])
  if (begun.size > 0) {
    // What an attempt settles: what was done before, and its own course.
    const courses = { ...resultsOf(delivery.lines), [PYTHON]: 'enrolled' as const }
    const { generation } = delivery
    await bench.store.write([
      {
        kind: 'settle',
        person: delivery.person,
        settlement: { ...succeeded(id), id, generation, outcome: { courses, reason: null } },
      } as never,
    ])
  }
  const row = await bench.db.selectFrom('deliveries').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
  assert.deepEqual([begun.size, (await factsIn(bench.db, id)).courses[DEMO]], [0, undefined], row.state)
})
