import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { type Product, startProduct } from '../harness.ts'
import { BULK } from '../service/serving.ts'
import { endless, page, type Reply, startFaultProxy } from './fault-proxy.ts'
import { createLedger, type Ledger } from './ledger.ts'
import { deliveriesIn, PATIENT, sales, untilAllSettled, WORLD } from './load.ts'

const BULK_CALL = { method: 'POST', path: BULK, times: 2 }
const TOKEN = '/oauth2/access_token'
const A_COURSE = { path: '/api/courses/v1/courses/{id}', times: 1 }
const A_TOKEN = { path: TOKEN, times: 1 }
const HTML = '<html>Welcome</html>'
const SALES = 30

const isRetry = ({ event }: Record<string, unknown>): boolean => event === 'retry_scheduled'
const isAboutLms = ({ msg }: Record<string, unknown>): boolean => String(msg).startsWith('the LMS ')

/** Starts the service and a stand-in LMS with a fault proxy between them. */
async function setUp(t: TestContext) {
  const proxy = await startFaultProxy(t)
  const env = { LERNITO_LMS_URL: proxy.url, ...PATIENT }
  const product = await startProduct({ lms: { world: WORLD }, env })
  t.after(() => product.stop())
  proxy.forwardTo(product.lmsUrl)
  const ledger = createLedger({ before: await product.lms.state() })
  return { ...product, proxy, ledger, database: `sqlite:${join(product.folder, 'lernito.db')}` }
}

const sellAll = (to: { url: string; ledger: Ledger }) =>
  Promise.all(sales({ name: 'sale', count: SALES }).map((sale) => to.ledger.sell(to.url, sale)))

const callsTo = async ({ lms }: Product, path: string, status: number): Promise<number> =>
  (await lms.calls())
    .filter((one) => one.path === path && one.status === status)
    .reduce((sum, one) => sum + one.count, 0)

describe('a bad answer of the LMS', { concurrency: 6, timeout: 600_000 }, () => {
  const FAULTS: Readonly<Record<string, object>> = {
    'a bulk call dropped before its effect': { ...BULK_CALL, drop: 'before' },
    'a bulk call dropped after its effect': { ...BULK_CALL, drop: 'after' },
    'a slow bulk call': { ...BULK_CALL, delayMs: 2000 },
    'HTML instead of JSON from bulk_enroll': { ...BULK_CALL, status: 200, body: HTML },
    'wrong JSON from bulk_enroll': { ...BULK_CALL, status: 200, body: { courses: {} } },
    'a list instead of an object from bulk_enroll': { ...BULK_CALL, status: 200, body: [] },
    '3 MB from bulk_enroll': { ...BULK_CALL, status: 200, body: 'x'.repeat(3_000_000) },
    'a dropped lookup of a course': { ...A_COURSE, drop: 'after' },
    'HTML instead of a course': { ...A_COURSE, status: 200, body: HTML },
    'wrong JSON for a course': { ...A_COURSE, status: 200, body: { course_id: 'nonsense' } },
    '500 for a course': { ...A_COURSE, status: 500 },
    'a dropped token request': { ...A_TOKEN, drop: 'before' },
    'HTML instead of a token': { ...A_TOKEN, status: 200, body: HTML },
  }
  for (const [name, fault] of Object.entries(FAULTS)) {
    test(`${name} is retried, all buyers are enrolled, and the circuit breaker stays closed`, async (t) => {
      const product = await setUp(t)
      await product.lms.faults([fault])
      await sellAll(product)
      await untilAllSettled(product.database)
      assert.equal(product.ledger.close(name, await product.lms.state()).answered(200), SALES)
      // A failed batch is sent again in halves, and may need no retry.
      if (!('path' in fault && fault.path === BULK)) assert.ok(product.log.some(isRetry))
      assert.deepEqual(product.log.filter(isAboutLms), [])
    })
  }

  test('an endless answer is cut off at 2 MiB, and all buyers are enrolled later', async (t) => {
    const product = await setUp(t)
    const email = 'endless@example.com'
    product.proxy.onCall(({ method, path, body }) =>
      method === 'POST' && path === BULK && body.includes(email) && !product.log.some(isRetry) ? endless : null,
    )
    await Promise.all([sellAll(product), product.ledger.sell(product.url, { email })])
    await untilAllSettled(product.database)
    assert.equal(product.ledger.close('endless answers', await product.lms.state()).answered(200), SALES + 1)
    const details = product.log.map(({ detail }) => String(detail))
    assert.ok(details.some((detail) => detail.includes('its answer is larger than 2 MiB')))
  })

  test('if every call that names one person gets 500, halved batches enroll the others and the circuit breaker stays closed', async (t) => {
    const product = await setUp(t)
    const failing = 'failing@example.com'
    let failed = 0
    product.proxy.onCall(({ method, body }): Reply | null => {
      if (method !== 'POST' || !body.includes(failing)) return null
      failed++
      return page(500)
    })
    await product.lms.faults([{ ...A_COURSE, delayMs: 3000 }]) // so that all go in one batch
    const people = Array.from({ length: 40 }, (_, i) => `other${i}@example.com`).toSpliced(20, 0, failing)
    const answers = await Promise.all(people.map((email) => product.ledger.sell(product.url, { email })))
    assert.equal(answers.filter((answered) => answered?.status === 200).length, 40)
    assert.ok(failed >= 5, `${failed} calls failed`) // from 41 down to one
    const others = (await deliveriesIn(product.database)).filter(({ email }) => email !== failing)
    assert.deepEqual(new Set(others.map(({ attempts }) => attempts)), new Set([0]))
    const waiting = (await deliveriesIn(product.database)).filter(({ state }) => state === 'queued')
    assert.deepEqual(
      waiting.map(({ email }) => email),
      [failing],
    )
    assert.ok((waiting[0]?.attempts ?? 0) >= 1)
    assert.deepEqual(product.log.filter(isAboutLms), [])
    product.proxy.onCall(() => null)
    // A repeat is attempted at once.
    await product.ledger.sell(product.url, { email: failing })
    await untilAllSettled(product.database)
    product.ledger.close('500 for one person among 41', await product.lms.state(), `, calls that failed ${failed}`)
  })

  test('a revoked token is renewed once, without a retry', async (t) => {
    const product = await setUp(t)
    await sellAll(product)
    await product.lms.faults([{ method: 'POST', path: BULK, status: 401, times: 1 }])
    await sellAll(product)
    const { answered } = product.ledger.close('a revoked token', await product.lms.state())
    assert.equal(answered(200), 2 * SALES)
    assert.equal(await callsTo(product, TOKEN, 200), 2)
    assert.equal(await callsTo(product, BULK, 401), 2) // one of them is the check for bulk_enroll, without a token
    assert.deepEqual(
      product.log.filter(({ level }) => level !== 'info'),
      [],
    )
  })
})
