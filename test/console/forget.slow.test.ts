import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createForget } from '../../src/console/forget.ts'
import { createAvailability } from '../../src/database/availability.ts'
import type { Database } from '../../src/database/dialect.ts'
import { storeRefund } from '../../src/queue/withdrawals/store-refund.ts'
import { AppError } from '../../src/service/lib/errors.ts'
import { lmsAt } from '../enroll/lms-at.ts'
import { operationsOn } from '../enroll/withdraw/withdrawing.ts'
import { DEMO, startProduct } from '../harness.ts'
import { BULK } from '../service/serving.ts'

const EMAIL = 'ada@x.example'
const order = { email: EMAIL, by: 'admin', allowances: false }
const nothing = { kind: 'forgotten', deliveries: 0, allowances: null, clean: true, failure: null }

/** A product whose delayed calls to the LMS hang until `release`, and the way to erase people over another connection. */
async function start(t: TestContext, { waitMs, vacuum }: { waitMs: number; vacuum?: Database['vacuum'] }) {
  const arrived = Promise.withResolvers<void>()
  const held = Promise.withResolvers<void>()
  const sleep = async (ms: number): Promise<void> => {
    if (ms === 0) return
    arrived.resolve()
    await held.promise
  }
  const product = await startProduct({ lms: { sleep }, env: { LERNITO_ANSWER_WITHIN_MS: '500' } })
  const { context, close } = operationsOn(`sqlite:${product.folder}/lernito.db`)
  const { database } = context
  const lms = lmsAt(product.lmsUrl)
  t.after(async () => {
    held.resolve()
    await lms.close()
    await close()
    await product.stop()
  })
  const { guard } = createAvailability({ database, onChange: () => {} })
  const errors: unknown[] = []
  const forget = createForget({
    database: { ...database, vacuum: vacuum ?? database.vacuum },
    context,
    guard,
    calls: { lms, acquire: async () => assert.fail('no order is about allowances') },
    onForgetFailed: (error) => errors.push(error),
    waitMs,
  })
  const holdCall = async (): Promise<void> => {
    await product.lms.faults([{ path: BULK, method: 'POST', delayMs: 1, times: 1 }])
    void product.sell({ email: EMAIL })
    await arrived.promise
  }
  return { ...product, context, forget, holdCall, release: held.resolve, errors }
}

test('an order that takes longer than its page waits continues, and the same order again gets its result', async (t) => {
  const { forget, holdCall, release } = await start(t, { waitMs: 50 })
  await holdCall()
  assert.deepEqual(await forget(order), { kind: 'in_progress' })
  assert.deepEqual(await forget({ ...order, email: EMAIL.toUpperCase() }), { kind: 'in_progress' })
  release()
  const ended = async () => {
    for (;;) {
      const answer = await forget(order) // on a busy machine, also an order with nothing to do takes longer
      if (answer.kind !== 'in_progress') return answer
    }
  }
  assert.deepEqual(await ended(), { ...nothing, deliveries: 1 })
  assert.deepEqual(await ended(), nothing)
})

test('a person who is still to be taken out of a course is not erased, and the page says for which delivery', async (t) => {
  const { lms, sell, context, forget } = await start(t, { waitMs: 10_000 })
  const { headers } = await sell({ email: EMAIL })
  await lms.faults([{ path: '/api/user/v1/accounts', status: 500, body: 'no' }])
  await storeRefund(context, { request: { email: EMAIL, courseIds: [DEMO] }, digest: 'digest' })
  const answer = await forget(order)
  assert.ok(answer.kind === 'refused' && answer.message.includes(String(headers['x-lernito-delivery'])))
})

test('what fails after its page was answered is reported once, and the order can be repeated', async (t) => {
  const failure = new Error('the disk is full')
  const failed = Promise.withResolvers<never>()
  const arrived = Promise.withResolvers<void>()
  const vacuum = (): Promise<never> => {
    arrived.resolve()
    return failed.promise
  }
  const { forget, errors } = await start(t, { waitMs: 50, vacuum })
  assert.deepEqual([await forget(order), await forget(order)], [{ kind: 'in_progress' }, { kind: 'in_progress' }])
  await arrived.promise
  failed.reject(failure)
  await assert.rejects(forget(order), failure)
  assert.deepEqual(errors, [failure])
})

test('another reader of the file leaves traces in it, and that is no failure', async (t) => {
  const busy = new AppError('database.busy', 'busy')
  const { forget } = await start(t, { waitMs: 60_000, vacuum: () => Promise.reject(busy) })
  assert.deepEqual(await forget(order), { ...nothing, clean: false })
})
