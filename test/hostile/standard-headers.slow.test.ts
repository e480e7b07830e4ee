import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Product, payload, SECRET, startProduct } from '../harness.ts'
import { storedDeliveries } from '../service/serving.ts'
import { signStandard } from '../shop/signature/sign-standard.ts'
import { askRaw, chunked, type Header, requestBytes, signedHeaders } from './raw.ts'

// test/shop/signature/standard.test.ts tests what else is refused; test/shop/webhook/standard.test.ts tests the causes in the log.

const body = payload({ email: 'header@example.com' })
const ID = 'msg_1'
const NOW = Math.floor(Date.now() / 1000)
const SIGNATURE = signStandard({ id: ID, timestamp: NOW, body, secret: SECRET })
const WRONG = `v1,${'A'.repeat(43)}=`
const LERNITO = 'X-Lernito-Signature'

let product: Product
before(async () => {
  product = await startProduct()
})
after(() => product.stop())

const RIGHT: Readonly<Record<string, string>> = {
  'Webhook-Id': ID,
  'Webhook-Timestamp': String(NOW),
  'Webhook-Signature': SIGNATURE,
}
/** The three headers, with those of one name replaced. */
const withHeaders = (name: string, ...values: string[]): Header[] => [
  ...Object.entries(RIGHT).filter(([one]) => one !== name),
  ...values.map((value): Header => [name, value]),
]
const ask = (standard: readonly Header[], { lernito = false } = {}) =>
  askRaw({
    url: product.url,
    bytes: requestBytes({
      headers: [...signedHeaders(body, { without: lernito ? [] : [LERNITO] }), ...standard],
      body,
    }),
  })

const REFUSED: Readonly<Record<string, readonly Header[]>> = {
  'a signature twice, the good one first': withHeaders('Webhook-Signature', SIGNATURE, WRONG),
  'a signature twice, the good one last': withHeaders('Webhook-Signature', WRONG, SIGNATURE),
  'a signature twice, both good': withHeaders('Webhook-Signature', SIGNATURE, SIGNATURE),
  'a signature twice, one empty': withHeaders('Webhook-Signature', '', SIGNATURE),
  'two signatures with a comma between': withHeaders('Webhook-Signature', `${SIGNATURE}, ${SIGNATURE}`),
  'two signatures with a tab between': withHeaders('Webhook-Signature', `${WRONG}\t${SIGNATURE}`),
  'an empty signature': withHeaders('Webhook-Signature', ''),
  'only white space as the signature': withHeaders('Webhook-Signature', ' \t '),
  'twelve thousand characters of signatures': withHeaders('Webhook-Signature', `${WRONG} `.repeat(250) + SIGNATURE),
  'twelve thousand characters of one signature': withHeaders('Webhook-Signature', `v1,${'A'.repeat(12_000)}`),
  'an id twice, both good': withHeaders('Webhook-Id', ID, ID),
  'an id twice, one empty': withHeaders('Webhook-Id', ID, ''),
  'an id of twelve thousand characters': withHeaders('Webhook-Id', 'x'.repeat(12_000)),
  'an id with a space': withHeaders('Webhook-Id', 'msg 1'),
  'an id outside ASCII': withHeaders('Webhook-Id', 'msg_\xe9'),
  'no id': withHeaders('Webhook-Id'),
  'a timestamp twice, both good': withHeaders('Webhook-Timestamp', String(NOW), String(NOW)),
  'a timestamp of twelve thousand digits': withHeaders('Webhook-Timestamp', '9'.repeat(12_000)),
  'a timestamp in milliseconds': withHeaders('Webhook-Timestamp', `${NOW}000`),
  'no timestamp': withHeaders('Webhook-Timestamp'),
  'the names of another scheme': Object.entries(RIGHT).map(([name, value]): Header => [`Svix-${name.slice(8)}`, value]),
}

for (const [name, standard] of Object.entries(REFUSED)) {
  test(`${name}: 401, and nothing is stored`, async () => {
    const { status, text, headers } = await ask(standard)
    assert.deepEqual({ status, text }, { status: 401, text: '{"success":false,"message":"Invalid signature"}' })
    assert.equal(headers['x-lernito-delivery'], undefined)
    assert.deepEqual(await storedDeliveries(product.folder), [])
  })

  if (name !== 'the names of another scheme') {
    test(`${name}: 401 beside a right X-Lernito-Signature too`, async () => {
      assert.equal((await ask(standard, { lernito: true })).status, 401)
      assert.deepEqual(await storedDeliveries(product.folder), [])
    })
  }
}

test('16 KB of signatures get 431 before one is checked', async () => {
  const { status, headers } = await ask(withHeaders('Webhook-Signature', `${SIGNATURE} `.repeat(350)))
  assert.deepEqual([status, headers.connection], [431, 'close'])
})

test('in a trailer after the body the headers are ignored', async () => {
  const headers: Header[] = [
    ...signedHeaders(body, { without: [LERNITO, 'Content-Length'] }),
    ['Transfer-Encoding', 'chunked'],
    ['Trailer', Object.keys(RIGHT).join(', ')],
  ]
  const trailers = Object.entries(RIGHT).map(([name, value]) => `${name}: ${value}\r\n`)
  const sent = chunked(body).replace(/\r\n$/, `${trailers.join('')}\r\n`)
  assert.equal((await askRaw({ url: product.url, bytes: requestBytes({ headers, body: sent }) })).status, 401)
})

test('white space around a value and between signatures is no part of them, and names are case-insensitive', async () => {
  const standard: Header[] = [
    ['WEBHOOK-ID', ` \t ${ID} \t`],
    ['webhook-timestamp', `  ${NOW} `],
    ['Webhook-Signature', `  ${WRONG}   ${SIGNATURE} `],
  ]
  assert.equal((await ask(standard)).status, 200)
})
