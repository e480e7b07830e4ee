import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { type Product, payload, startProduct } from '../harness.ts'
import { BULK, storedDeliveries } from '../service/serving.ts'
import { askRaw, chunked, type Header, openRaw, requestBytes, signedHeaders, WEBHOOK, webhookBytes } from './raw.ts'

const body = payload({ email: 'whole@example.com' })
const LENGTH = 'Content-Length'
const headers = signedHeaders(body)
const open = signedHeaders(body, { without: [LENGTH] })
const length = String(Buffer.byteLength(body))
const size = Buffer.byteLength(body).toString(16)
/** What must never be taken for a request of its own. */
const smuggled = webhookBytes({ email: 'smuggled@example.com' }).toString('latin1')

const inChunks = (sent: string, add: readonly Header[] = []): Buffer =>
  requestBytes({ headers: [...open, ['Transfer-Encoding', 'chunked'], ...add], body: sent })
const withHead = (change: (head: string) => string): Buffer => {
  const text = requestBytes({ headers, body }).toString('latin1')
  const end = text.indexOf('\r\n\r\n')
  return Buffer.from(change(text.slice(0, end)) + text.slice(end), 'latin1')
}

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

describe('what is not HTTP as it should be', () => {
  let product: Product
  before(async () => {
    product = await startProduct()
  })
  after(() => product.stop())
  beforeEach(() => product.log.splice(0))

  for (const [name, bytes] of Object.entries(MALFORMED)) {
    test(`${name}: one answer, 400 in JSON, and the connection is closed; nothing of it is stored`, async () => {
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
        product.log.map(({ level, status, msg, ip }) => ({ level, status, msg, ip })),
        [{ level: 'info', status: 400, msg: 'request refused', ip: '127.0.0.1' }],
      )
    })
  }
})

