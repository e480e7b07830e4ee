import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { DEMO } from '../../harness.ts'
import { withdrawalsShown } from '../../lines.ts'
import { until } from '../../service/process.ts'
import { BULK, holdCalls, UNENROLL } from '../../service/serving.ts'
import { ended, startWithOperations } from './withdrawing.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const hold = holdCalls()
const product = await startWithOperations({ lms: { sleep: hold.sleep }, env: { LERNITO_ANSWER_WITHIN_MS: '2000' } })
const { lms, sell, sold, withdraw, stateOf, kinds, operations } = product
after(() => product.stopAll())
beforeEach(async () => {
  await lms.noFaults()
  await lms.reset()
  hold.renew()
})
const order = { courses: null, paid: false, by: 'alice' }
const activeOf = async (email: string) => (await lms.state()).enrollments.find((row) => row.email === email)?.active

test('a second order for the same delivery stores nothing while the first one has not ended', async () => {
  const id = await sold('alice@example.com')
  const both = await Promise.all([1, 2].map(() => operations.withdraw({ id, ...order })))
  assert.deepEqual(both.map(({ kind }) => kind).sort(), ['ordered', 'pending'])
  await ended(product, id)
  assert.equal((await withdrawalsShown(operations, id)).length, 1)
})

test('a queued delivery is stopped first, and its call in flight is awaited', async () => {
  await lms.faults([{ path: BULK, delayMs: 1, times: 1 }])
  const answered = sell({ email: 'alice@example.com' })
  await hold.arrived()
  const [found] = (await operations.list({ filter: { email: 'alice@example.com' } })).items
  const id = found?.id ?? ''
  assert.equal((await operations.withdraw({ id, ...order, courses: ['other'] })).kind, 'refused')
  assert.equal((await operations.withdraw({ id, ...order })).kind, 'ordered')
  assert.equal(await stateOf(id), 'handled')
  await answered
  // A later order is carried out meanwhile, so the loop has seen this one.
  const other = await sold('erin@example.com')
  await withdraw(other)
  assert.equal((await withdrawalsShown(operations, id))[0]?.endedAt, null, 'the call is still in flight')
  hold.release()
  const { result } = await ended(product, id)
  assert.equal(result?.courses[DEMO]?.kind, 'unenrolled')
  assert.deepEqual([await stateOf(id), await activeOf('alice@example.com')], ['withdrawn', false])
})

test('an order whose call hangs delays no order for another buyer', async () => {
  const [slow, other] = [await sold('alice@example.com'), await sold('erin@example.com')]
  await lms.faults([{ path: UNENROLL, delayMs: 1, times: 1 }])
  await operations.withdraw({ id: slow, ...order })
  await hold.arrived()
  await withdraw(other)
  const [waiting] = await withdrawalsShown(operations, slow)
  assert.deepEqual([await stateOf(other), waiting?.endedAt, waiting?.result], ['withdrawn', null, null])
  hold.release()
  await ended(product, slow)
})

test('one course of a queued delivery can be withdrawn, and the delivery goes on with the rest', async () => {
  await lms.faults([{ path: BULK, status: 500, body: 'no' }])
  const id = await sold('alice@example.com', [DEMO, PYTHON])
  assert.equal(await stateOf(id), 'queued')
  assert.equal((await operations.withdraw({ id, ...order, courses: [DEMO] })).kind, 'ordered')
  await lms.noFaults()
  await ended(product, id)
  await until('the enrollment of the rest', async () => ((await stateOf(id)) === 'enrolled' ? true : undefined))
  const courses = (await lms.state()).enrollments.filter((row) => row.email === 'alice@example.com' && row.active)
  const { outcome, replacedBy } = await product.show(id)
  assert.deepEqual(
    [outcome?.courses, replacedBy, courses.map(({ course }) => course)],
    [{ [PYTHON]: 'enrolled' }, null, [PYTHON]],
  )
})

test('an order survives an outage of the LMS, and is carried out afterwards', async () => {
  const id = await sold('alice@example.com')
  await lms.faults([{ path: UNENROLL, status: 502, times: 1 }])
  await operations.withdraw({ id, ...order })
  await until('a failed attempt', async () => ((await withdrawalsShown(operations, id))[0]?.result ? true : undefined))
  const [waiting] = await withdrawalsShown(operations, id)
  assert.match(waiting?.result?.message ?? '', /502/)
  await bringForward(id)
  const { result, attempts } = await ended(product, id)
  assert.deepEqual([result?.courses[DEMO]?.kind, attempts], ['unenrolled', 1])
})

