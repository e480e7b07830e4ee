import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEMO } from '../../harness.ts'
import { until } from '../../service/process.ts'
import { UNENROLL } from '../../service/serving.ts'
import { adaIn, LATE, NEW, OLD, startWithHeldCalls } from './held-calls.ts'
import { refund as post } from './refunding.ts'

const apis = { bulk: false, modify: false }
const product = await startWithHeldCalls({ answerWithinMs: 1500, landsMs: 4000, apis })
const { lms, hold, sell, stateOf, allEnded, log, url, operations } = product
const { register, move, activeIn } = adaIn(product)
const refund = (email: string) => post({ url, email })

/** Sells a course by a call whose answer is lost, and whose buyer changes the address before the next attempt. */
async function sellLost(fault: object): Promise<string> {
  await register()
  await lms.faults([fault])
  const { headers } = await sell({ email: OLD })
  const id = String(headers['x-lernito-delivery'])
  await until('the end of the call', async () => (await product.kinds(id)).includes('retry_scheduled') || undefined)
  await move()
  return id
}
const LOST = { method: 'POST', path: UNENROLL, drop: 'after', times: 1 }

test('the account that a call has named is looked at after its answer was lost, wherever its address went', async () => {
  const id = await sellLost(LOST)
  await allEnded()
  assert.deepEqual([await stateOf(id), await activeIn()], ['enrolled', [`${NEW} ${DEMO}`]], await log(id))
  assert.deepEqual((await lms.state()).allowances, [], 'the deserted address gets none')
  await refund(OLD)
  await allEnded()
  assert.deepEqual([await stateOf(id), await activeIn()], ['withdrawn', []])
})

test('while the call may still be carried out, nobody at the deserted address gets the course', async () => {
  const id = await sellLost({ ...LATE, path: UNENROLL })
  await operations.replay({ ids: [id], by: 'alice' })
  await until('a look', async () => (await log(id)).includes('may still carry out an earlier call') || undefined)
  assert.deepEqual([await activeIn(), (await lms.state()).allowances], [[], []])
  hold.release()
  await until('the late call', async () => (await activeIn()).length === 1 || undefined)
  await allEnded()
  assert.deepEqual([await stateOf(id), await activeIn()], ['enrolled', [`${NEW} ${DEMO}`]], await log(id))
  assert.deepEqual((await lms.state()).allowances, [])
})

test('a refund takes out the account that a call has named, if nobody learned what came of the call', async () => {
  const id = await sellLost(LOST)
  await refund(OLD)
  await allEnded()
  assert.deepEqual([await activeIn(), await stateOf(id)], [[], 'withdrawn'], await log(id))
})

test('the sale comes again, which clears no doubt: the account is looked at all the same', async () => {
  const id = await sellLost(LOST)
  await sell({ email: OLD })
  await allEnded()
  assert.deepEqual([await stateOf(id), await activeIn()], ['enrolled', [`${NEW} ${DEMO}`]], await log(id))
  assert.deepEqual((await lms.state()).allowances, [])
})
