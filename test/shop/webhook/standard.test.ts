import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { sign } from '../../../src/shop/signature/signature.ts'
import { operator, readable, startWithConsole } from '../../console/harness.ts'
import { DEMO, exchange, type Product, payload, SECRET, startProduct } from '../../harness.ts'
import { EVERY_LINE } from '../../hostile/raw.ts'
import { run } from '../../service/process.ts'
import { serveEnv, storedDeliveries } from '../../service/serving.ts'
import { signStandard } from '../signature/sign-standard.ts'

const PREVIOUS = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const INVALID = { status: 401, text: '{"success":false,"message":"Invalid signature"}' }

let clock = Date.now()
let product: Product
before(async () => {
  const env = { ...EVERY_LINE, LERNITO_WEBHOOK_SECRET_PREVIOUS: PREVIOUS }
  product = await startProduct({ env, now: () => clock })
})
after(() => product.stop())
beforeEach(() => product.lms.reset())

interface Sending {
  id?: string
  body?: string
  secret?: string
  /** Seconds since 1970. */
  timestamp?: number
  headers?: Record<string, string | undefined>
}

let sent = 0
const newId = (): string => `msg_${++sent}`

/** Sends a webhook that is right in all that `sending` doesn't name. A header that is undefined is left out. */
async function send(sending: Sending = {}, to = product) {
  const { id, body, secret, timestamp, headers } = {
    id: newId(),
    body: payload({ email: `buyer-${sent}@example.com` }),
    secret: SECRET,
    timestamp: Math.floor(clock / 1000),
    headers: {},
    ...sending,
  }
  const all = Object.entries({
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signStandard({ id: id === '' ? 'x' : id, timestamp, body, secret }),
    ...headers,
  })
  const given = all.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
  const answered = await exchange({ url: to.webhook, headers: Object.fromEntries(given), body })
  return { ...answered, delivery: answered.headers['x-lernito-delivery'] }
}

const allowed = async (): Promise<string[]> => (await product.lms.state()).allowances.map(({ email }) => email)
const codes = (): unknown[] => product.log.filter(({ msg }) => msg === 'webhook refused').map(({ code }) => code)

describe('a webhook by Standard Webhooks', () => {
  test('is done like any other, and its answer names the delivery', async () => {
    const { status, text, delivery } = await send({ body: payload({ email: 'standard@example.com' }) })
    assert.equal(status, 200)
    assert.equal(text, '{"success":true,"message":"Enrollment allowance verified for 1 course(s)"}')
    assert.match(String(delivery), /^[0-9A-Z]{26}$/)
    assert.deepEqual(await allowed(), ['standard@example.com'])
    const line = product.log.find((one) => one.delivery === delivery && one.event === 'received')
    assert.equal(line?.detail, `signed over: standard, webhook-id msg_${sent}`)
  })

  test('is accepted with the previous secret, which is base64 after whsec_, and with two signatures', async () => {
    assert.equal((await send({ secret: PREVIOUS })).status, 200)
    const metrics = await (await fetch(`${product.url}/metrics`)).text()
    assert.match(metrics, /^lernito_webhook_previous_secret_total 1$/m)
    const [id, timestamp, body] = [newId(), Math.floor(clock / 1000), payload({ email: 'both@example.com' })]
    const both = [PREVIOUS, SECRET].map((secret) => signStandard({ id, timestamp, body, secret })).join(' ')
    assert.equal((await send({ id, body, headers: { 'webhook-signature': both } })).status, 200)
  })

  test('signs the bytes as they were sent: neither another form of the JSON nor a changed body verifies', async () => {
    const body = ` {"email" : "bytes@example.com", "courseIds":["${DEMO}"],"name":"A","family":"F","username":"u"} `
    assert.equal((await send({ body })).status, 200)
    const signature = signStandard({
      id: 'msg_a',
      timestamp: Math.floor(clock / 1000),
      body: body.trim(),
      secret: SECRET,
    })
    const { status, text } = await send({ id: 'msg_a', body, headers: { 'webhook-signature': signature } })
    assert.deepEqual({ status, text }, INVALID)
  })

  test('breaks the payload rules: it gets 400 with the faults, and is stored as rejected', async () => {
    const { status, text, delivery } = await send({ body: '{"email":1}' })
    assert.equal(status, 400)
    assert.match(text, /This field is required/)
    assert.equal((await storedDeliveries(product.folder)).find(({ id }) => id === delivery)?.state, 'rejected')
  })

  test('has a body that isn’t JSON: it gets 400, whatever its signature', async () => {
    const answers = await Promise.all([
      send({ body: '{' }),
      send({ body: '{', headers: { 'webhook-signature': 'x' } }),
      send({ body: '{', headers: { 'webhook-id': undefined } }),
    ])
    for (const { status, text } of answers) {
      assert.equal(status, 400)
      assert.match(text, /JSON parse error/)
    }
  })
})

