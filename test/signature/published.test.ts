import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SIGNATURE_FORMS } from '../../src/signature/forms.ts'
import { sign, verify } from '../../src/signature/published.ts'
import { sign as signBody } from '../../src/signature/signature.ts'

const SECRET = 'current-secret-of-the-shop'
const BODY = '{"name": "Zoë", "n": 1.50}'

test('the body is signed as it is, unless another form is asked for', () => {
  assert.equal(sign({ body: BODY, secret: SECRET }), signBody({ body: BODY, form: 'raw', secret: SECRET }))
  for (const form of SIGNATURE_FORMS) {
    assert.equal(sign({ body: BODY, secret: SECRET, form }), signBody({ body: BODY, form, secret: SECRET }))
  }
})

test('what it signs it verifies, in text and in bytes, and the empty body too', () => {
  for (const body of [BODY, Buffer.from(BODY), '', new Uint8Array()]) {
    const match = verify({ body, signature: sign({ body, secret: SECRET }), secrets: ['another-secret', SECRET] })
    assert.deepEqual(match, { form: 'raw', secretIndex: 1 })
  }
})

test('what the service does not accept is null: no signature, a wrong one, no JSON, no UTF-8', () => {
  const secrets = [SECRET]
  assert.equal(verify({ body: BODY, signature: undefined, secrets }), null)
  assert.equal(verify({ body: BODY, signature: sign({ body: '{}', secret: SECRET }), secrets }), null)
  for (const body of ['{', Uint8Array.of(0x22, 0xff, 0x22)]) {
    assert.equal(verify({ body, signature: sign({ body, secret: SECRET }), secrets }), null)
  }
})

test('a form that reads the body says why it can not', () => {
  assert.throws(() => sign({ body: '{', secret: SECRET, form: 'original' }), /Expecting property name/)
})
