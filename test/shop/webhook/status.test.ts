import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { signStandardWebhook } from '../../../src/shop/signature/published.ts'
import { sign } from '../../../src/shop/signature/signature.ts'
import { startWithOperations } from '../../enroll/withdraw/withdrawing.ts'
import { DEMO, exchange, SECRET, signed } from '../../harness.ts'
import { until } from '../../service/process.ts'
import { UNENROLL } from '../../service/serving.ts'

const UNKNOWN = '01KGA000000000000000000001'

async function setUp(t: TestContext) {
  const product = await startWithOperations()
  t.after(() => product.stopAll())
  const url = `${product.url}/api/lernito/status/`
  const post = async (body: string, headers: Record<string, string>) => {
    const answered = await exchange({ url, headers: { 'content-type': 'application/json', ...headers }, body })
    return { status: answered.status, json: JSON.parse(answered.text) }
  }
  const standard: typeof signed = (body) => signStandardWebhook({ id: 'msg_1', body, secret: SECRET })
  const ask = (asked: unknown, sign = signed) => {
    const body = JSON.stringify(asked)
    return post(body, sign(body))
  }
  return { ...product, post, ask, standard, statusUrl: url }
}

test('the shop learns the results of its sales, in the order in which it asks, and which ids are unknown', async (t) => {
  const { sold, ask, standard } = await setUp(t)
  const enrolled = await sold('alice@example.com')
  const missing = await sold('alice@example.com', ['course-v1:No+Such+Course'])
  const common = {
    webhookId: null,
    ended: [],
    withdrawing: [],
    kept: [],
    refundFailed: [],
    replaces: null,
    replacedBy: null,
    test: false,
  }
  const expected = {
    success: true,
    deliveries: [
      {
        id: missing,
        state: 'needs_attention',
        courses: [],
        ...common,
        reason: {
          code: 'course.missing',
          message: 'Course course-v1:No+Such+Course does not exist',
          course: 'course-v1:No+Such+Course',
        },
      },
      { id: enrolled, state: 'enrolled', courses: [{ id: DEMO, result: 'enrolled' }], reason: null, ...common },
    ],
    unknown: [UNKNOWN, 'x', 'ü'],
  }
  const asked = { deliveries: [missing, UNKNOWN, enrolled, 'x', enrolled, 'ü'] }
  assert.deepEqual(await ask(asked), { status: 200, json: expected })
  assert.deepEqual(await ask(asked, standard), { status: 200, json: expected })
})

test('a course that is to be withdrawn is in no other list, until the buyer is out of it', async (t) => {
  const { sold, ask, lms, operations } = await setUp(t)
  const python = 'course-v1:Lernito+PY101+2026'
  const id = await sold('alice@example.com', [DEMO, python])
  await lms.faults([{ path: UNENROLL, status: 502 }])
  await operations.withdraw({ id, courses: [DEMO], paid: false, by: 'alice' })
  const lists = async () => {
    const { courses, withdrawing } = (await ask({ deliveries: [id] })).json.deliveries[0]
    return { courses, withdrawing }
  }
  const courses = [{ id: python, result: 'enrolled' }]
  assert.deepEqual(await lists(), { courses, withdrawing: [DEMO] })
  await lms.noFaults()
  await until('the withdrawal', async () => (await lists()).withdrawing.length === 0 || undefined)
  assert.deepEqual(await lists(), { courses, withdrawing: [] })
})

test('the answer holds no address, name or user name', async (t) => {
  const { sold, ask } = await setUp(t)
  const retired = await sold('retired@example.com')
  const { json } = await ask({ deliveries: [await sold('alice@example.com'), retired] })
  assert.doesNotMatch(JSON.stringify(json), /@example|alice|newcomer|Comer/)
  assert.equal(json.deliveries.length, 2)
})

describe('a wrong request for the status is answered as a wrong webhook is', () => {
  test('without a signature, with a wrong one, or with one of another body: 401, alike for known and unknown ids', async (t) => {
    const { sold, post } = await setUp(t)
    const id = await sold('alice@example.com')
    const signature = sign({ body: '{}', form: 'raw', secret: SECRET })
    const refused = { status: 401, json: { success: false, message: 'Invalid signature' } }
    for (const one of [id, UNKNOWN]) {
      const body = JSON.stringify({ deliveries: [one] })
      assert.deepEqual(await post(body, {}), refused)
      assert.deepEqual(await post(body, { 'x-lernito-signature': signature }), refused)
      assert.deepEqual(await post(body, { 'x-lernito-signature': 'nonsense' }), refused)
    }
  })

  test('wrong fields: 400 by field', async (t) => {
    const { ask } = await setUp(t)
    const complaint = async (asked: unknown) => {
      const { status, json } = await ask(asked)
      assert.equal(status, 400)
      return json
    }
    const wrong = (message: unknown) => ({ success: false, message })
    assert.deepEqual(await complaint({}), wrong({ deliveries: ['This field is required.'] }))
    assert.deepEqual(await complaint({ deliveries: null }), wrong({ deliveries: ['This field may not be null.'] }))
    assert.deepEqual(
      await complaint({ deliveries: 'x' }),
      wrong({ deliveries: ['Expected a list of items but got type "str".'] }),
    )
    assert.deepEqual(await complaint({ deliveries: [] }), wrong({ deliveries: ['This list may not be empty.'] }))
    assert.deepEqual(
      await complaint({ deliveries: ['a', {}, ''] }),
      wrong({ deliveries: { 1: ['Not a valid string.'], 2: ['This field may not be blank.'] } }),
    )
    assert.deepEqual(
      await complaint({ deliveries: Array.from({ length: 101 }, (_, i) => `${i}`) }),
      wrong({ deliveries: ['Ensure this field has no more than 100 elements.'] }),
    )
    assert.deepEqual(
      await complaint([]),
      wrong({ non_field_errors: ['Invalid data. Expected a dictionary, but got list.'] }),
    )
    assert.equal((await ask({ deliveries: Array.from({ length: 100 }, (_, i) => `${i}`) })).status, 200)
  })

  test('wrong method, media type, encoding, JSON and size', async (t) => {
    const { post, statusUrl } = await setUp(t)
    const get = await exchange({ url: statusUrl, method: 'GET' })
    assert.deepEqual([get.status, get.headers.allow], [405, 'POST'])
    const status = async (headers: Record<string, string>, body = '{}') => (await post(body, headers)).status
    assert.equal(await status({ 'content-type': 'text/plain' }), 415)
    assert.equal(await status({ 'content-encoding': 'gzip' }), 415)
    assert.equal(await status({}, '{'), 400)
    assert.equal(await status({}, ' '.repeat(70_000)), 413)
  })
})

test('asking for the status stores nothing', async (t) => {
  const { ask, context } = await setUp(t)
  await ask({ deliveries: [UNKNOWN] })
  assert.deepEqual(await context.database.db.selectFrom('events').selectAll().execute(), [])
  assert.deepEqual(await context.database.db.selectFrom('deliveries').selectAll().execute(), [])
})
