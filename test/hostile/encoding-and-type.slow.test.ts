import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { sign } from '../../src/shop/signature/signature.ts'
import { type Product, payload, SECRET, startProduct } from '../harness.ts'
import { storedDeliveries } from '../service/serving.ts'
import { askRaw, type Header, openRaw, type RawAnswer, requestBytes } from './raw.ts'

// test/shop/webhook and the recordings test which types and charsets are read, and the answer to bytes that are not UTF-8.

let product: Product
before(async () => {
  product = await startProduct()
})
after(() => product.stop())

const SALE = payload({ email: 'typed@example.com' })
const FORM = new URLSearchParams({ email: 'form@example.com', name: 'N', family: 'F', username: 'u', courseIds: 'x' })
const MULTIPART = '--x\r\nContent-Disposition: form-data; name="email"\r\n\r\nform@example.com\r\n--x--\r\n'

interface Sent {
  readonly body: string | Uint8Array
  readonly type: string | null
  readonly encoding?: string
}
/** A webhook that is signed over the bytes that it sends. */
const post = ({ body, type, encoding }: Sent): Promise<RawAnswer> => {
  const headers: Header[] = [
    ['Host', 'x'],
    ...(type === null ? [] : [['Content-Type', type] as const]),
    ...(encoding === undefined ? [] : [['Content-Encoding', encoding] as const]),
    ['X-Lernito-Signature', sign({ body, form: 'raw', secret: SECRET })],
    ['Content-Length', String(Buffer.byteLength(body))],
  ]
  return askRaw({ url: product.url, bytes: requestBytes({ headers, body }) })
}

const JSON_TYPE = 'application/json'
/** A valid sale of 10 MB, compressed to 11 KB. */
const bomb = gzipSync(`${' '.repeat(10_000_000)}${SALE}`)
const NOT_READ: Readonly<Record<string, Sent>> = {
  'no type': { body: SALE, type: null },
  'an empty type': { body: SALE, type: '' },
  'no type and no body': { body: '', type: null },
  'a form': { body: String(FORM), type: 'application/x-www-form-urlencoded' },
  'a form in parts': { body: MULTIPART, type: 'multipart/form-data; boundary=x' },
  'JSON that says it is a form': { body: SALE, type: 'application/x-www-form-urlencoded' },
  'JSON that says it is text': { body: SALE, type: 'text/plain' },
  'JSON of an API': { body: SALE, type: 'application/vnd.api+json' },
  'a list of types': { body: SALE, type: 'application/json, text/plain' },
  'any type': { body: SALE, type: '*/*' },
  'UTF-7': { body: SALE, type: 'application/json; charset=utf-7' },
  'UTF-16': { body: Buffer.from(SALE, 'utf16le'), type: 'application/json; charset=utf-16le' },
  'Latin-1': { body: Buffer.from(SALE, 'latin1'), type: 'application/json; charset=iso-8859-1' },
  'a charset that is none': { body: SALE, type: 'application/json; charset=nonsense' },
  'two charsets': { body: SALE, type: 'application/json; charset=utf-8; charset=utf-16' },
  gzip: { body: gzipSync(SALE), type: JSON_TYPE, encoding: 'gzip' },
  'gzip that is none': { body: SALE, type: JSON_TYPE, encoding: 'gzip' },
  'gzip in gzip': { body: gzipSync(gzipSync(SALE)), type: JSON_TYPE, encoding: 'gzip, gzip' },
  'a thousandfold gzip': { body: bomb, type: JSON_TYPE, encoding: 'gzip' },
  deflate: { body: deflateSync(SALE), type: JSON_TYPE, encoding: 'deflate' },
  brotli: { body: brotliCompressSync(SALE), type: JSON_TYPE, encoding: 'br' },
  'an encoding that is none': { body: SALE, type: JSON_TYPE, encoding: 'nonsense' },
  'identity and gzip': { body: gzipSync(SALE), type: JSON_TYPE, encoding: 'identity, gzip' },
  'an empty encoding': { body: SALE, type: JSON_TYPE, encoding: '' },
}
for (const [name, sent] of Object.entries(NOT_READ)) {
  test(`${name}, with a valid signature: 415 that names the type, and nothing is stored`, async () => {
    const { status, text } = await post(sent)
    assert.equal(status, 415)
    assert.match(JSON.parse(text).message, /^Unsupported (media type|content encoding) ".*" in request\.$/)
    assert.deepEqual(await storedDeliveries(product.folder), [])
  })
}

const NOT_JSON: Readonly<Record<string, string | Uint8Array>> = {
  'a form that says it is JSON': String(FORM),
  'parts that say they are JSON': MULTIPART,
  'UTF-16 that says it is UTF-8': Buffer.from(SALE, 'utf16le'),
  'UTF-16 with its mark': Buffer.from(`\ufeff${SALE}`, 'utf16le'),
  'UTF-8 with its mark': `\ufeff${SALE}`,
  'gzip that doesn’t say so': gzipSync(SALE),
  'a byte that never occurs in UTF-8': Buffer.concat([Buffer.from(SALE.slice(0, -1)), Buffer.from([0xff, 0x7d])]),
  'a character that is half there': Buffer.concat([Buffer.from(SALE), Buffer.from('é').subarray(0, 1)]),
  'an overlong slash': Buffer.concat([Buffer.from('{"x":"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"}')]),
  'a surrogate as UTF-8': Buffer.concat([Buffer.from('{"x":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')]),
}
for (const [name, body] of Object.entries(NOT_JSON)) {
  test(`${name}, with a valid signature: 400, and nothing is stored`, async () => {
    const { status, text } = await post({ body, type: JSON_TYPE })
    assert.equal(status, 400)
    assert.match(JSON.parse(text).message, /^JSON parse error - /)
    assert.deepEqual(await storedDeliveries(product.folder), [])
  })
}

test('characters that are split between chunks and packets are read whole', async () => {
  const body = Buffer.from(payload({ email: 'whole@example.com', name: 'Zoë 😀 例え' }))
  const headers: Header[] = [
    ['Host', 'x'],
    ['Content-Type', 'APPLICATION/json ;Charset="UTF-8"'],
    ['X-Lernito-Signature', sign({ body, form: 'original', secret: SECRET })],
    ['Transfer-Encoding', 'chunked'],
  ]
  const connection = await openRaw({ url: product.url })
  connection.socket.setNoDelay(true)
  connection.send(requestBytes({ headers }))
  for (const byte of body)
    connection.send(Buffer.concat([Buffer.from('1\r\n'), Uint8Array.of(byte), Buffer.from('\r\n')]))
  connection.send('0\r\n\r\n')
  const [answer] = await connection.first(1)
  connection.destroy()
  assert.equal(answer?.status, 200)
})
