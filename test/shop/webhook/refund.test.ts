import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import { openDatabase } from '../../../src/database/database.ts'
import { post, standard } from '../../enroll/withdraw/refunding.ts'
import { startWithOperations } from '../../enroll/withdraw/withdrawing.ts'
import { DEMO, exchange, payload, signed, startProduct } from '../../harness.ts'
import { withdrawalsIn } from '../../lines.ts'
import { complaintOf } from '../../openapi/described.ts'

const ALICE = 'alice@example.com'
const PATH = '/api/lernito/refund/'
const product = await startWithOperations({
  env: { LERNITO_REFUNDS: 'on' },
})
const { url, lms, sold, context } = product
after(() => product.stopAll())
beforeEach(async () => {
  for (const table of ['deliveries', 'events', 'delivery_lines', 'webhook_ids'] as const) {
    await context.database.db.deleteFrom(table).execute()
  }
  await lms.reset()
})

/** Posts, and checks the answer against the OpenAPI document. */
async function send(of: { path?: 'webhook' | 'refund'; body: string; headers?: Record<string, string> }) {
  const { path = 'refund' } = of
  const answered = await post({ url, path, ...of })
  const described = { path: `/api/lernito/${path}/`, method: 'POST', text: JSON.stringify(answered.json) }
  assert.equal(complaintOf({ ...answered, ...described }), null)
  return { status: answered.status, json: answered.json }
}
const activeOf = async (): Promise<readonly string[]> =>
  (await lms.state()).enrollments.filter(({ active, email }) => active && email === ALICE).map(({ course }) => course)
const stored = async () => [
  await withdrawalsIn(context.database.db),
  await context.database.db.selectFrom('webhook_ids').selectAll().execute(),
]
const refused = (message: unknown) => ({ success: false, message })

test('without LERNITO_REFUNDS=on, the path is as unknown as any other', async (t) => {
  const other = await startProduct()
  t.after(() => other.stop())
  const body = payload({ email: ALICE })
  const at = (path: string) => exchange({ url: other.url + path, headers: signed(body), body })
  const [refund, unknown] = [await at(PATH), await at('/api/lernito/unknown/')]
  assert.deepEqual([refund.status, refund.text], [404, unknown.text])
})

describe('a wrong refund is answered as a wrong webhook is', () => {
  test('without a signature, with a wrong one, or an old one: 401, alike for buyers and strangers', async () => {
    await sold(ALICE)
    const wrong = { status: 401, json: refused('Invalid signature') }
    for (const email of [ALICE, 'stranger@example.com']) {
      const body = payload({ email })
      assert.deepEqual(await send({ body }), wrong)
      assert.deepEqual(await send({ body, headers: signed('{}') }), wrong)
      assert.deepEqual(await send({ body, headers: { ...standard(body, 'm'), 'webhook-timestamp': '1' } }), wrong)
    }
    assert.deepEqual([await activeOf(), await stored()], [[DEMO], [[], []]])
  })

  test('wrong fields: 400 by field; a malformed course key: 400 with the key', async () => {
    const complaint = async (body: string) => {
      const { status, json } = await send({ body, headers: signed(body) })
      assert.equal(status, 400)
      return json
    }
    const required = ['This field is required.']
    assert.deepEqual(
      await complaint('{}'),
      refused({ name: required, family: required, username: required, email: required, courseIds: required }),
    )
    assert.deepEqual(
      await complaint(payload({ email: 'nonsense' })),
      refused({ email: ['Enter a valid email address.'] }),
    )
    assert.deepEqual(
      await complaint(payload({ email: ALICE, courseIds: [] })),
      refused({ non_field_errors: ['At least one courseId must be provided'] }),
    )
    assert.equal((await send({ body: '{', headers: signed('{}') })).status, 400)
    assert.deepEqual(await stored(), [[], []])
  })

  test('wrong method, media type, encoding and size', async () => {
    const get = await exchange({ url: url + PATH, method: 'GET' })
    assert.deepEqual([get.status, get.headers.allow], [405, 'POST'])
    const status = async (headers: Record<string, string>, body = '{}') => (await send({ body, headers })).status
    assert.equal(await status({ 'content-type': 'text/plain' }), 415)
    assert.equal(await status({ 'content-encoding': 'gzip' }), 415)
    assert.equal(await status({}, ' '.repeat(70_000)), 413)
    const large = payload({ email: ALICE, name: 'x'.repeat(60_000) })
    assert.equal(await status(signed(large), large), 400)
    const long = payload({ email: ALICE, courseIds: Array.from({ length: 900 }, (_, i) => `course-v1:Org+C${i}+Run`) })
    assert.equal(await status(signed(long), long), 404)
  })
})

