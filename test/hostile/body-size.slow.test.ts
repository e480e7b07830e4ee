import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { defaultWorld } from '../../sandbox/default-world.ts'
import { sign } from '../../src/shop/signature/signature.ts'
import { BODY_LIMIT } from '../../src/shop/webhook/route.ts'
import { type Answered, exchange, type Product, payload, SECRET, startProduct } from '../harness.ts'
import { temporaryFolder, until } from '../service/process.ts'
import { startServe, storedDeliveries } from '../service/serving.ts'
import { chunked, openRaw, requestBytes, signedHeaders, WEBHOOK, webhookBytes } from './raw.ts'

const TOO_LARGE = '{"success":false,"message":"The body is larger than 64 KiB. Send a shorter one"}'
const MIB = 1024 * 1024
const COURSES = Array.from({ length: 1000 }, (_, n) => `course-v1:Lernito+Bundle${String(n).padStart(4, '0')}+2026`)

let product: Product
before(async () => {
  const courses = [...defaultWorld.courses, ...COURSES.map((id) => ({ id, name: 'One of a bundle' }))]
  product = await startProduct({
    lms: { world: { ...defaultWorld, courses } },
    env: { LERNITO_ANSWER_WITHIN_MS: '30000' },
  })
})
after(() => product.stop())

const post = (body: string): Promise<Answered> =>
  exchange({
    url: product.webhook,
    headers: { 'content-type': 'application/json', 'x-lernito-signature': sign({ body, form: 'raw', secret: SECRET }) },
    body,
  })
/** A sale of this many bytes, padded with white space. */
const saleOf = (bytes: number, email: string): string => {
  const sale = payload({ email })
  return sale.slice(0, -1) + ' '.repeat(bytes - sale.length) + sale.slice(-1)
}
const inChunks = (body: string): Buffer => {
  const headers = signedHeaders(body, { without: ['Content-Length'] })
  const pieces = body.match(/.{1,5000}/g) ?? []
  return requestBytes({ headers: [...headers, ['Transfer-Encoding', 'chunked']], body: chunked(...pieces) })
}

for (const [how, bytesOf] of [
  ['with its length', (body: string) => webhookBytes({ body })],
  ['in chunks', inChunks],
] as const) {
  for (const [size, status] of [
    [BODY_LIMIT - 1, 200],
    [BODY_LIMIT, 200],
    [BODY_LIMIT + 1, 413],
    [BODY_LIMIT + 300_000, 413],
  ] as const) {
    test(`a signed body of ${size} bytes ${how} is ${status}, and the connection serves the next one`, async () => {
      const connection = await openRaw({ url: product.url })
      const email = `size-${size}-${how.length}@example.com`
      connection.send(bytesOf(saleOf(size, email)))
      connection.send(webhookBytes({ email: 'next@example.com' }))
      const answers = await connection.first(2)
      connection.destroy()
      assert.deepEqual(
        answers.map((answer) => answer.status),
        [status, 200],
      )
      if (status === 413) assert.equal(answers[0]?.text, TOO_LARGE)
      const stored = (await storedDeliveries(product.folder)).some((row) => row.email === email)
      assert.equal(stored, status === 200)
    })
  }
}

test('a 413 is logged by a code, without text from the sender', () => {
  const line = product.log.find(({ status }) => status === 413)
  assert.deepEqual([line?.code, line?.msg, line?.ip], ['body_too_large', 'request refused', '127.0.0.1'])
})

/** Sends chunks of 64 KiB until the service ends the connection. Returns the statuses and the MiB that it read. */
async function pour({ url, head, chunks }: { url: string; head: string; chunks: boolean }) {
  const connection = await openRaw({ url })
  const piece = Buffer.from(chunks ? `10000\r\n${'x'.repeat(BODY_LIMIT)}\r\n` : 'x'.repeat(BODY_LIMIT))
  connection.send(`${head}\r\n\r\n`)
  let sent = 0
  while (!connection.isClosed() && sent < 100 * MIB) {
    sent += piece.length
    if (!connection.socket.write(piece)) {
      await until('room or the end', () => connection.isClosed() || !connection.socket.writableNeedDrain || undefined)
    }
  }
  return { statuses: (await connection.untilClosed()).map(({ status }) => status), mib: sent / MIB }
}

const HEAD = `Host: x\r\nContent-Type: application/json\r\nX-Lernito-Signature: ${'0'.repeat(64)}`
const LENGTH = `Content-Length: ${100 * MIB}`
const CHUNKED = 'Transfer-Encoding: chunked'
const POURED = [
  ['100 MB with their length', `POST ${WEBHOOK} HTTP/1.1\r\n${HEAD}\r\n${LENGTH}`, 413],
  ['an endless body', `POST ${WEBHOOK} HTTP/1.1\r\n${HEAD}\r\n${CHUNKED}`, 413],
  ['an endless body of another type', `POST ${WEBHOOK} HTTP/1.1\r\n${HEAD.replace('json', 'xml')}\r\n${CHUNKED}`, 415],
  ['an endless body at another path', `POST /nothing HTTP/1.1\r\n${HEAD}\r\n${CHUNKED}`, 404],
  ['an endless body of another method', `PUT ${WEBHOOK} HTTP/1.1\r\n${HEAD}\r\n${CHUNKED}`, 405],
] as const

for (const [name, head, status] of POURED) {
  test(`${name}: ${status} at once, and 8 MiB later the connection is cut`, async () => {
    const { statuses, mib } = await pour({ url: product.url, head, chunks: head.endsWith('chunked') })
    assert.deepEqual(statuses, [status])
    assert.ok(mib < 20, `${mib} MiB were sent`) // what the two systems hold between the programs counts too
  })
}

