import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { JsonSyntaxError, readJson } from '../../../src/sale/json/json.ts'
import { SIGNATURE_FORMS, sign, verify } from '../../../src/shop/signature/signature.ts'

const SECRET = 'current-secret-of-the-shop'
const PREVIOUS = 'previous-secret-of-the-shop'
const BODY = '{"name":"Zoë", "email":"a@b.example","n":1.50}'

const check = (body: string, header: string | undefined, secrets = [SECRET]) =>
  verify({ body, json: readJson(body || '{}'), header, secrets })

const hmac = (text: string): string => createHmac('sha256', SECRET).update(text).digest('hex')

test('each form signs its own text', () => {
  const texts = {
    raw: BODY,
    original: '{"email":"a@b.example","n":1.5,"name":"Zo\\u00eb"}',
    readme: '{"email": "a@b.example", "n": 1.5, "name": "Zo\\u00eb"}',
    original_utf8: '{"email":"a@b.example","n":1.5,"name":"Zoë"}',
    readme_utf8: '{"email": "a@b.example", "n": 1.5, "name": "Zoë"}',
  }
  for (const form of SIGNATURE_FORMS) {
    assert.equal(sign({ body: BODY, form, secret: SECRET }), hmac(texts[form]))
    assert.equal(sign({ body: Buffer.from(BODY), form, secret: SECRET }), hmac(texts[form]))
  }
})

test('verify returns the form and the secret that matched', () => {
  for (const form of SIGNATURE_FORMS) {
    const header = sign({ body: BODY, form, secret: PREVIOUS })
    assert.deepEqual(check(BODY, header, [SECRET, PREVIOUS]), { form, secretIndex: 1 })
    assert.deepEqual(check(BODY, header, [PREVIOUS, SECRET]), { form, secretIndex: 0 })
    assert.equal(check(BODY, header, [SECRET]), null)
    assert.equal(check(BODY, header, []), null)
  }
})

test('a body that is sent in canonical form counts as raw', () => {
  assert.deepEqual(check('{"a":1}', hmac('{"a":1}')), { form: 'raw', secretIndex: 0 })
  assert.deepEqual(check('{"a": 1}', hmac('{"a":1}')), { form: 'original', secretIndex: 0 })
})

test('a signature of another body does not verify', () => {
  for (const form of SIGNATURE_FORMS) assert.equal(check(`${BODY} `, sign({ body: '{}', form, secret: SECRET })), null)
  assert.equal(check(`${BODY} `, sign({ body: BODY, form: 'raw', secret: SECRET })), null)
})

test('the header is 64 lower-case hex digits and nothing else', () => {
  const good = sign({ body: BODY, form: 'original', secret: SECRET })
  const wrong = [
    undefined,
    '',
    good.slice(0, 63),
    `${good}0`,
    `${good}zz`,
    good.toUpperCase(),
    `sha256=${good}`,
    `${good}\n`,
  ]
  wrong.push(` ${good}`, `${good}\t`, `${good}, ${good}`, `${good}, ${'0'.repeat(64)}`, `${'0'.repeat(64)}, ${good}`)
  wrong.push(
    'é'.repeat(64),
    'z'.repeat(64),
    '０'.repeat(64),
    'ab',
    'v1,',
    good.slice(0, 40),
    good + good,
    '\0'.repeat(64),
  )
  for (const header of wrong) assert.equal(check(BODY, header), null, String(header))
  assert.notEqual(check(BODY, good), null)
})

test('a signature with one changed digit is refused', () => {
  const good = sign({ body: BODY, form: 'raw', secret: SECRET })
  for (let i = 0; i < 64; i++) {
    assert.equal(check(BODY, good.slice(0, i) + (good[i] === '0' ? '1' : '0') + good.slice(i + 1)), null)
  }
})

test('an empty body counts as {} in every form, including raw', () => {
  for (const form of SIGNATURE_FORMS) assert.equal(sign({ body: '', form, secret: SECRET }), hmac('{}'))
  assert.notEqual(check('', hmac('{}')), null)
  assert.equal(check('', hmac('')), null)
})

test('a text with a lone surrogate never matches in a UTF-8 form and can’t be signed in one', () => {
  const body = '{"name": "\\ud800"}'
  assert.throws(() => sign({ body, form: 'original_utf8', secret: SECRET }), /lone surrogate/)
  assert.throws(() => sign({ body, form: 'readme_utf8', secret: SECRET }), /lone surrogate/)
  assert.throws(() => sign({ body: '"\ud800"', form: 'raw', secret: SECRET }), /lone surrogate/)
  // What a lenient encoder would have signed.
  assert.equal(check(body, hmac('{"name":"\ud800"}')), null)
  assert.deepEqual(check(body, hmac('{"name":"\\ud800"}')), { form: 'original', secretIndex: 0 })
})

test('a body that is not JSON can only be signed raw', () => {
  assert.throws(() => sign({ body: '{', form: 'original', secret: SECRET }), JsonSyntaxError)
  assert.throws(() => sign({ body: Buffer.from([0xff]), form: 'original', secret: SECRET }), JsonSyntaxError)
  assert.equal(sign({ body: '{', form: 'raw', secret: SECRET }), hmac('{'))
})

test('every signed body verifies in every form', () => {
  fc.assert(
    fc.property(fc.json({ stringUnit: 'binary' }), fc.constantFrom(...SIGNATURE_FORMS), (body, form) => {
      if (!readable(body)) return
      assert.notEqual(check(body, sign({ body, form, secret: PREVIOUS }), [SECRET, PREVIOUS]), null)
    }),
  )
})

const readable = (body: string): boolean => body.isWellFormed() && !/\\ud[89a-f]/i.test(body)
