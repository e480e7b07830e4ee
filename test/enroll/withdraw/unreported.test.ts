import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withdrawableOf } from '../../../src/queue/withdrawals/withdrawable.ts'
import { newLine, type Standing } from '../../../src/sale/line.ts'
import type { DeliveryState } from '../../../src/sale/types.ts'
import { type Buyer, DEMO, payload } from '../../harness.ts'
import { until } from '../../service/process.ts'
import { BULK, UNENROLL } from '../../service/serving.ts'
import { startWithHeldCalls } from './held-calls.ts'
import { refund as post } from './refunding.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const FULL = 'course-v1:Lernito+Full+2026'
const ALICE = 'alice@example.com'

const product = await startWithHeldCalls({ answerWithinMs: 2000 })
const { lms, db, sell, sold, stateOf, operations, activeIn, log, allEnded } = product
const refund = (buyer: Buyer & { sale?: unknown }) => post({ url: product.url, ...buyer })

/** No look-up of a person succeeds, so attempts fail before they change anything. */
const NO_ACCOUNT = [{ method: 'GET', path: '/api/user/v1/accounts', status: 500, body: 'no' }]
const NO_ACCOUNTS = [...NO_ACCOUNT, { path: '/api/user/v1/accounts/search_emails', status: 500, body: 'no' }]
/** The LMS answers 500. Whether it has kept a part of the call, nobody knows. */
const UNKNOWN = [BULK, UNENROLL].map((path) => ({ method: 'POST', path, status: 500, body: 'no' }))
const enroll = (courses: readonly string[]) =>
  lms.seed({ enrollments: courses.map((course) => ({ email: ALICE, course, mode: 'audit', active: true })) })

/** Sells two courses, of which the LMS enrolls in the first and refuses the second. */
async function soldInPart(courseIds: readonly string[]): Promise<string> {
  await lms.faults([{ path: BULK, error: true, naming: FULL }])
  const id = await sold(ALICE, [...courseIds])
  assert.deepEqual([await stateOf(id), await activeIn(ALICE)], ['needs_attention', [DEMO]])
  await lms.faults(NO_ACCOUNTS)
  return id
}

test('what the buyer is known to be out of can’t be withdrawn, nor what a withdrawn sale may have done', () => {
  const request = payload({ email: ALICE })
  const withdrawable = (state: DeliveryState, standing?: Standing) => {
    const seen = standing === undefined ? null : { standing, mode: null, checkedAt: 0, since: 0 }
    const row = {
      id: 'x',
      state,
      request,
      may_have_effect: 1,
      effect_unknown: 0,
      replaced_by: null,
      lines: [{ ...newLine(DEMO), standing: seen }],
    }
    return withdrawableOf(row)?.courses.length
  }
  assert.deepEqual([withdrawable('needs_attention'), withdrawable('withdrawn')], [1, 0])
  assert.deepEqual([withdrawable('enrolled', 'missing'), withdrawable('enrolled', 'unenrolled')], [0, 0])
})

for (const again of ['sent again', 'replayed'] as const) {
  test(`a refund takes out of what an earlier attempt reported, after the sale was ${again} and not attempted since`, async () => {
    const courseIds = [DEMO, FULL]
    const id = await soldInPart(courseIds)
    if (again === 'sent again') await sell({ email: ALICE, courseIds })
    else await operations.replay({ ids: [id], by: 'alice' })
    assert.equal(await stateOf(id), 'queued')
    await lms.noFaults()
    const { status, json } = await refund({ email: ALICE, courseIds })
    assert.deepEqual([status, await activeIn(ALICE)], [200, []], JSON.stringify([json, await log(id)]))
  })
}

test('the refund of a sale that kept a course for its buyer takes the buyer out, even if it was never attempted', async () => {
  const first = await sold(ALICE, [DEMO])
  await lms.faults([{ method: 'GET', naming: 'PY101', status: 500, body: 'no' }])
  const second = await sold(ALICE, [DEMO, PYTHON])
  assert.equal(await stateOf(second), 'queued')
  await lms.noFaults()
  const one = await refund({ email: ALICE, courseIds: [DEMO], sale: first })
  const two = await refund({ email: ALICE, courseIds: [DEMO, PYTHON], sale: second })
  assert.deepEqual([one.status, two.status, await activeIn(ALICE)], [200, 200, []], await log(second))
})

test('a refund takes out of what a batch with an error may have enrolled in', async () => {
  await lms.faults([{ path: BULK, error: true, naming: PYTHON }, ...NO_ACCOUNT])
  const courseIds = [DEMO, PYTHON]
  const id = await sold(ALICE, courseIds)
  assert.deepEqual([await stateOf(id), await activeIn(ALICE)], ['queued', [DEMO]])
  await lms.noFaults()
  const { status, json } = await refund({ email: ALICE, courseIds })
  assert.deepEqual([status, await activeIn(ALICE)], [200, []], JSON.stringify([json, await log(id)]))
})

test('a sale is withdrawn when the last of its refunds has ended, and each of them looks at its course', async () => {
  await lms.faults(UNKNOWN)
  const id = await sold(ALICE, [DEMO, PYTHON])
  await enroll([DEMO, PYTHON])
  await lms.faults(NO_ACCOUNTS)
  await refund({ email: ALICE, courseIds: [DEMO], sale: id })
  await refund({ email: ALICE, courseIds: [PYTHON], sale: id })
  await lms.noFaults()
  await allEnded()
  assert.deepEqual([await stateOf(id), await activeIn(ALICE)], ['withdrawn', []], await log(id))
})

test('what an earlier attempt may have done is looked at, even if the rest of its sale is refused in between', async () => {
  await lms.faults(UNKNOWN)
  const id = await sold(ALICE, [DEMO, FULL])
  await enroll([DEMO])
  await lms.noFaults()
  await refund({ email: ALICE, courseIds: [DEMO], sale: id })
  await until('the refusal', async () => (await stateOf(id)) === 'needs_attention' || undefined)
  await allEnded()
  assert.deepEqual(await activeIn(ALICE), [], await log(id))
})

for (const fails of [false, true]) {
  const result = fails ? 'fails' : 'is carried out'
  test(`a sale whose buyer has none of its courses is not enrolled while a refund of it is open, which ${result}`, async () => {
    await lms.faults([{ path: BULK, naming: PYTHON, status: 500, body: 'no' }])
    const id = await sold(ALICE, [DEMO, PYTHON])
    assert.equal(await stateOf(id), 'queued')
    await lms.faults([{ method: 'GET', naming: 'PY101', status: 500, body: 'no' }])
    assert.equal((await refund({ email: ALICE, courseIds: [PYTHON], sale: id })).status, 202)
    await until('the other course', async () => (await stateOf(id)) === 'enrolled' || undefined)
    assert.equal((await refund({ email: ALICE, courseIds: [DEMO], sale: id })).status, 200)
    assert.deepEqual([await activeIn(ALICE), await stateOf(id)], [[], 'handled'], await log(id))
    if (fails) await db.updateTable('delivery_lines').set({ withdrawal_attempts: 1000 }).execute()
    else await lms.noFaults()
    await allEnded()
    assert.equal(await stateOf(id), fails ? 'handled' : 'withdrawn', await log(id))
  })
}