describe('what is odd, and is HTTP', () => {
  let product: Product
  before(async () => {
    product = await startProduct()
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
    'a fragment': requestBytes({ path: `${WEBHOOK}#x`, headers, body }),
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
    test(`${name}: taken, and answered without naming any address`, async () => {
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
    test(`the path ${path} is 404`, async () => {
      const { status, text } = await ask(requestBytes({ path, headers, body }))
      assert.deepEqual([status, text.slice(0, 37)], [404, '{"success":false,"message":"Not found'])
    })
  }

  for (const path of ['/%zz', '/api/lernito/webhook/%', '/%c0%ae', 'http:///x']) {
    test(`the path ${path} is 400, and not said again`, async () => {
      const { status, text } = await ask(requestBytes({ path, headers, body }))
      assert.equal(status, 400)
      assert.match(text, /^{"success":false,"message":"The path is not a valid one\./)
      assert.deepEqual(
        product.log.map(({ code, status: logged }) => ({ code, logged })),
        [{ code: 'bad_url', logged: 400 }],
      )
    })
  }

  test('101 headers are 431, though Node would only drop what is too many', async () => {
    const add = Array.from({ length: 97 }, (): Header => ['X', 'y'])
    const connection = await openRaw({ url: product.url })
    connection.send(requestBytes({ headers: [...headers, ...add], body }))
    const [answer] = await connection.untilClosed()
    assert.equal(answer?.status, 431)
    assert.match(answer.text, /^{"success":false,"message":"The headers are more than 16 KiB or 100 headers/)
  })

  for (const [name, bytes] of Object.entries({
    'a header': requestBytes({ headers: [...headers, ['X', 'y'.repeat(16 * 1024)]], body }),
    'headers together': requestBytes({ headers: [...headers, ...Array(90).fill(['X', 'y'.repeat(200)])], body }),
    'a path': requestBytes({ path: `/${'y'.repeat(16 * 1024)}`, headers, body }),
    'an endless header': Buffer.from(`POST ${WEBHOOK} HTTP/1.1\r\nX: ${'y'.repeat(200_000)}`),
  })) {
    test(`more than 16 KiB before the body (${name}) are 431, and the connection is closed`, async () => {
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

  test('Expect: 100-continue is told to go on before it sends the body', async () => {
    const connection = await openRaw({ url: product.url })
    connection.send(requestBytes({ headers: [...headers, ['Expect', '100-continue']] }))
    await connection.heard('HTTP/1.1 100 Continue\r\n\r\n')
    connection.send(body)
    assert.equal((await connection.first(1))[0]?.status, 200)
    connection.destroy()
  })

  test('any other Expect is 417, in JSON', async () => {
    const { status, text } = await ask(requestBytes({ headers: [...headers, ['Expect', 'a-miracle']], body }))
    assert.equal(status, 417)
    assert.match(text, /^{"success":false,"message":"The only Expect is 100-continue/)
    assert.deepEqual(
      product.log.map(({ code, status: logged }) => ({ code, logged })),
      [{ code: 'expectation', logged: 417 }],
    )
  })

  test('CONNECT is 405: this is no proxy', async () => {
    const connection = await openRaw({ url: product.url })
    connection.send('CONNECT lms.example:443 HTTP/1.1\r\nHost: lms.example:443\r\n\r\nGET / HTTP/1.1\r\n\r\n')
    const answers = await connection.untilClosed()
    assert.deepEqual(
      answers.map(({ status, headers: { allow } }) => [status, allow]),
      [[405, 'POST, OPTIONS']],
    )
  })

  for (const [name, sent] of Object.entries({
    CONNECT: 'CONNECT lms.example:443 HTTP/1.1\r\nHost: lms.example:443\r\n\r\n',
    'no HTTP': 'Good morning!\r\n\r\n',
    'two lengths': MALFORMED['two lengths'] ?? '',
    'a bad chunk': inChunks('zz\r\n'),
    'an odd Expect': requestBytes({ headers: [...headers, ['Expect', 'a-miracle']], body }),
    'too large headers': requestBytes({ headers: [...headers, ['X', 'y'.repeat(16 * 1024)]], body }),
    'too large a body': inChunks(chunked('x'.repeat(70_000))),
  })) {
    test(`who sends ${name} and is gone before or after the answer, or sends on, hurts nobody`, async () => {
      for (let i = 0; i < 30; i++) {
        const connection = await openRaw({ url: product.url })
        connection.send(sent)
        if (i % 3 > 0) await connection.first(1)
        if (i % 3 > 1) connection.send(sent)
        connection.socket.resetAndDestroy()
      }
      assert.equal((await ask(webhookBytes({ email: 'after-them@example.com' }))).status, 200)
      assert.ok(product.log.every(({ level }) => level === 'info'))
    })
  }

  test('pipelined webhooks are answered one by one, in their order', async () => {
    const connection = await openRaw({ url: product.url })
    const wrong = requestBytes({ headers: signedHeaders('{}'), body: '{}' })
    connection.send(
      Buffer.concat([webhookBytes({ email: 'one@example.com' }), wrong, webhookBytes({ email: 'two@example.com' })]),
    )
    const answers = await connection.first(3)
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 400, 200],
    )
    connection.destroy()
  })

  for (const [name, after] of Object.entries({
    'what is no HTTP': 'Good morning!\r\n\r\n',
    'a body longer than its Content-Length': 'more',
    'a request with a bad chunk': inChunks('zz\r\n').toString('latin1'),
  })) {
    test(`after a webhook that is still worked on comes ${name}: its own answer comes first`, async () => {
      await product.lms.faults([{ method: 'POST', path: BULK, delayMs: 200, times: 1 }])
      const connection = await openRaw({ url: product.url })
      connection.send(
        Buffer.concat([webhookBytes({ email: `before-${after.length}@example.com` }), Buffer.from(after)]),
      )
      const answers = await connection.untilClosed()
      assert.deepEqual(
        answers.map(({ status }) => status),
        [200, 400],
      )
    })
  }

  test('what follows a webhook with Connection: close is not looked at, and the webhook has its answer', async () => {
    await product.lms.faults([{ method: 'POST', path: BULK, delayMs: 200, times: 1 }])
    const connection = await openRaw({ url: product.url })
    const last = webhookBytes({ email: 'last@example.com', add: [['Connection', 'close']] })
    connection.send(Buffer.concat([last, webhookBytes({ email: 'behind@example.com' })]))
    const answers = await connection.untilClosed()
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200],
    )
    assert.ok((await storedDeliveries(product.folder)).every(({ email }) => email !== 'behind@example.com'))
  })

  test('a bad chunk after a 415 gets no second answer', async () => {
    const connection = await openRaw({ url: product.url })
    const text = inChunks('5\r\nhello\r\n').toString('latin1')
    connection.send(text.replace('application/json', 'text/plain'))
    await connection.first(1)
    connection.send('zz\r\n')
    assert.deepEqual(
      (await connection.untilClosed()).map(({ status }) => status),
      [415],
    )
  })

  test('a Content-Length that is too short: what is left over is no part of the webhook', async () => {
    const connection = await openRaw({ url: product.url })
    connection.send(requestBytes({ headers: [...open, [LENGTH, String(Number(length) - 1)]], body }))
    const answers = await connection.untilClosed()
    assert.deepEqual(
      answers.map(({ status }) => status),
      [400, 400],
    )
  })
})
