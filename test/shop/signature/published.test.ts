import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sign, signStandardWebhook, verify } from '../../../src/shop/signature/published.ts'
import { SIGNATURE_FORMS, sign as signBody } from '../../../src/shop/signature/signature.ts'

const SECRET = 'current-secret-of-the-shop'
const BODY = '{"name": "Zoë", "n": 1.50}'

test('the raw body is signed unless another form is asked for', () => {
  assert.equal(sign({ body: BODY, secret: SECRET }), signBody({ body: BODY, form: 'raw', secret: SECRET }))
  for (const form of SIGNATURE_FORMS) {
    assert.equal(sign({ body: BODY, secret: SECRET, form }), signBody({ body: BODY, form, secret: SECRET }))
  }
})

test('it verifies what it signs, as a text and as bytes, and an empty body', () => {
  for (const body of [BODY, Buffer.from(BODY), '', new Uint8Array()]) {
    const match = verify({ body, signature: sign({ body, secret: SECRET }), secrets: ['another-secret', SECRET] })
    assert.deepEqual(match, { form: 'raw', secretIndex: 1 })
  }
})

test('verify returns null for a missing or wrong signature, and for a body that is not JSON or not UTF-8', () => {
  const secrets = [SECRET]
  assert.equal(verify({ body: BODY, signature: undefined, secrets }), null)
  assert.equal(verify({ body: BODY, signature: sign({ body: '{}', secret: SECRET }), secrets }), null)
  for (const body of ['{', Uint8Array.of(0x22, 0xff, 0x22)]) {
    assert.equal(verify({ body, signature: sign({ body, secret: SECRET }), secrets }), null)
  }
})

test('a form that reads the body throws an error with the reason if it can’t', () => {
  assert.throws(() => sign({ body: '{', secret: SECRET, form: 'original' }), /Expecting property name/)
})

test('it signs by Standard Webhooks: the published example, with the three headers', () => {
  const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
  const headers = signStandardWebhook({
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    body: '{"test": 2432232314}',
    secret,
    now: 1_614_265_330_999,
  })
  assert.deepEqual(headers, {
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  })
  assert.throws(() => signStandardWebhook({ id: 'a b', body: '', secret }), /The id must have 1 to 256/)
  assert.throws(() => signStandardWebhook({ id: 'a', body: '', secret: 'whsec_?' }), /not base64/)
})