test('a sale that the shop sends again during the withdrawal wins: the buyer stays enrolled', async () => {
  const id = await sold('alice@example.com')
  await lms.faults([{ path: UNENROLL, delayMs: 1, times: 1 }])
  await operations.withdraw({ id, ...order })
  await hold.arrived()
  await sell({ email: 'alice@example.com' })
  hold.release()
  await until('the enrollment', async () => {
    return (await stateOf(id)) === 'enrolled' && (await activeOf('alice@example.com')) === true ? true : undefined
  })
  assert.deepEqual(await withdrawalsShown(operations, id), [])
  assert.ok((await kinds(id)).includes('withdrawal_ended'))
})

test('a sale that comes again while the order only reads: nothing is changed in the LMS', async () => {
  await withdraw(await sold('erin@example.com')) // the service knows which APIs the LMS has
  const id = await sold('alice@example.com')
  const path = '/api/enrollment/v1/enrollment/{username},{course_id}'
  await lms.faults([{ method: 'GET', path, delayMs: 1, times: 1 }])
  await operations.withdraw({ id, ...order })
  await hold.arrived()
  await lms.forgetCalls()
  await operations.replay({ ids: [id], by: 'alice' })
  hold.release()
  await until('the enrollment', async () => ((await stateOf(id)) === 'enrolled' ? true : undefined))
  const changes = (await lms.calls()).filter(({ method, path }) => method === 'POST' && path === UNENROLL)
  assert.deepEqual([changes, await activeOf('alice@example.com')], [[], true])
})

test('an order that a replay came after ends without touching the LMS', async () => {
  const id = await sold('erin@example.com')
  await product.context.database.db
    .insertInto('holds')
    .values({ name: 'erin@example.com', replica: 'other', late_at: null })
    .execute()
  await operations.withdraw({ id, ...order })
  await operations.replay({ ids: [id], by: 'alice' })
  await lms.forgetCalls()
  await product.context.database.db.deleteFrom('holds').execute()
  await until('the enrollment', async () => ((await stateOf(id)) === 'enrolled' ? true : undefined))
  const last = (await operations.timeline(id)).findLast(({ kind }) => kind === 'withdrawal_ended')
  assert.match(last?.detail ?? '', /sent again or replayed/)
  const changes = (await lms.calls()).filter(({ method, path }) => method === 'POST' && path === UNENROLL)
  assert.deepEqual([changes, await activeOf('erin@example.com')], [[], true])
})

test('an enrollment that an LMS reports as gone and that still stands is tried again', async () => {
  const id = await sold('alice@example.com')
  const course = { course_id: DEMO, course_modes: [] }
  const answer = {
    user: 'alice',
    is_active: false,
    mode: 'audit',
    created: '2026-01-01T00:00:00Z',
    course_details: course,
  }
  await lms.faults([{ path: UNENROLL, status: 200, body: answer, times: 1 }])
  await operations.withdraw({ id, ...order })
  await until('a failed attempt', async () =>
    (await withdrawalsShown(operations, id))[0]?.attempts ? true : undefined,
  )
  await bringForward(id)
  await ended(product, id)
  assert.equal(await activeOf('alice@example.com'), false)
})

test('an allowance that an LMS reports as deleted and that is still there is tried again', async () => {
  const id = await sold('new@example.com')
  await lms.faults([{ method: 'DELETE', path: '/api/enrollment/v1/enrollment_allowed/', status: 204, times: 1 }])
  await operations.withdraw({ id, ...order })
  await until('a failed attempt', async () =>
    (await withdrawalsShown(operations, id))[0]?.attempts ? true : undefined,
  )
  await bringForward(id)
  await ended(product, id)
  assert.deepEqual([await stateOf(id), (await lms.state()).allowances], ['withdrawn', []])
})

/** Makes the next attempt of an order due now. */
async function bringForward(id: string): Promise<void> {
  const open = product.context.database.db.updateTable('delivery_lines').where('withdrawal_state', '=', 'open')
  await open.set({ withdrawal_at: 0 }).where('delivery_id', '=', id).execute()
}