describe('a refusal', () => {
  const refusals: Record<string, { code: string; sending: Sending }> = {
    'a missing id': { code: 'webhook_id', sending: { headers: { 'webhook-id': undefined } } },
    'an empty id': { code: 'webhook_id', sending: { headers: { 'webhook-id': '' } } },
    'an id of 257 characters': { code: 'webhook_id', sending: { headers: { 'webhook-id': 'x'.repeat(257) } } },
    'an id outside ASCII': { code: 'webhook_id', sending: { headers: { 'webhook-id': 'm\xe9' } } },
    'another id': { code: 'signature', sending: { headers: { 'webhook-id': 'msg_other' } } },
    'a missing timestamp': { code: 'timestamp', sending: { headers: { 'webhook-timestamp': undefined } } },
    'a timestamp that is a date': { code: 'timestamp', sending: { headers: { 'webhook-timestamp': '2026-01-31' } } },
    'another timestamp': { code: 'signature', sending: { headers: { 'webhook-timestamp': '1' } } },
    'an empty signature': { code: 'signature_format', sending: { headers: { 'webhook-signature': '' } } },
    'wrong base64': { code: 'signature_format', sending: { headers: { 'webhook-signature': 'v1,***' } } },
    'another version alone': { code: 'signature_format', sending: { headers: { 'webhook-signature': 'v1a,abc' } } },
    'another secret': { code: 'signature', sending: { secret: 'another-secret-of-the-shop' } },
    'too many signatures': {
      code: 'signature_format',
      sending: { headers: { 'webhook-signature': `v1,${'A'.repeat(43)}= `.repeat(21).trim() } },
    },
  }
  for (const [name, { code, sending }] of Object.entries(refusals)) {
    test(`${name}: 401 as for any wrong signature, nothing is stored, and the log names the cause`, async () => {
      const before = (await storedDeliveries(product.folder)).length
      const { status, text, delivery } = await send(sending)
      assert.deepEqual({ status, text }, INVALID)
      assert.equal(delivery, undefined)
      assert.equal((await storedDeliveries(product.folder)).length, before)
      assert.equal(codes().at(-1), code)
    })
  }

  test('every 401 is the same byte for byte, whatever the fault', async () => {
    const { 'a missing id': first, ...others } = refusals
    const bare = async (sending: Sending) => {
      const { status, text, headers } = await send(sending)
      return { status, text, headers: { ...headers, date: '' } }
    }
    const wanted = await bare(first?.sending ?? {})
    for (const { sending } of Object.values(others)) assert.deepEqual(await bare(sending), wanted)
  })

  test('more than 300 seconds from our clock, by the injected clock: the cause is the time', async (t) => {
    const now = clock
    t.after(() => {
      clock = now
    })
    const timestamp = Math.floor(now / 1000)
    for (const [seconds, code] of [
      [301, 'too_old'],
      [-301, 'too_new'],
    ] as const) {
      clock = (timestamp + seconds) * 1000
      const { status, text } = await send({ timestamp })
      assert.deepEqual({ status, text }, INVALID)
      assert.equal(codes().at(-1), code)
    }
    for (const seconds of [300, -300]) {
      clock = (timestamp + seconds) * 1000
      assert.equal((await send({ timestamp })).status, 200, `${seconds}`)
    }
  })
})

