import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { sign } from '../../src/shop/signature/signature.ts'
import { type Product, payload, SECRET, startProduct } from '../harness.ts'
import { storedDeliveries } from '../service/serving.ts'
import { askRaw, chunked, type Header, requestBytes, signedHeaders } from './raw.ts'

// test/shop/signature tests what else verify refuses; test/shop/webhook tests that no answer reveals which secrets exist.

const PREVIOUS = 'the-secret-before-it'
const body = payload({ email: 'header@example.com' })
const good = sign({ body, form: 'original', secret: SECRET })
const bad = '0'.repeat(64)

let product: Product
let without: Product
before(async () => {
  product = await startProduct({ env: { LERNITO_WEBHOOK_SECRET_PREVIOUS: PREVIOUS } })
  without = await startProduct()
})
after(async () => {
  await product.stop()
  await without.stop()
})

const NAME = 'X-Lernito-Signature'
const ask = (signatures: readonly Header[], url = product.url) =>
  askRaw({ url, bytes: requestBytes({ headers: [...signedHeaders(body, { without: [NAME] }), ...signatures], body }) })

const REFUSED: Readonly<Record<string, readonly Header[]>> = {
  'no signature': [],
  'an empty one': [[NAME, '']],
  'only white space': [[NAME, ' \t ']],
  'twice, the good one first': [
    [NAME, good],
    [NAME, bad],
  ],
  'twice, the good one last': [
    [NAME, bad],
    [NAME, good],
  ],
  'twice, both good': [
    [NAME, good],
    [NAME.toLowerCase(), good],
  ],
  'once, with an empty one before it': [
    [NAME, ''],
    [NAME, good],
  ],
  'two in one value': [[NAME, `${good}, ${good}`]],
  'the good one and two letters more': [[NAME, `${good}zz`]],
  'the good one and one digit more': [[NAME, `${good}0`]],
  'the good one without its last digit': [[NAME, good.slice(0, 63)]],
  'white space inside': [[NAME, `${good.slice(0, 32)} ${good.slice(32)}`]],
  'an algorithm before it': [[NAME, `sha256=${good}`]],
  'a version before it': [[NAME, `v1,${good}`]],
  'a version only': [[NAME, 'v1,']],
  capitals: [[NAME, good.toUpperCase()]],
  '64 bytes outside ASCII': [[NAME, '\xe9'.repeat(64)]],
  'as long as a SHA-1': [[NAME, good.slice(0, 40)]],
  'as long as a SHA-512': [[NAME, good + good]],
  'twelve thousand digits': [[NAME, good.repeat(187)]],
  'under another name': [['X-Signature', good]],
  'as Authorization': [['Authorization', `Bearer ${good}`]],
}

for (const [name, signatures] of Object.entries(REFUSED)) {
  test(`signature: ${name}: 401, and nothing is stored`, async () => {
    const { status, text, headers } = await ask(signatures)
    assert.deepEqual({ status, text }, { status: 401, text: '{"success":false,"message":"Invalid signature"}' })
    assert.equal(headers['x-lernito-delivery'], undefined)
    assert.deepEqual(await storedDeliveries(product.folder), [])
  })
}

test('signature: 16 KB get 431 before the signature is checked', async () => {
  const { status, headers } = await ask([[NAME, 'a'.repeat(16 * 1024)]])
  assert.deepEqual([status, headers.connection], [431, 'close'])
})

test('signature: in a trailer after the body it is ignored', async () => {
  const headers: Header[] = [
    ...signedHeaders(body, { without: [NAME, 'Content-Length'] }),
    ['Transfer-Encoding', 'chunked'],
    ['Trailer', NAME],
  ]
  const sent = chunked(body).replace(/\r\n$/, `${NAME}: ${good}\r\n\r\n`)
  assert.equal((await askRaw({ url: product.url, bytes: requestBytes({ headers, body: sent }) })).status, 401)
})

test('signature: white space around it is not part of it, as in HTTP, and the header name is case-insensitive', async () => {
  assert.equal((await ask([[NAME.toUpperCase(), ` \t ${good} \t`]])).status, 200)
})

test('signature: with the previous secret it is accepted while that is set, and gets 401 once it is removed', async () => {
  const old = sign({ body, form: 'original', secret: PREVIOUS })
  assert.equal((await ask([[NAME, old]])).status, 200)
  assert.equal((await ask([[NAME, old]], without.url)).status, 401)
})
