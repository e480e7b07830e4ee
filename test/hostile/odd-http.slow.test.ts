import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { type Product, startProduct } from '../harness.ts'
import { body, headers, inChunks, size, withHead } from './one-sale.ts'
import { askRaw, chunked, EVERY_LINE, type Header, openRaw, requestBytes, signedHeaders, WEBHOOK } from './raw.ts'

describe('unusual but valid HTTP', () => {
  let product: Product
  before(async () => {
    product = await startProduct({ env: EVERY_LINE })
  })
  after(() => product.stop())
  beforeEach(() => product.log.splice(0))
  const ask = (bytes: Uint8Array) => askRaw({ url: product.url, bytes })

  const ACCEPTED: Readonly<Record<string, Uint8Array>> = {
    'another Host, which says nothing': withHead((head) => head.replace('shop.example', 'evil.example:99999')),
    'an empty Host': withHead((head) => head.replace('Host: shop.example', 'Host:')),
    'X-Forwarded-Host': requestBytes({ headers: [...headers, ['X-Forwarded-Host', 'evil.example']], body }),
    'the whole address in the first line': requestBytes({ path: `http://evil.example${WEBHOOK}`, headers, body }),
    'two slashes': requestBytes({ path: '//api//lernito///webhook//', headers, body }),
    'a letter of the path escaped': requestBytes({ path: '/api/lernito/%77ebhook/', headers, body }),
    'a query with keys of an object’s prototype': requestBytes({
      path: `${WEBHOOK}?__proto__[x]=1&constructor=2`,
      headers,
      body,
    }),
    'chunks of one byte': inChunks(chunked(...body)),
    'an extension of a chunk': inChunks(`${size};a=b\r\n${body}\r\n0;c\r\n\r\n`),
    'an upgrade that is not offered': requestBytes({
      headers: [
        ...headers,
        ['Connection', 'Upgrade, HTTP2-Settings'],
        ['Upgrade', 'h2c'],
        ['HTTP2-Settings', 'AAMAAABk'],
      ],
      body,
    }),
    'HTTP/1.0': requestBytes({ version: 'HTTP/1.0', headers, body }),
    'HTTP/1.0 without Host': requestBytes({
      version: 'HTTP/1.0',
      headers: signedHeaders(body, { without: ['Host'] }),
      body,
    }),
    '100 headers': requestBytes({
      headers: [...headers, ...Array.from({ length: 96 }, (): Header => ['X', 'y'])],
      body,
    }),
    'a method in a header': requestBytes({ headers: [...headers, ['X-HTTP-Method-Override', 'DELETE']], body }),
  }
  for (const [name, bytes] of Object.entries(ACCEPTED)) {
    test(`${name}: accepted, and the answer names no address`, async () => {
      const answer = await ask(bytes)
      assert.equal(answer.status, 200, answer.text)
      assert.doesNotMatch(JSON.stringify(answer), /evil|location/)
    })
  }

  const ELSEWHERE = ['//evil.example/api/lernito/webhook/', '/x/../api/lernito/webhook/', '/api/lernito/webhook/;x']
  ELSEWHERE.push(
    '/api/lernito/webhook%2f',
    '/api/lernito/webhook/%2e',
    '/api/lernito/webhook/%00',
    '/API/LERNITO/WEBHOOK/',
  )
  ELSEWHERE.push('/api\\lernito\\webhook\\', '/api/lernito/webhook/index.html', '/%61pi%2flernito%2fwebhook', '*')
  for (const path of ELSEWHERE) {
    test(`the path ${path} gets 404`, async () => {
      const { status, text } = await ask(requestBytes({ path, headers, body }))
      assert.deepEqual([status, text.slice(0, 37)], [404, '{"success":false,"message":"Not found'])
    })
  }

  for (const path of ['/%zz', '/api/lernito/webhook/%', '/%c0%ae', 'http:///x', `${WEBHOOK}#x`, '/#/../metrics']) {
    test(`the path ${path} gets 400, and the answer does not repeat it`, async () => {
      const { status, text } = await ask(requestBytes({ path, headers, body }))
      assert.equal(status, 400)
      assert.match(text, /^{"success":false,"message":"The path is not valid\./)
      assert.deepEqual(
        product.log.map(({ code, status: logged }) => ({ code, logged })),
        [{ code: 'bad_url', logged: 400 }],
      )
    })
  }

  test('101 headers get 431, where Node would only drop the surplus', async () => {
    const add = Array.from({ length: 97 }, (): Header => ['X', 'y'])
    const connection = await openRaw({ url: product.url })
    connection.send(requestBytes({ headers: [...headers, ...add], body }))
    const [answer] = await connection.untilClosed()
    assert.equal(answer?.status, 431)
    assert.match(answer.text, /^{"success":false,"message":"The request has more than 16 KiB or 100 headers/)
  })

  for (const [name, bytes] of Object.entries({
    'a header': requestBytes({ headers: [...headers, ['X', 'y'.repeat(16 * 1024)]], body }),
    'headers together': requestBytes({ headers: [...headers, ...Array(90).fill(['X', 'y'.repeat(200)])], body }),
    'a path': requestBytes({ path: `/${'y'.repeat(16 * 1024)}`, headers, body }),
    'an endless header': Buffer.from(`POST ${WEBHOOK} HTTP/1.1\r\nX: ${'y'.repeat(200_000)}`),
  })) {
    test(`more than 16 KiB before the body (${name}) get 431, and the connection is closed`, async () => {
      const connection = await openRaw({ url: product.url })
      connection.send(bytes)
      const answers = await connection.untilClosed()
      assert.deepEqual(
        answers.map((answer) => [answer.status, answer.headers.connection, answer.text.slice(0, 27)]),
        [[431, 'close', '{"success":false,"message":']],
      )
      assert.deepEqual(
        product.log.map(({ code, status }) => ({ code, status })),
        [{ code: 'headers_too_large', status: 431 }],
      )
    })
  }

  test('Expect: 100-continue gets 100 before the body is sent', async () => {
    const connection = await openRaw({ url: product.url })
    connection.send(requestBytes({ headers: [...headers, ['Expect', '100-continue']] }))
    await connection.heard('HTTP/1.1 100 Continue\r\n\r\n')
    connection.send(body)
    assert.equal((await connection.first(1))[0]?.status, 200)
    connection.destroy()
  })

  test('any other Expect gets 417 in JSON', async () => {
    const { status, text } = await ask(requestBytes({ headers: [...headers, ['Expect', 'a-miracle']], body }))
    assert.equal(status, 417)
    assert.match(text, /^{"success":false,"message":"The only Expect allowed is 100-continue/)
    assert.deepEqual(
      product.log.map(({ code, status: logged }) => ({ code, logged })),
      [{ code: 'expectation', logged: 417 }],
    )
  })
})
