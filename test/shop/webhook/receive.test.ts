import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { type SignatureForm, sign } from '../../../src/shop/signature/signature.ts'
import { type Headers, mediaTypeRefusal } from '../../../src/shop/webhook/receive.ts'
import { type Received, receive } from './receive.ts'

const SECRET = 'current-secret-of-the-shop'
const PREVIOUS = 'previous-secret-of-the-shop'
const NOW = Date.UTC(2026, 0, 31)
const JSON_TYPE = { 'content-type': 'application/json' }
const PAYLOAD = { courseIds: ['course-v1:edX+DemoX+Demo_Course'], email: 'a@b.example', family: 'F', name: 'N' }
const BODY = JSON.stringify({ ...PAYLOAD, username: 'u' })

interface Request {
  body?: string | Uint8Array
  form?: SignatureForm
  secret?: string
  headers?: Headers
}

/** A post that is right in all that `request` doesn't say otherwise. */
function post({ body = BODY, form = 'original', secret = SECRET, headers = {} }: Request): Received {
  const signature = typeof body === 'string' && body !== '{' ? sign({ body, form, secret }) : '0'.repeat(64)
  return receive({
    headers: { ...JSON_TYPE, 'x-lernito-signature': signature, ...headers },
    body: Buffer.from(body),
    secrets: [SECRET, PREVIOUS],
    now: NOW,
  })
}

const refusal = (received: Received): unknown =>
  received.kind === 'refused' ? [received.status, received.code, received.body.message] : received.kind

test('a valid webhook gives its request, the form, the secret and the digest of its canonical JSON', () => {
  const text = `{"courseIds":["course-v1:edX+DemoX+Demo_Course"],"email":"a@b.example","family":"F","name":"N","username":"u"}`
  assert.deepEqual(post({ form: 'readme', secret: PREVIOUS }), {
    kind: 'signed',
    form: 'readme',
    secretIndex: 1,
    digest: createHash('sha256').update(text).digest('hex'),
    request: { ...PAYLOAD, username: 'u' },
  })
})

test('a signed webhook that breaks the payload rules is invalid, with form, secret and digest', () => {
  const received = post({ body: '["x"]' })
  assert.deepEqual(received, {
    kind: 'invalid',
    form: 'raw',
    secretIndex: 0,
    digest: createHash('sha256').update('["x"]').digest('hex'),
    errors: { non_field_errors: ['Invalid data. Expected a dictionary, but got list.'] },
    about: {},
  })
})

test('the digest is the same for a body in another order and spacing', () => {
  const digestOf = (body: string): string => {
    const received = post({ body })
    return received.kind === 'refused' ? '' : received.digest
  }
  assert.equal(digestOf('{"a": 1, "b": [2]}'), digestOf('{\n"b":[2],"a":1}'))
  assert.notEqual(digestOf('{"a": 1, "b": [2]}'), digestOf('{"a": 1, "b": [3]}'))
})

test('application/json is accepted in any letter case and with parameters', () => {
  const types = ['application/json', 'Application/JSON', 'application/json;charset=utf-8', ' application/json ; a=b']
  types.push('application/json; charset="UTF-8"', 'APPLICATION/JSON; CHARSET=utf8', 'application/json;')
  for (const type of types) assert.equal(post({ headers: { 'content-type': type } }).kind, 'signed', type)
})

test('every other media type or charset gets 415, which names it as it was sent', () => {
  const types = ['', 'text/plain', 'application/vnd.api+json', 'application/jsonp', 'json', 'multipart/form-data']
  types.push(
    'application/json, application/json',
    'application/json; charset=latin1',
    'application/json;charset=utf-16',
  )
  types.push(
    'application/json; charset=utf-8; charset=utf-7',
    'application/json; charset=',
    'application/json; charset',
  )
  for (const type of types) {
    const message = `Unsupported media type "${type}" in request.`
    const received = post({ headers: { 'content-type': type } })
    assert.deepEqual(refusal(received), [415, 'media_type', message])
    assert.deepEqual({ kind: 'refused', ...mediaTypeRefusal({ 'content-type': type }) }, received)
  }
  assert.deepEqual(refusal(post({ headers: { 'content-type': undefined } })), [
    415,
    'media_type',
    'Unsupported media type "" in request.',
  ])
})

test('a content encoding other than identity gets 415', () => {
  for (const encoding of ['gzip', 'br', 'identity, gzip', 'x']) {
    const message = `Unsupported content encoding "${encoding}" in request.`
    assert.deepEqual(refusal(post({ headers: { 'content-encoding': encoding } })), [415, 'encoding', message])
  }
  assert.equal(post({ headers: { 'content-encoding': 'Identity' } }).kind, 'signed')
})

test('a body that is not UTF-8 gets 400 and is never repaired', () => {
  const said = (bytes: number[]): unknown => refusal(post({ body: Uint8Array.from(bytes) }))
  const words = (what: string): unknown => [400, 'json', `JSON parse error - 'utf-8' codec can't decode ${what}`]
  assert.deepEqual(said([0x22, 0xff, 0x22]), words('byte 0xff in position 1: invalid start byte'))
  assert.deepEqual(said([0x22, 0xc0, 0x80]), words('byte 0xc0 in position 1: invalid start byte'))
  assert.deepEqual(said([0xed, 0xa0, 0x80]), words('byte 0xed in position 0: invalid continuation byte'))
  assert.deepEqual(said([0x7b, 0x7d, 0xe2, 0x82]), words('bytes in position 2-3: unexpected end of data'))
})

