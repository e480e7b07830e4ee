import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { z } from 'zod'
import { DEMO, exchange, type Product, startProduct } from '../harness.ts'
import { LMS_KINDS } from '../lms-kinds.ts'
import { until } from '../service/process.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const ON = { LERNITO_EMAIL_STUDENTS: 'on' }
const BATCHES = ['/api/bulk_enroll/v1/bulk_enroll', '/api/instructor/v2/courses/{course_id}/enrollments/modify']

const mails = z.object({
  mails: z.array(z.object({ to: z.string(), course: z.string().optional(), subject: z.string() })),
})

/** The product after a first sale, so that it knows the APIs of its LMS, and a fault meets the next call of one. */
async function start(t: TestContext, options: Parameters<typeof startProduct>[0]): Promise<Product> {
  const product = await startProduct(options)
  t.after(() => product.stop())
  assert.equal((await product.sell({ email: 'erin@example.com' })).status, 200)
  await exchange({ url: `${product.lmsUrl}/sandbox/mails`, method: 'DELETE' })
  return product
}

/** Who got a mail, sorted. */
async function mailed({ lmsUrl }: Product): Promise<string[]> {
  const { text } = await exchange({ url: `${lmsUrl}/sandbox/mails`, method: 'GET' })
  return mails
    .parse(JSON.parse(text))
    .mails.map(({ to }) => to)
    .sort()
}

for (const { kind, lms } of LMS_KINDS.filter(({ lms: apis }) => apis.bulk || apis.modify)) {
  test(`${kind}: each buyer gets one mail for each course, and none when the sale is sent again`, async (t) => {
    const product = await start(t, { lms, env: ON })
    const sale = { email: 'alice@example.com', courseIds: [DEMO, PYTHON] }
    const other = { email: 'new@example.com' }
    for (const one of [sale, other]) assert.equal((await product.sell(one)).status, 200)
    const expected = ['alice@example.com', 'alice@example.com', 'new@example.com']
    assert.deepEqual(await mailed(product), expected)
    for (const one of [sale, other]) assert.equal((await product.sell(one)).status, 200)
    assert.deepEqual(await mailed(product), expected)
  })

  for (const fault of [{ drop: 'after' }, { status: 500 }, { naming: DEMO, error: true }] as const) {
    test(`${kind}: after ${JSON.stringify(fault)}, no later call of the sale mails`, async (t) => {
      const product = await start(t, { lms, env: { ...ON, LERNITO_ANSWER_WITHIN_MS: '20000' } })
      await product.lms.faults(BATCHES.map((path) => ({ method: 'POST', path, times: 1, ...fault })))
      const emails = ['alice@example.com', 'new1@example.com', 'new2@example.com']
      const answers = await Promise.all(emails.map((email) => product.sell({ email })))
      for (const { status } of answers) assert.equal(status, 200)
      const sent = await mailed(product)
      assert.deepEqual(sent, [...new Set(sent)], 'nobody was mailed twice')
    })
  }

  test(`${kind}: a sale whose first calls had no effect mails once the LMS takes one`, async (t) => {
    const product = await start(t, { lms, env: ON })
    await product.lms.faults(BATCHES.map((path) => ({ method: 'POST', path, status: 429, retryAfter: 1, times: 1 })))
    assert.equal((await product.sell({ email: 'new@example.com' })).status, 200)
    assert.deepEqual(await mailed(product), ['new@example.com'])
  })

  test(`${kind}: without the setting, nobody is mailed`, async (t) => {
    const product = await start(t, { lms })
    assert.equal((await product.sell({ email: 'new@example.com' })).status, 200)
    assert.deepEqual(await mailed(product), [])
  })
}

test('a sale that is sent again while the LMS is down mails once', async (t) => {
  const product = await start(t, { env: ON })
  await product.lms.faults([{ status: 503 }])
  const sale = { email: 'new@example.com' }
  for (let i = 0; i < 3; i++) assert.equal((await product.sell(sale)).status, 500)
  await product.lms.noFaults()
  await until('the enrollment', () => product.log.some(({ event }) => event === 'pre_enrolled') || undefined)
  assert.deepEqual(await mailed(product), ['new@example.com'])
})
