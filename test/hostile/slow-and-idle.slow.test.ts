import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Product, payload, startProduct } from '../harness.ts'
import { until } from '../service/process.ts'
import { BULK, storedDeliveries } from '../service/serving.ts'
import { openRaw, requestBytes, signedHeaders, webhookBytes } from './raw.ts'

const TOO_SLOW =
  '{"success":false,"message":"The request did not come in time: 5 seconds for the headers, 10 seconds in all. Send it again"}'
const [HEADERS_S, REQUEST_S] = [5, 10]
/** The service checks twice a second. The rest is for a busy machine. */
const SPARE_S = 4

const body = payload({ email: 'slow@example.com' })
const whole = requestBytes({ headers: signedHeaders(body), body })
const head = whole.subarray(0, whole.length - body.length)

describe('slow clients', { concurrency: true }, () => {
  let product: Product
  before(async () => {
    product = await startProduct()
  })
  after(() => product.stop())

  /** Sends a first part, then the rest byte by byte. Returns the answer, and after how many seconds the connection ended. */
  const slowly = async ({ first, rest = '' }: { first: Uint8Array; rest?: string | Uint8Array }) => {
    const connection = await openRaw({ url: product.url })
    connection.send(first)
    const begun = performance.now()
    for (const byte of Buffer.from(rest)) {
      if (connection.isClosed()) break
      connection.send(Uint8Array.of(byte))
      await delay(200)
    }
    const answers = await connection.untilClosed()
    return { answers, seconds: (performance.now() - begun) / 1000 }
  }

  const between = (seconds: number, from: number): void =>
    assert.ok(seconds > from - 0.2 && seconds < from + SPARE_S, `it took ${seconds} s`)

  for (const [name, sent, limit] of [
    ['headers that never end', { first: head.subarray(0, 40) }, HEADERS_S],
    ['headers byte by byte', { first: head.subarray(0, 10), rest: head.subarray(10) }, HEADERS_S],
    ['a body that never comes', { first: head }, REQUEST_S],
    ['a body that ends in the middle', { first: whole.subarray(0, -1) }, REQUEST_S],
    ['a body byte by byte', { first: head, rest: body }, REQUEST_S],
  ] as const) {
    test(`${name}: 408 after ${limit} s, and nothing is stored`, async () => {
      const { answers, seconds } = await slowly(sent)
      between(seconds, limit)
      const [answer, ...more] = answers
      assert.deepEqual(more, [])
      assert.deepEqual([answer?.status, answer?.text, answer?.headers.connection], [408, TOO_SLOW, 'close'])
      assert.ok(product.log.some(({ code, status, ip }) => code === 'too_slow' && status === 408 && ip === '127.0.0.1'))
      assert.ok((await storedDeliveries(product.folder)).every(({ email }) => email !== 'slow@example.com'))
    })
  }

  test('a client that connects and sends nothing is cut after 5 s without an answer', async () => {
    const { answers, seconds } = await slowly({ first: Buffer.alloc(0) })
    between(seconds, HEADERS_S)
    assert.deepEqual(answers, [])
  })

  test('after an answer the connection stays open: 11 s later it serves a webhook, and a slow one gets 408', async () => {
    const connection = await openRaw({ url: product.url })
    connection.send(webhookBytes({ email: 'kept@example.com' }))
    const [first] = await connection.first(1)
    assert.equal(first?.headers['keep-alive'], 'timeout=150')
    await delay(11_000) // longer than any limit of a request: the rule is that nothing happens
    connection.send(webhookBytes({ email: 'kept-on@example.com' }))
    await connection.first(2)
    connection.send(head.subarray(0, 40))
    const answers = await connection.untilClosed()
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 408],
    )
  })

  test('if a slow request follows one in flight, the first one is answered, and then the connection ends', async (t) => {
    const own = await startProduct({ env: { LERNITO_ANSWER_WITHIN_MS: '30000' } })
    t.after(() => own.stop())
    await own.lms.faults([{ method: 'POST', path: BULK, delayMs: 6500, times: 1 }])
    const connection = await openRaw({ url: own.url })
    connection.send(Buffer.concat([webhookBytes({ email: 'first@example.com' }), head.subarray(0, 40)]))
    const answers = await connection.untilClosed()
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200],
    )
  })
})