test('UTF-16 is not JSON, with or without a byte order mark', () => {
  assert.equal(post({ body: Buffer.from('{}', 'utf16le') }).kind, 'refused')
  assert.equal(post({ body: Buffer.from('\ufeff{}', 'utf16le') }).kind, 'refused')
})

test('the media type is checked before the JSON, the JSON before the signature, the signature before the fields', () => {
  const bad = { 'content-type': 'text/plain', 'x-lernito-signature': 'x' }
  const broken = '{'
  assert.deepEqual(refusal(post({ body: broken, headers: bad })), [
    415,
    'media_type',
    'Unsupported media type "text/plain" in request.',
  ])
  assert.deepEqual(refusal(post({ body: broken, headers: { 'x-lernito-signature': 'x' } })), [
    400,
    'json',
    'JSON parse error - Expecting property name enclosed in double quotes: line 1 column 2 (char 1)',
  ])
  assert.deepEqual(refusal(post({ body: '{"email":1}', headers: { 'x-lernito-signature': 'x' } })), [
    401,
    'signature',
    'Invalid signature',
  ])
})

test('a 401 says only that the signature is wrong, and a 400 has DRF’s detail as well', () => {
  const unsigned = post({ headers: { 'x-lernito-signature': undefined } })
  assert.deepEqual(unsigned.kind === 'refused' && unsigned.body, { success: false, message: 'Invalid signature' })
  const text = 'JSON parse error - Expecting property name enclosed in double quotes: line 1 column 2 (char 1)'
  const broken = post({ body: '{' })
  assert.deepEqual(broken.kind === 'refused' && broken.body, { success: false, message: text, detail: text })
})

test('a repeated signature header is refused, joined or as a list, with the valid one first or last', () => {
  const good = sign({ body: BODY, form: 'original', secret: SECRET })
  const bad = '0'.repeat(64)
  for (const doubled of [`${good}, ${bad}`, `${bad}, ${good}`, `${good}, ${good}`, [good, bad], [bad, good]]) {
    assert.equal(post({ headers: { 'x-lernito-signature': doubled } }).kind, 'refused')
  }
  assert.equal(post({ headers: { 'x-lernito-signature': [good] } }).kind, 'signed')
})

test('of a key that occurs twice, the value that was signed is used', () => {
  const received = post({ body: `{"email":"x@evil.example",${BODY.slice(1)}` })
  assert.equal(received.kind === 'signed' && received.request.email, 'a@b.example')
})

test('a field __proto__ in a payload is ignored', () => {
  const received = post({ body: `{"__proto__":{"email":"x@evil.example"},${BODY.slice(1)}` })
  assert.equal(received.kind === 'signed' && received.request.email, 'a@b.example')
  const absent = post({ body: '{"__proto__":{"email":"x@evil.example"}}' })
  assert.partialDeepStrictEqual(absent, { kind: 'invalid', errors: { email: ['This field is required.'] } })
})

test('a body that is nested too deep gets 400', () => {
  const depth = 10_000
  const message = 'JSON parse error - Nesting deeper than 900 levels: line 1 column 901 (char 900)'
  assert.deepEqual(refusal(post({ body: Buffer.from('['.repeat(depth)) })), [400, 'json', message])
})

test('any bytes and headers without a valid signature are refused, and nothing is thrown', () => {
  const header = fc.option(fc.string({ unit: 'binary' }), { nil: undefined })
  const body = fc.oneof(fc.uint8Array(), fc.string({ unit: 'binary' }).map(Buffer.from), fc.json().map(Buffer.from))
  fc.assert(
    fc.property(header, body, (signature, bytes) => {
      const headers = { ...JSON_TYPE, 'x-lernito-signature': signature }
      assert.equal(receive({ headers, body: bytes, secrets: [SECRET], now: NOW }).kind, 'refused')
    }),
  )
})

test('a body without a signature gets the same 400 or 401 as one with a wrong signature', () => {
  const piece = fc.constantFrom(...'{}[]":,\\u0 \n-+.eE1tnfNI', '"a"', 'null', '\\ud83d', '😀', '\u00ff', '[[[[')
  const body = fc.oneof(
    fc.uint8Array(),
    fc.json().map(Buffer.from),
    fc.array(piece).map((all) => Buffer.from(all.join(''))),
  )
  const answered = (bytes: Uint8Array, signature: string | undefined): Received =>
    receive({ headers: { ...JSON_TYPE, 'x-lernito-signature': signature }, body: bytes, secrets: [SECRET], now: NOW })
  fc.assert(
    fc.property(body, (bytes) => assert.deepEqual(answered(bytes, undefined), answered(bytes, '0'.repeat(64)))),
    { numRuns: 3000 },
  )
})