describe('both signatures', () => {
  const lernito = (body: string, secret = SECRET) => ({ 'x-lernito-signature': sign({ body, form: 'raw', secret }) })

  test('a right webhook-signature is accepted beside a wrong X-Lernito-Signature', async () => {
    assert.equal((await send({ headers: { 'x-lernito-signature': '0'.repeat(64) } })).status, 200)
  })

  test('a wrong, old or empty webhook-signature is refused beside a right X-Lernito-Signature', async () => {
    const body = payload({ email: 'both-headers@example.com' })
    const timestamp = Math.floor(clock / 1000)
    for (const sending of [
      { timestamp: timestamp - 301 },
      { headers: { 'webhook-signature': '' } },
      { headers: { 'webhook-signature': signStandard({ id: 'x', timestamp, body, secret: SECRET }) } },
    ]) {
      const { status } = await send({ body, ...sending, headers: { ...lernito(body), ...sending.headers } })
      assert.equal(status, 401)
    }
  })

  test('webhook-id and webhook-timestamp alone change nothing: X-Lernito-Signature counts', async () => {
    const body = payload({ email: 'id-alone@example.com' })
    const { status, delivery } = await send({
      id: 'msg_alone',
      body,
      headers: { ...lernito(body), 'webhook-signature': undefined, 'webhook-timestamp': 'x' },
    })
    assert.equal(status, 200)
    const line = product.log.find((one) => one.delivery === delivery && one.event === 'received')
    assert.equal(line?.detail, 'signed over: raw')
  })
})

describe('the webhook-id', () => {
  test('the same sale under the same id, signed again, is the same delivery', async () => {
    const [id, body] = [newId(), payload({ email: 'again@example.com' })]
    const first = await send({ id, body })
    const again = await send({ id, body, timestamp: Math.floor(clock / 1000) + 1 })
    assert.deepEqual([again.status, again.text, again.delivery], [first.status, first.text, first.delivery])
  })

  test('the same sale is one delivery, whether it comes without an id, with one, or with another', async () => {
    const buyer = { email: 'one-sale@example.com' }
    const without = await product.sell(buyer)
    const answers = [await send({ body: payload(buyer) }), await send({ body: payload(buyer) })]
    for (const { delivery } of answers) assert.equal(delivery, without.headers['x-lernito-delivery'])
  })

  const REUSED = 'This webhook-id is that of another sale. Send each sale and each correction under an id of its own'

  test('another sale under a known id is refused, and logged as a warning of the first one', async () => {
    const id = newId()
    const first = await send({ id, body: payload({ email: 'first@example.com' }) })
    const second = await send({ id, body: payload({ email: 'second@example.com' }) })
    assert.equal(first.status, 200)
    assert.deepEqual([second.status, JSON.parse(second.text).message, second.delivery], [400, REUSED, undefined])
    assert.deepEqual([...new Set(await allowed())], ['first@example.com'])
    const line = product.log.find((one) => one.delivery === first.delivery && one.event === 'id_reused')
    assert.equal(line?.level, 'warn')
    assert.equal(line?.msg, 'delivery has a webhook-id that another sale came under')
    const { text } = await exchange({ url: `${product.url}/metrics`, method: 'GET' })
    assert.match(text, /lernito_delivery_events_total\{kind="id_reused"\} 1/)
  })

  test('a corrected sale under the id of a rejected one is refused too', async () => {
    const id = newId()
    await send({ id, body: payload({ email: 'no address' }) })
    const second = await send({ id, body: payload({ email: 'corrected@example.com' }) })
    assert.deepEqual([second.status, JSON.parse(second.text).message], [400, REUSED])
    assert.deepEqual(await allowed(), [])
  })
})

test('operators see the id on the page, in the list as CSV, in the command, and the causes of refusals', async (t) => {
  const shown = await startWithConsole()
  t.after(() => shown.stop())
  const timestamp = Math.floor(Date.now() / 1000)
  const id = '=cmd|"<script>alert(1)</script>'
  const { delivery } = await send({ id, timestamp }, shown)
  await send({ timestamp: timestamp - 1000 }, shown)
  await send({ timestamp, headers: { 'webhook-id': undefined } }, shown)
  const someone = await operator(shown)
  const page = await someone.see(`/deliveries/${delivery}`)
  assert.match(readable(page), /Webhook id of the shop =cmd\|"<script>/)
  assert.ok(!page.text.includes('<script>alert'))
  assert.match(page.text, /the id, the time and the body as it is \(Standard Webhooks\)/)
  const csv = await someone.see('/deliveries.csv')
  assert.match(csv.text, /"webhook_id"\r\n/)
  assert.ok(csv.text.includes(`"'=cmd|""<script>alert(1)</script>"`))
  const refused = await someone.see('/refused')
  assert.match(refused.text, /Right signature, sent more than 5 minutes ago/)
  assert.match(refused.text, /Missing or invalid webhook-id/)
  const env = serveEnv({ folder: shown.folder, lmsUrl: shown.lmsUrl })
  const { stdout } = await run({ args: ['deliveries', 'show', String(delivery)], env })
  assert.match(stdout, /^webhook-id +=cmd\|"<script>/m)
})
