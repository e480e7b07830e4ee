import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { forget } from '../../src/operators/changes/forget.ts'
import { startProduct } from '../harness.ts'
import { until } from '../service/process.ts'
import { BULK, holdCalls } from '../service/serving.ts'
import { operationsOn } from './withdraw/withdrawing.ts'

const COURSE = '/api/courses/v1/courses/{id}'
const SEARCH = '/api/user/v1/accounts/search_emails'
const hold = holdCalls()
const product = await startProduct({
  lms: { sleep: hold.sleep },
  env: { LERNITO_ANSWER_WITHIN_MS: '500', LERNITO_LMS_CONCURRENCY: '1' },
})
const { lms, sell } = product
/** A second connection, as a command has it beside the service. */
const { context, operations, close } = operationsOn(`sqlite:${product.folder}/lernito.db`)
after(async () => {
  await close()
  await product.stop()
})
beforeEach(() => lms.reset())

const courseCalls = async (): Promise<number> =>
  (await lms.calls()).filter(({ path }) => path === COURSE).reduce((sum, { count }) => sum + count, 0)
const idOf = ({ headers }: Awaited<ReturnType<typeof sell>>): string => String(headers['x-lernito-delivery'])
const stateOf = async (id: string) => (await operations.show(id))?.state
/** Senders wait 500 ms only, because some are to wait in vain; on a busy machine an attempt may take longer. */
const untilPreEnrolled = async (...ids: string[]): Promise<unknown> =>
  until('the end of the attempts', async () => {
    const states = await Promise.all(ids.map(stateOf))
    return states.every((state) => state === 'pre_enrolled') || undefined
  })

test('a repeat uses the cached course; a replay asks the LMS again, once for all deliveries', async () => {
  const id = idOf(await sell({ email: 'one@example.com' }))
  const other = idOf(await sell({ email: 'two@example.com' }))
  await untilPreEnrolled(id, other)
  await lms.forgetCalls()
  await sell({ email: 'one@example.com' })
  await untilPreEnrolled(id)
  assert.equal(await courseCalls(), 0)
  await operations.replay({ ids: [id, other], by: 'alice' })
  await untilPreEnrolled(id, other)
  assert.equal(await courseCalls(), 1)
})

test('a batch call names nobody whose hold another replica has taken since the attempt began', async () => {
  hold.renew()
  await lms.faults([{ path: SEARCH, delayMs: 1, times: 1 }]) // after the attempt has begun, before the batch
  const [lost] = await Promise.all([sell({ email: 'lost@example.com' }), hold.arrived()])
  const { db } = context.database
  await db.insertInto('replicas').values({ id: 'another', seen_at: Date.now() }).execute() // it lives
  await db.updateTable('holds').set({ replica: 'another' }).where('name', '=', 'lost@example.com').execute()
  await lms.forgetCalls()
  hold.release()
  await sell({ email: 'next@example.com' })
  await until('the next one', async () => (await lms.state()).allowances.length > 0 || undefined)
  assert.deepEqual(
    (await lms.state()).allowances.map(({ email }) => email),
    ['next@example.com'],
  )
  await db.deleteFrom('replicas').where('id', '=', 'another').execute()
  await untilPreEnrolled(idOf(lost)) // since its replica lives no more
})

for (const [what, end] of Object.entries({
  handled: async (id: string): Promise<unknown> =>
    operations.markHandled({ id, as: 'settled', note: 'by hand', by: 'alice' }),
  erased: async (): Promise<unknown> => forget(context, { email: 'waits@example.com', by: 'alice' }),
})) {
  test(`a delivery that is ${what} while it waits for its call is not enrolled`, async () => {
    hold.renew()
    await lms.faults([{ path: BULK, delayMs: 1, times: 1 }])
    const first = sell({ email: 'first@example.com' })
    await hold.arrived() // and only one call runs at once
    const [waiting, going] = await Promise.all(
      ['waits@example.com', 'goes@example.com'].map((email) => sell({ email })),
    )
    assert(waiting && going)
    await end(idOf(waiting))
    hold.release()
    await first
    await untilPreEnrolled(idOf(going))
    const { allowances } = await lms.state()
    assert.deepEqual(
      allowances.map(({ email }) => email),
      ['first@example.com', 'goes@example.com'],
    )
    assert.equal(await stateOf(idOf(waiting)), what === 'handled' ? 'handled' : undefined)
  })
}

test('a sender whose delivery an operator handles in the meantime gets no success', async () => {
  hold.renew()
  await lms.faults([{ path: BULK, delayMs: 1, times: 1 }])
  const sold = sell({ email: 'first@example.com' })
  await hold.arrived()
  const [found] = (await operations.list({ filter: { email: 'first@example.com' } })).items
  const marked = operations.markHandled({ id: found?.id ?? '', as: 'settled', note: 'by hand', by: 'alice' })
  await until('the mark', async () => ((await stateOf(found?.id ?? '')) === 'handled' ? true : undefined))
  hold.release()
  await marked
  const { status, json } = await sold
  assert.deepEqual([status, json], [500, { success: false, message: 'Internal server error' }])
  await until('the end of the call', async () => ((await lms.state()).allowances.length > 0 ? true : undefined))
  assert.equal(await stateOf(found?.id ?? ''), 'handled')
})
