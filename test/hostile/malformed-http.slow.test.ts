import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { type Product, startProduct } from '../harness.ts'
import { storedDeliveries } from '../service/serving.ts'
import { body, headers, inChunks, LENGTH, length, open, size, withHead } from './one-sale.ts'
import { chunked, EVERY_LINE, openRaw, requestBytes, signedHeaders, WEBHOOK, webhookBytes } from './raw.ts'

/** Text that must never be taken for a separate request. */
const smuggled = webhookBytes({ email: 'smuggled@example.com' }).toString('latin1')

const MALFORMED: Readonly<Record<string, Uint8Array>> = {
  'Content-Length and Transfer-Encoding': requestBytes({
    headers: [...headers, ['Transfer-Encoding', 'chunked']],
    body: chunked(body) + smuggled,
  }),
  'Transfer-Encoding and Content-Length': inChunks(chunked(body) + smuggled, [[LENGTH, '4']]),
  'two lengths': requestBytes({ headers: [...open, [LENGTH, length], [LENGTH, '4']], body }),
  'the same length twice': requestBytes({ headers: [...headers, [LENGTH, length]], body }),
  'two lengths in one value': requestBytes({ headers: [...open, [LENGTH, `${length}, ${length}`]], body }),
  'a length with a sign': requestBytes({ headers: [...open, [LENGTH, `+${length}`]], body }),
  'a negative length': requestBytes({ headers: [...open, [LENGTH, '-1']], body }),
  'a length in hex': requestBytes({ headers: [...open, [LENGTH, `0x${size}`]], body }),
  'a length that overflows': requestBytes({ headers: [...open, [LENGTH, '9'.repeat(30)]], body }),
  'Transfer-Encoding that is not chunked': requestBytes({
    headers: [...open, ['Transfer-Encoding', 'xchunked']],
    body,
  }),
  'Transfer-Encoding: identity': requestBytes({ headers: [...open, ['Transfer-Encoding', 'identity']], body }),
  'Transfer-Encoding: gzip, chunked': requestBytes({
    headers: [...open, ['Transfer-Encoding', 'gzip, chunked']],
    body: chunked(body) + smuggled,
  }),
  'chunked twice': inChunks(chunked(body) + smuggled, [['Transfer-Encoding', 'chunked']]),
  'white space before the colon': withHead((head) => head.replace('Content-Length:', 'Content-Length :')),
  'a folded header': withHead((head) => `${head}\r\nX-Folded: a\r\n b`),
  'a folded first header': withHead((head) => head.replace('\r\n', '\r\n folded: x\r\n')),
  'line feeds alone': Buffer.from(requestBytes({ headers, body: '' }).toString('latin1').replaceAll('\r\n', '\n')),
  'a line feed alone in the headers': withHead((head) => head.replace('\r\nContent-Type', '\nContent-Type')),
  'a carriage return alone': withHead((head) => `${head}\r\nX-Return: a\rTransfer-Encoding: chunked`),
  'a NUL in a header': withHead((head) => `${head}\r\nX-Nul: a\0b`),
  'a header without a name': withHead((head) => `${head}\r\n: x`),
  'a header without a colon': withHead((head) => `${head}\r\nnothing`),
  'a chunk size that is no number': inChunks(`zz\r\n${body}\r\n0\r\n\r\n`),
  'a chunk size with a sign': inChunks(`-5\r\n${body}\r\n0\r\n\r\n`),
  'a chunk size with 0x': inChunks(`0x${size}\r\n${body}\r\n0\r\n\r\n`),
  'a chunk size that overflows': inChunks(`${'f'.repeat(18)}\r\n${body}\r\n0\r\n\r\n`),
  'a chunk longer than its size': inChunks(`5\r\n${body}\r\n0\r\n\r\n`),
  'chunks ended by a line feed alone': inChunks(chunked(body).replaceAll('\r\n', '\n')),
  '20 KB of chunk extensions': inChunks(`${size};${'a'.repeat(20_000)}\r\n${body}\r\n0\r\n\r\n`),
  'no Host': requestBytes({ headers: signedHeaders(body, { without: ['Host'] }), body }),
  'two Hosts': requestBytes({ headers: [...headers, ['Host', 'other.example']], body }),
  'two equal Hosts': requestBytes({ headers: [...headers, ['Host', 'shop.example']], body }),
  'two Content-Types, the right one first': requestBytes({
    headers: [...headers, ['Content-Type', 'text/plain']],
    body,
  }),
  'two Content-Types, the right one last': requestBytes({
    headers: [['Content-Type', 'text/plain'], ...headers],
    body,
  }),
  'HTTP/1.0 in chunks': requestBytes({
    version: 'HTTP/1.0',
    headers: [...open, ['Transfer-Encoding', 'chunked']],
    body: chunked(body) + smuggled,
  }),
  'HTTP/1.2': requestBytes({ version: 'HTTP/1.2', headers, body }),
  'HTTP/2.0': requestBytes({ version: 'HTTP/2.0', headers, body }),
  'the preface of HTTP/2': Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  'no version': Buffer.from(`POST ${WEBHOOK}\r\nHost: x\r\n\r\n`),
  TLS: Buffer.from('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'latin1'),
  'an unknown method': requestBytes({ method: 'STEAL', headers, body }),
  'a method in small letters': requestBytes({ method: 'post', headers, body }),
  'a space in the path': requestBytes({ path: '/api/lernito/webhook/ x', headers, body }),
  'a tab in the path': requestBytes({ path: `${WEBHOOK}\tx`, headers, body }),
  'a NUL in the path': requestBytes({ path: `${WEBHOOK}\0`, headers, body }),
  'nothing that is HTTP': Buffer.from('Good morning!\r\n\r\n'),
}

describe('malformed HTTP', () => {
  let product: Product
  before(async () => {
    product = await startProduct({ env: EVERY_LINE })
  })
  after(() => product.stop())
  beforeEach(() => product.log.splice(0))

  for (const [name, bytes] of Object.entries(MALFORMED)) {
    test(`${name}: one 400 in JSON, the connection is closed, and nothing is stored`, async () => {
      const connection = await openRaw({ url: product.url })
      connection.send(bytes)
      const [answer, ...more] = await connection.untilClosed()
      assert.deepEqual(more, [])
      assert.equal(answer?.status, 400)
      assert.equal(answer.headers.connection, 'close')
      assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
      assert.match(answer.text, /^{"success":false,"message":"[^"]{40,}"}$/)
      assert.doesNotMatch(answer.text, /node|\bat \/|HPE_|FST_/)
      assert.deepEqual(await storedDeliveries(product.folder), [])
      assert.deepEqual(
        product.log.filter(({ status }) => status !== undefined).map(({ status, msg, ip }) => ({ status, msg, ip })),
        [{ status: 400, msg: 'request refused', ip: '127.0.0.1' }],
      )
    })
  }
})
