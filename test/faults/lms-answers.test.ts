import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { type Product, startProduct } from '../harness.ts'
import { BULK } from '../service/serving.ts'
import { endless, page, type Reply, startDoor } from './door.ts'
import { createLedger, type Ledger } from './ledger.ts'
import { deliveriesIn, sales, untilNothingWaits, WORLD } from './load.ts'

const BULK_CALL = { method: 'POST', path: BULK, times: 2 }
const TOKEN = '/oauth2/access_token'
const A_COURSE = { path: '/api/courses/v1/courses/{id}', times: 1 }
const A_TOKEN = { path: TOKEN, times: 1 }
const HTML = '<html>Welcome</html>'
const SALES = 30

const isRetry = ({ event }: Record<string, unknown>): boolean => event === 'retry_scheduled'
const isAboutLms = ({ msg }: Record<string, unknown>): boolean => String(msg).startsWith('the LMS ')

/** The service before a stand-in; the way between them can be disturbed. */
async function setUp(t: TestContext) {
  const door = await startDoor(t)
  const env = { LERNITO_LMS_URL: door.url, LERNITO_ANSWER_WITHIN_MS: '20000' }
  const product = await startProduct({ lms: { world: WORLD }, env })
  t.after(() => product.stop())
  door.leadsTo(product.lmsUrl)
  const ledger = createLedger({ before: await product.lms.state() })
  return { ...product, door, ledger, database: `sqlite:${join(product.folder, 'lernito.db')}` }
}

const sellAll = (to: { url: string; ledger: Ledger }) =>
  Promise.all(sales({ name: 'sale', count: SALES }).map((sale) => to.ledger.sell(to.url, sale)))

const callsTo = async ({ lms }: Product, path: string, status: number): Promise<number> =>
  (await lms.calls())
    .filter((one) => one.path === path && one.status === status)
    .reduce((sum, one) => sum + one.count, 0)

describe('an answer of the LMS that is no good', { concurrency: 6, timeout: 120_000 }, () => {
  const FAULTS: Readonly<Record<string, object>> = {
    'a bulk call dropped before its effect': { ...BULK_CALL, drop: 'before' },
    'a bulk call dropped after its effect': { ...BULK_CALL, drop: 'after' },
    'a slow bulk call': { ...BULK_CALL, delayMs: 2000 },
    'HTML for JSON from bulk_enroll': { ...BULK_CALL, status: 200, body: HTML },
    'wrong JSON from bulk_enroll': { ...BULK_CALL, status: 200, body: { courses: {} } },
    'a list for an object from bulk_enroll': { ...BULK_CALL, status: 200, body: [] },
    '3 MB from bulk_enroll': { ...BULK_CALL, status: 200, body: 'x'.repeat(3_000_000) },
    'a course dropped': { ...A_COURSE, drop: 'after' },
    'HTML for a course': { ...A_COURSE, status: 200, body: HTML },
    'wrong JSON for a course': { ...A_COURSE, status: 200, body: { course_id: 'nonsense' } },
    '500 for a course': { ...A_COURSE, status: 500 },
    'the token dropped': { ...A_TOKEN, drop: 'before' },
    'HTML for a token': { ...A_TOKEN, status: 200, body: HTML },
  }
  for (const [name, fault] of Object.entries(FAULTS)) {
    test(`${name}: tried again by itself, all are enrolled, and the link stays up`, async (t) => {
      const product = await setUp(t)
      await product.lms.faults([fault])
      await sellAll(product)
      await untilNothingWaits(product.database)
      assert.equal(product.ledger.close(name, await product.lms.state()).answered(200), SALES)
      // A failed batch is sent again in halves, and may need no retry.
      if (!('path' in fault && fault.path === BULK)) assert.ok(product.log.some(isRetry))
      assert.deepEqual(product.log.filter(isAboutLms), [])
    })
  }

  test('an endless answer is cut off at 2 MiB; all are enrolled later', async (t) => {
    const product = await setUp(t)
    const email = 'endless@example.com'
    product.door.onKnock(({ method, path, body }) =>
      method === 'POST' && path === BULK && body.includes(email) && !product.log.some(isRetry) ? endless : null,
    )
    await Promise.all([sellAll(product), product.ledger.sell(product.url, { email })])
    await untilNothingWaits(product.database)
    assert.equal(product.ledger.close('endless answers', await product.lms.state()).answered(200), SALES + 1)
    const words = product.log.map(({ detail }) => String(detail))
    assert.ok(words.some((detail) => detail.includes('its answer is larger than 2 MiB')))
  })

  test('500 for whatever names one person: the others get through by halving, and the link stays up', async (t) => {
    const product = await setUp(t)
    const poison = 'poison@example.com'
    let failed = 0
    product.door.onKnock(({ method, body }): Reply | null => {
      if (method !== 'POST' || !body.includes(poison)) return null
      failed++
      return page(500)
    })
    await product.lms.faults([{ ...A_COURSE, delayMs: 3000 }]) // so that all go together
    const people = Array.from({ length: 40 }, (_, i) => `other${i}@example.com`).toSpliced(20, 0, poison)
    const answers = await Promise.all(people.map((email) => product.ledger.sell(product.url, { email })))
    assert.equal(answers.filter((answered) => answered?.status === 200).length, 40)
    assert.ok(failed >= 5, `${failed} calls failed`) // from 41 down to one
    const others = (await deliveriesIn(product.database)).filter(({ email }) => email !== poison)
    assert.deepEqual(new Set(others.map(({ attempts }) => attempts)), new Set([0]))
    const waiting = (await deliveriesIn(product.database)).filter(({ state }) => state === 'queued')
    assert.deepEqual(
      waiting.map(({ email }) => email),
      [poison],
    )
    assert.ok((waiting[0]?.attempts ?? 0) >= 1)
    assert.deepEqual(product.log.filter(isAboutLms), [])
    product.door.onKnock(() => null)
    // Sent again it is tried at once.
    await product.ledger.sell(product.url, { email: poison })
    await untilNothingWaits(product.database)
    product.ledger.close('500 for one person among 41', await product.lms.state(), `, calls that failed ${failed}`)
  })

  test('a token revoked in the middle is renewed once, and nobody notices', async (t) => {
    const product = await setUp(t)
    await sellAll(product)
    await product.lms.faults([{ method: 'POST', path: BULK, status: 401, times: 1 }])
    await sellAll(product)
    const { answered } = product.ledger.close('a token revoked in the middle', await product.lms.state())
    assert.equal(answered(200), 2 * SALES)
    assert.equal(await callsTo(product, TOKEN, 200), 2)
    assert.equal(await callsTo(product, BULK, 401), 2) // one of them by us, without a token, to see whether it is there
    assert.deepEqual(
      product.log.filter(({ level }) => level !== 'info'),
      [],
    )
  })
})
