import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEMO } from '../harness.ts'
import { until } from '../service/process.ts'
import { LATE, startWithHeldCalls } from './withdraw/held-calls.ts'

const NEW = 'new@example.com'
const product = await startWithHeldCalls({ answerWithinMs: 1000, landsMs: 5000, apis: { bulk: false, modify: false } })
const { lms, db, hold, sell, stateOf, allEnded } = product

const useless = { email: NEW, course: DEMO, auto_enroll: false, used: false }
const allowances = async () => (await lms.state()).allowances

for (const [how, name] of [
  ['the same sale', 'New'],
  ['another one', 'Newer'],
] as const) {
  test(`an allowance is made again, for ${how} too, only when the LMS can carry out no earlier call that deletes it`, async () => {
    await lms.seed({ allowances: [useless] })
    await lms.faults([{ ...LATE, method: 'DELETE', path: '/api/enrollment/v1/enrollment_allowed/' }])
    const first = await sell({ email: NEW, name: 'New' })
    assert.equal(first.status, 500)
    await db.updateTable('deliveries').set({ due_at: 0 }).execute() // its next attempt has to wait, too
    const again = await sell({ email: NEW, name })
    assert.equal(again.status, 500, 'the shop is not told what the call may undo')
    assert.deepEqual(await allowances(), [useless])
    hold.release()
    await until('the late call', async () => (await allowances()).length === 0 || undefined)
    await allEnded()
    assert.deepEqual(await allowances(), [{ ...useless, auto_enroll: true }])
    for (const { headers } of [first, again]) {
      assert.equal(await stateOf(String(headers['x-lernito-delivery'])), 'pre_enrolled')
    }
  })
}
