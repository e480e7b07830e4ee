import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { type Product, startProduct } from '../harness.ts'
import { BULK, storedDeliveries } from '../service/serving.ts'
import { body, headers, inChunks, LENGTH, length, open } from './one-sale.ts'
import { askRaw, chunked, openRaw, requestBytes, signedHeaders, webhookBytes } from './raw.ts'

describe('several requests on one connection', () => {
  let product: Product
  before(async () => {
    product = await startProduct()
  })
  after(() => product.stop())
  beforeEach(() => product.log.splice(0))
  const ask = (bytes: Uint8Array) => askRaw({ url: product.url, bytes })

  test('CONNECT gets 405: the service is not a proxy', async () => {
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
    'text that is not HTTP': 'Good morning!\r\n\r\n',
    'two lengths': requestBytes({ headers: [...open, [LENGTH, length], [LENGTH, '4']], body }),
    'a bad chunk': inChunks('zz\r\n'),
    'an odd Expect': requestBytes({ headers: [...headers, ['Expect', 'a-miracle']], body }),
    'headers that are too large': requestBytes({ headers: [...headers, ['X', 'y'.repeat(16 * 1024)]], body }),
    'a body that is too large': inChunks(chunked('x'.repeat(70_000))),
  })) {
    test(`a client that sends ${name} and then hangs up or keeps sending affects no other client`, async () => {
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
    'text that is not HTTP': 'Good morning!\r\n\r\n',
    'a body longer than its Content-Length': 'more',
    'a request with a bad chunk': inChunks('zz\r\n').toString('latin1'),
  })) {
    test(`a webhook in flight is answered before ${name} that follows it`, async () => {
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

  test('bytes after a webhook with Connection: close are ignored, and the webhook gets its answer', async () => {
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

  test('with a Content-Length that is too short, the surplus is not part of the webhook', async () => {
    const connection = await openRaw({ url: product.url })
    connection.send(requestBytes({ headers: [...open, [LENGTH, String(Number(length) - 1)]], body }))
    const answers = await connection.untilClosed()
    assert.deepEqual(
      answers.map(({ status }) => status),
      [400, 400],
    )
  })
})