test('500 MiB of endless bodies are not kept in memory', { skip: process.platform !== 'linux' }, async (t) => {
  const serving = await startServe({ t, folder: temporaryFolder(t), lmsUrl: product.lmsUrl })
  const status = (): string => readFileSync(`/proc/${serving.child.pid}/status`, 'utf8')
  const mibOf = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status())?.[1]) / 1024
  const pourMib = async (enough: number): Promise<number> => {
    let sum = 0
    while (sum < enough) {
      const poured = POURED.map(([, head]) => pour({ url: serving.url, head, chunks: head.endsWith('chunked') }))
      for (const { mib } of await Promise.all(poured)) sum += mib
    }
    return sum
  }
  await pourMib(250) // the first ones fill what the process keeps for receiving
  const before = mibOf('VmRSS')
  const poured = await pourMib(500)
  const [later, most] = [mibOf('VmRSS'), mibOf('VmHWM')]
  t.diagnostic(`${before.toFixed()} MiB, after ${poured.toFixed()} MiB ${later.toFixed()}, ${most.toFixed()} at most`)
  // What the garbage collector has not freed yet varies by tens of MiB. Kept bodies would be 500.
  assert.ok(later < before + 100, `${before} MiB before, ${later} after`)
  assert.ok(most < before + 150, `${before} MiB before, ${most} at most`)
})

describe('bodies within 64 KiB', () => {
  const fields = '"email":"much@example.com","name":"N","family":"F","username":"u"'
  const sale = (courseIds: string, more = ''): string => `{${fields},"courseIds":[${courseIds}]${more}}`
  const demo = '"course-v1:edX+DemoX+Demo_Course"'
  const quickly = async (body: string): Promise<Answered> => {
    const begun = performance.now()
    const answered = await post(body)
    const ms = performance.now() - begun
    assert.ok(ms < 3000, `${ms} ms`) // some tens of ms here; what grows with the square would take minutes
    return answered
  }
  const refusedAs = ({ status, text }: Answered): [number, unknown] => [status, JSON.parse(text).message]

  for (const [depth, status] of [
    [890, 200],
    [1_000, 400],
    [10_000, 400],
    [1_000_000, 413],
  ] as const) {
    test(`lists nested ${depth} deep get ${status}`, async () => {
      const body = sale(demo, `,"more":${'['.repeat(depth)}${']'.repeat(depth)}`)
      const answered = await quickly(body)
      assert.equal(answered.status, status)
      if (status === 400)
        assert.match(answered.text, /JSON parse error - Nesting deeper than 900 levels: line 1 column/)
    })
  }

  test('objects nested 10,000 deep get 400', async () => {
    const answered = await quickly('{"a":'.repeat(10_000))
    assert.equal(answered.status, 400)
  })

  test('100,000 keys, 100,000 courses and a text of 1 MB each get 413', async () => {
    const keys = Array.from({ length: 100_000 }, (_, n) => `"${n}":0`).join()
    const statuses = []
    for (const body of [
      `{${keys}}`,
      sale(Array(100_000).fill(demo).join()),
      sale(demo, `,"x":"${'x'.repeat(1_000_000)}"`),
    ]) {
      statuses.push((await post(body)).status)
    }
    assert.deepEqual(statuses, [413, 413, 413])
  })

  test('a sale with 6,000 unknown fields is accepted', async () => {
    const more = Array.from({ length: 6_000 }, (_, n) => `,"${n}":0`).join('')
    assert.equal((await quickly(sale(demo, more))).status, 200)
  })

  test('keys that collide in a hash of integers take no longer than others', async () => {
    // V8 once put these into one bucket, because their lowest 12 bits are equal.
    const colliding = Array.from({ length: 4_000 }, (_, n) => `,"${1_048_576 + n * 4096}":0`).join('')
    assert.equal((await quickly(sale(demo, colliding))).status, 200)
  })

  test('of the same key 9,000 times, the last one counts', async () => {
    const body = sale(demo, ',"a":0'.repeat(9_000)).replace('"a":0}', '"email":"last@example.com"}')
    assert.equal((await quickly(body)).status, 200)
    assert.ok((await product.lms.state()).allowances.some(({ email }) => email === 'last@example.com'))
  })

  test('13,000 wrong courses are each named', async () => {
    const [status, message] = refusedAs(await quickly(sale(Array(13_000).fill('null').join())))
    assert.equal(status, 400)
    assert.equal(Object.keys(Object(Object(message).courseIds)).length, 13_000)
  })

  test('of 32,000 malformed course keys, the first is named', async () => {
    const refused = refusedAs(await quickly(sale(Array(32_000).fill('1').join())))
    assert.deepEqual(refused, [400, 'Invalid course key format: 1'])
  })

  test('one course 1,900 times is one course', async () => {
    const answered = await quickly(sale(Array(1_900).fill(demo).join()))
    assert.deepEqual(
      [answered.status, JSON.parse(answered.text).message],
      [200, 'Enrollment allowance verified for 1900 course(s)'],
    )
  })

  test('a sale of 1,000 courses is enrolled: the only limit is the size of the body', async () => {
    const body = payload({ email: 'bundle@example.com', courseIds: COURSES })
    assert.ok(body.length < BODY_LIMIT)
    const { status, text } = await post(body)
    assert.deepEqual([status, JSON.parse(text).message], [200, 'Enrollment allowance verified for 1000 course(s)'])
    const allowed = (await product.lms.state()).allowances.filter(({ email }) => email === 'bundle@example.com')
    assert.equal(allowed.length, 1000)
  })
})