test('each kind of signature is accepted, and the metrics count the answers', async () => {
  await sold(ALICE)
  const body = payload({ email: ALICE })
  assert.equal((await send({ body, headers: signed(body) })).status, 200)
  assert.equal((await send({ body, headers: standard(body, 'msg_1') })).status, 200)
  const { text } = await exchange({ url: `${url}/metrics`, method: 'GET' })
  assert.match(text, /^lernito_refund_answers_total\{status="200"\} [1-9]/m)
})

describe('a captured request is of no use at the other path', () => {
  const body = payload({ email: ALICE })
  const REFUND_ID = refused('This webhook-id is that of a refund. Send the sale under an id of its own')
  const SALE_ID = refused('This webhook-id is that of a sale. Send the refund under an id of its own')

  test('a sale is not a refund, neither under its first webhook-id nor under that of a repeat', async () => {
    for (const id of ['msg_first', 'msg_repeat']) {
      const sale = { body, headers: standard(body, id) }
      assert.equal((await send({ path: 'webhook', ...sale })).status, 200)
      assert.deepEqual(await send(sale), { status: 400, json: SALE_ID })
    }
    assert.deepEqual([await activeOf(), (await stored())[0]], [[DEMO], []])
    assert.equal(product.log.filter(({ msg, result }) => msg === 'refund received' && result === 'sale_id').length, 2)
  })

  for (const [what, sells] of [
    ['one that withdrew', true],
    ['one of what was never sold', false],
  ] as const) {
    test(`a refund is not a sale: ${what}`, async () => {
      if (sells) await sold(ALICE)
      const refund = { body, headers: standard(body, 'msg_refund') }
      assert.equal((await send(refund)).status, sells ? 200 : 404)
      assert.deepEqual(await send({ path: 'webhook', ...refund }), { status: 400, json: REFUND_ID })
      assert.deepEqual(await activeOf(), [])
      const line = product.log
        .filter(({ msg }) => msg === 'sale refused, because a refund came under the same webhook-id')
        .at(-1)
      assert.equal(line?.webhookId, 'msg_refund')
      assert.equal((await send({ path: 'webhook', body, headers: standard(body, 'msg_sale') })).status, 200)
    })
  }

  test('another payload under the id of a refund changes nothing, is refused, and is logged', async () => {
    await sold(ALICE)
    await sold('bob@example.com')
    await send({ body, headers: standard(body, 'msg_refund') })
    const other = payload({ email: 'bob@example.com' })
    assert.equal((await send({ body: other, headers: standard(other, 'msg_refund') })).status, 400)
    assert.equal((await stored())[0]?.length, 1)
    assert.equal(product.log.filter(({ msg }) => msg === 'refund received').at(-1)?.result, 'refund_reused')
  })
})

test('a refund that can’t be stored is answered 503', async (t) => {
  const other = await startProduct({ env: { LERNITO_REFUNDS: 'on' } })
  const { db, close } = openDatabase({
    url: `sqlite:${other.folder}/lernito.db`,
    serve: false,
  })
  t.after(() => other.stop())
  await other.sell({ email: ALICE })
  await db.schema.dropTable('delivery_lines').execute()
  await close()
  const body = payload({ email: ALICE })
  const { status, json } = await post({ url: other.url, path: 'refund', body, headers: signed(body) })
  assert.deepEqual(
    [status, json],
    [503, refused('The delivery could not be stored and is not accepted. Send it again later')],
  )
})
