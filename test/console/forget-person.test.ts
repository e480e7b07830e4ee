import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forgetPerson } from '../../src/console/forget-person.ts'
import { unlimitedBudget } from '../../src/lms/client/budget.ts'
import { lmsAt } from '../enroll/lms-at.ts'
import { LATE, startWithHeldCalls } from '../enroll/withdraw/held-calls.ts'
import { post as postTo, standard } from '../enroll/withdraw/refunding.ts'
import { DEMO, payload } from '../harness.ts'
import { until } from '../service/process.ts'
import { BULK } from '../service/serving.ts'

const EMAIL = 'new@example.com'
const product = await startWithHeldCalls({ answerWithinMs: 500, landsMs: 1500 })
const { lms, hold, sell, context, url, stateOf } = product
const client = lmsAt(product.lmsUrl)
const ALLOWANCE = '/api/enrollment/v1/enrollment_allowed/'
const allowed = async (): Promise<string[]> =>
  (await lms.state()).allowances.filter(({ email }) => email === EMAIL).map(({ course }) => course)
const stored = async (): Promise<string[]> =>
  (await context.database.db.selectFrom('deliveries').select('id').execute()).map(({ id }) => id)
const forgotten = (onWait: () => void = () => {}) =>
  forgetPerson({
    context,
    vacuum: context.database.vacuum,
    email: EMAIL,
    by: 'alice',
    compact: false,
    calls: { lms: client, acquire: () => unlimitedBudget().acquire(new AbortController().signal) },
    onWait,
  })

test('an allowance that the LMS makes after it was given up is deleted, too: forgetting waits for it', async () => {
  await lms.faults([{ ...LATE, path: BULK }])
  const arrived = hold.arrived()
  await sell({ email: EMAIL })
  await arrived
  await until('the call to be given up', async () => {
    const late = context.database.db.selectFrom('holds').select('name').where('late_at', 'is not', null)
    return (await late.execute()).length > 0 || undefined
  })
  let waits = 0
  const erased = forgotten(() => {
    waits += 1
    hold.release() // now the LMS carries it out
  })
  await erased
  assert.deepEqual([waits, await allowed(), await stored()], [1, [], []])
})

test('a sale that comes while the allowances are deleted keeps its own', async () => {
  await sell({ email: EMAIL })
  assert.deepEqual(await allowed(), [DEMO])
  await lms.faults([{ method: 'DELETE', path: ALLOWANCE, delayMs: 1, times: 1 }])
  const arrived = hold.arrived()
  const erasing = forgotten()
  await arrived
  const { headers, status } = await sell({ email: EMAIL, name: 'Again' })
  assert.equal(status, 500, 'it waits')
  hold.release()
  assert.deepEqual(await erasing, { deliveries: 1, allowances: 1, clean: true, failure: null })
  const id = String(headers['x-lernito-delivery'])
  await until('the sale', async () => ((await stateOf(id)) === 'pre_enrolled' ? true : undefined))
  assert.deepEqual([await allowed(), await stored()], [[DEMO], [id]])
})

test('a late retry of a refunded sale whose buyer was erased enrolls nobody, and a new webhook-id is a new sale', async () => {
  const body = payload({ email: EMAIL })
  const send = (id: string) => postTo({ url, path: 'webhook', body, headers: standard(body, id) })
  await send('msg_1')
  await product.withdraw((await stored())[0] ?? '')
  await forgotten()
  const { status, json, headers } = await send('msg_1')
  assert.deepEqual([status, json], [400, { success: false, message: `Course ${DEMO} was withdrawn` }])
  assert.deepEqual([headers['x-lernito-delivery'], await allowed(), await stored()], [undefined, [], []])
  assert.equal((await send('msg_2')).status, 200)
  assert.deepEqual(await allowed(), [DEMO])
})