test('1,000 connections that send nothing or too little are cut, and every sale is accepted meanwhile', async (t) => {
  const product = await startProduct()
  t.after(() => product.stop())
  const connections = await Promise.all(
    Array.from({ length: 1000 }, async (_, number) => {
      const connection = await openRaw({ url: product.url })
      if (number % 2 === 0) connection.send(head.subarray(0, 40))
      return connection
    }),
  )
  t.after(() => {
    for (const { destroy } of connections) destroy()
  })
  const { status } = await product.sell({ email: 'among-them@example.com' })
  assert.equal(status, 200)
  assert.equal(connections.filter(({ isClosed }) => isClosed()).length, 0)
  await until('the end of all', () => connections.every(({ isClosed }) => isClosed()) || undefined)
  await until('the end at the service', () => openAt(product).then((count) => count === 0 || undefined))
  assert.equal((await product.sell({ email: 'after-them@example.com' })).status, 200)
})

const openAt = (product: Product): Promise<number> =>
  new Promise((resolve, reject) =>
    product.service.app.server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
  )

describe('clients that hang up', () => {
  let product: Product
  before(async () => {
    product = await startProduct()
  })
  after(() => product.stop())
  const emails = async () => (await storedDeliveries(product.folder)).map(({ email }) => email)

  test('half-closing after a complete request: no answer, but the delivery is enrolled', async () => {
    const connection = await openRaw({ url: product.url })
    connection.socket.end(webhookBytes({ email: 'half@example.com' }))
    assert.deepEqual(await connection.untilClosed(), [])
    const allowed = async () => (await product.lms.state()).allowances.some(({ email }) => email === 'half@example.com')
    await until('the allowance', async () => (await allowed()) || undefined)
  })

  for (const [name, sent] of Object.entries({ headers: head.subarray(0, 40), body: whole.subarray(0, -1) })) {
    test(`half-closing in the middle of the ${name}: 400, and nothing is stored`, async () => {
      const connection = await openRaw({ url: product.url })
      connection.socket.end(sent)
      const [answer] = await connection.untilClosed()
      assert.deepEqual([answer?.status, answer?.headers.connection], [400, 'close'])
      assert.match(answer?.text ?? '', /^{"success":false,"message":/)
      assert.ok(!(await emails()).includes('slow@example.com'))
    })
  }

  for (const cut of ['destroy', 'resetAndDestroy'] as const) {
    test(`hanging up in the middle of the body (${cut}): nothing is stored, and no error is logged`, async () => {
      const before = product.log.length
      const others = await openAt(product)
      const connection = await openRaw({ url: product.url })
      connection.send(whole.subarray(0, -1))
      await until('the connection at the service', async () => (await openAt(product)) > others || undefined)
      connection.socket[cut]()
      await until('its end at the service', async () => (await openAt(product)) <= others || undefined)
      assert.equal((await product.sell({ email: 'meanwhile@example.com' })).status, 200)
      assert.deepEqual(await emails(), [...new Set(await emails())])
      assert.ok(!(await emails()).includes('slow@example.com'))
      const levels = product.log.slice(before).map(({ level }) => level)
      assert.ok(
        levels.every((level) => level === 'info'),
        levels.join(),
      )
    })
  }

  test('hanging up after a complete request and before its answer: the delivery is stored and the buyer enrolled', async () => {
    await product.lms.faults([{ method: 'POST', path: BULK, delayMs: 200, times: 1 }])
    const connection = await openRaw({ url: product.url })
    connection.send(webhookBytes({ email: 'alice@example.com' }))
    await until('the delivery', () => product.log.some(({ msg }) => msg === 'delivery received') || undefined)
    connection.socket.resetAndDestroy()
    const enrolled = async () =>
      (await product.lms.state()).enrollments.some(({ email }) => email === 'alice@example.com')
    await until('the enrollment', async () => (await enrolled()) || undefined)
  })
})
