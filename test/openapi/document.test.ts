import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { COURSE_CHANGED, SHOP_EVENT_TYPES } from '../../src/queue/outbox/outbox.ts'
import { VERSION } from '../../src/service/lib/version.ts'
import { COURSES_PATH } from '../../src/shop/courses/route.ts'
import { readDocument } from '../docs/documents.ts'
import { DEMO, exchange, type Product, payload, signed, startProduct } from '../harness.ts'
import { temporaryFolder, until } from '../service/process.ts'
import { startLms, startServe } from '../service/serving.ts'
import { EVENTS_SECRET, startReceiver } from '../shop/events/receiver.ts'
import { DIFFERENCES } from '../shop/webhook/intended-differences.ts'
import { type RecordedCase, recordedCases } from '../shop/webhook/recorded-cases.ts'
import { checkOf, complaintOf, DESCRIBED } from './described.ts'

const trimmed = (_key: string, value: unknown): unknown => (typeof value === 'string' ? value.trim() : value)

const WEBHOOK = '/api/lernito/webhook/'
/** Routes for people in a browser, and for Prometheus, which has a format of its own. */
const NOT_DESCRIBED = /^\/(lernito\/console\b|metrics$)/

describe('the document and the service', () => {
  let product: Product
  before(async () => {
    product = await startProduct({ lms: { bulk: false, modify: false }, env: { LERNITO_REFUNDS: 'on' } })
  })
  after(() => product.stop())

  test('it is served, and names the version of the service', async () => {
    const { status, headers, text } = await exchange({ url: `${product.url}/lernito/openapi.json`, method: 'GET' })
    assert.equal(status, 200)
    assert.match(String(headers['content-type']), /^application\/json\b/)
    assert.deepEqual(JSON.parse(text), JSON.parse(readDocument('docs/reference/openapi.json')))
    assert.equal(JSON.parse(text).info.version, VERSION)
  })

  test('every described operation is a route, and every route for programs is described', () => {
    const { app } = product.service
    const routes = routesOf(app.printRoutes({ commonPrefix: false }))
    const served = routes.filter(({ path }) => !NOT_DESCRIBED.test(path))
    const described = Object.keys(DESCRIBED.paths).map(withoutSlash)
    assert.deepEqual([...new Set(served.map(({ path }) => path))].sort(), described.sort())
    for (const [path, operations] of Object.entries(DESCRIBED.paths)) {
      const methods = served.find((route) => route.path === withoutSlash(path))?.methods ?? []
      for (const method of Object.keys(operations)) assert.ok(methods.includes(method.toUpperCase()), path + method)
    }
  })

  test('each recorded request gets a described answer', async () => {
    const complaints: string[] = []
    const posts = recordedCases('lernito-webhook.json').filter(({ request }) => request.method === 'POST')
    assert.ok(posts.length > 240)
    for (const { group, name, request } of posts) {
      const headers = { ...request.headers }
      const answered = await exchange({ url: product.webhook, headers: latin1(headers), body: request.body })
      const complaint = complaintOf({ path: WEBHOOK, method: 'POST', ...answered })
      if (complaint !== null) complaints.push(`${group}: ${name}: ${complaint}`)
    }
    assert.deepEqual(complaints, [])
  })

  const long = ' '.repeat(70_000)
  const cases = {
    'too large a body': { method: 'POST', path: WEBHOOK, headers: signed('{}'), body: long },
    'a compressed body': { method: 'POST', path: WEBHOOK, headers: { ...signed('{}'), 'content-encoding': 'br' } },
    'the old path': { method: 'POST', path: '/lernito/webhook/', headers: signed('{}'), body: '{}' },
    OPTIONS: { method: 'OPTIONS', path: WEBHOOK },
    '/healthz': { method: 'GET', path: '/healthz' },
    '/readyz': { method: 'GET', path: '/readyz' },
  }
  const ask = (body: string) => ({ method: 'POST', path: '/api/lernito/status/', headers: signed(body), body })
  const askForCourses = (body: string) => ({ method: 'POST', path: COURSES_PATH, headers: signed(body), body })
  const coursesCases = {
    'a request for the courses with wrong fields': askForCourses('{"size": 0, "after": 1}'),
    'a request for the courses without a signature': { ...askForCourses('{}'), headers: {} },
    'too large a request for the courses': { ...askForCourses('{}'), body: long },
  }
  const statusCases = {
    'a request for the status': ask('{"deliveries": ["01KGA000000000000000000001", "x"]}'),
    'a request for the status with wrong fields': ask('{"deliveries": [{}]}'),
    'a request for the status without a signature': {
      ...ask('{}'),
      headers: { 'content-type': 'application/json' },
    },
    'too large a request for the status': { ...ask('{}'), body: long },
  }
  for (const [name, request] of Object.entries({ ...cases, ...statusCases, ...coursesCases })) {
    test(`the answer to ${name} is as described`, async () => {
      const answered = await exchange({ url: product.url + request.path, ...request })
      assert.equal(complaintOf({ ...request, ...answered }), null)
    })
  }
})

test('the answer is as described when the LMS or the database is unavailable', async (t) => {
  const product = await startProduct({ env: { LERNITO_ANSWER_WITHIN_MS: '4000' } })
  t.after(() => product.stop())
  await product.lms.faults([{ status: 503 }])
  const failed = await product.sell({ email: 'alice@example.com' })
  assert.equal(failed.status, 500)
  assert.equal(complaintOf({ path: WEBHOOK, method: 'POST', ...failed }), null)
  const ready = await exchange({ url: `${product.url}/readyz`, method: 'GET' })
  assert.equal(complaintOf({ path: '/readyz', method: 'GET', ...ready }), null)
})

test('the status of a delivery, and the event about it, are as described', async (t) => {
  const receiver = await startReceiver(t)
  const product = await startProduct({
    env: { LERNITO_EVENTS_URL: receiver.url, LERNITO_EVENTS_SECRET: EVENTS_SECRET },
  })
  t.after(() => product.stop())
  const ids: string[] = []
  for (const courseIds of [[DEMO], ['course-v1:No+Such+Course'], ['nonsense']]) {
    const { headers } = await product.sell({ email: 'alice@example.com', courseIds })
    ids.push(String(headers['x-lernito-delivery']))
  }
  const body = JSON.stringify({ deliveries: ids })
  const path = '/api/lernito/status/'
  const answered = await exchange({ url: product.url + path, headers: signed(body), body })
  assert.equal(answered.status, 200)
  assert.equal(complaintOf({ path, method: 'POST', ...answered }), null)
  for (const id of ids) {
    const { text, type } = await receiver.received(({ data }) => data.id === id)
    const described = DESCRIBED.webhooks[type]?.post?.requestBody?.content?.['application/json'].schema
    const { error } = checkOf(described).safeParse(JSON.parse(text))
    assert.equal(error, undefined, type)
  }
})

test('the courses, before and after the LMS was asked for them, are as described', async (t) => {
  const product = await startProduct({ catalogueMs: 1000 })
  t.after(() => product.stop())
  await product.sell({ email: 'alice@example.com' })
  const body = '{"size": 100}'
  const headers = signed(body)
  const ask = async (more: Record<string, string> = {}) => {
    const answered = await exchange({ url: product.url + COURSES_PATH, headers: { ...headers, ...more }, body })
    assert.equal(complaintOf({ path: COURSES_PATH, method: 'POST', ...answered }), null)
    return answered
  }
  assert.equal((await ask()).status, 503)
  const { etag } = await until('the courses', async () => {
    const answered = await ask()
    return answered.status === 200 ? answered.headers : undefined
  })
  assert.equal((await ask({ 'if-none-match': String(etag) })).status, 304)
})

test('every event has a webhook in the document', () => {
  const types = [...new Set(Object.values(SHOP_EVENT_TYPES)), COURSE_CHANGED]
  assert.deepEqual(Object.keys(DESCRIBED.webhooks).sort(), types.sort())
})

test('the answer of a stopping service is as described', async (t) => {
  const lms = await startLms(t)
  const serving = await startServe({
    t,
    folder: temporaryFolder(t),
    lmsUrl: lms.url,
    env: { LERNITO_DRAIN_MS: '3000' },
  })
  serving.child.kill('SIGTERM')
  await serving.logged(({ msg }) => msg === 'stopping')
  for (const path of ['/healthz', '/readyz']) {
    const answered = await exchange({ url: serving.url + path, method: 'GET' })
    assert.equal(answered.status, 503)
    assert.equal(complaintOf({ path, method: 'GET', ...answered }), null)
  }
})

test('with LERNITO_ANSWER_WITHIN_MS=0 the answer is as described', async (t) => {
  const product = await startProduct({ env: { LERNITO_ANSWER_WITHIN_MS: '0' } })
  t.after(() => product.stop())
  const accepted = await product.sell({ email: 'alice@example.com' })
  assert.equal(accepted.status, 202)
  assert.equal(complaintOf({ path: WEBHOOK, method: 'POST', ...accepted }), null)
})

describe('the schema of the payload', () => {
  const sale = DESCRIBED.paths[WEBHOOK]?.post?.requestBody?.content?.['application/json'].schema
  const fits = (body: string): boolean => checkOf(sale).safeParse(JSON.parse(body, trimmed)).success
  const statusOf = (recorded: RecordedCase): number =>
    DIFFERENCES[`${recorded.group}: ${recorded.name}`]?.status ?? recorded.response.status
  const readable = recordedCases('lernito-webhook.json').filter(({ group, request }) => {
    if (group === 'http' || request.method !== 'POST' || request.body === '') return false
    try {
      JSON.parse(request.body)
      return true
    } catch {
      return false
    }
  })

  test('every accepted recorded payload matches the schema when its texts are trimmed', () => {
    const accepted = readable.filter((recorded) => statusOf(recorded) === 200)
    assert.ok(accepted.length > 80)
    const misfits = accepted.filter(({ request }) => !fits(request.body))
    assert.deepEqual(
      misfits.map(({ name }) => name),
      [],
    )
  })

  test('a payload without a field, or with a wrong type or length, does not match the schema', () => {
    const good = JSON.parse(payload({ email: 'alice@example.com', courseIds: [DEMO] }))
    assert.ok(fits(JSON.stringify(good)))
    for (const field of Object.keys(good)) {
      for (const wrong of [undefined, null, true, {}, '', ' ', 'x'.repeat(256)]) {
        assert.ok(!fits(JSON.stringify({ ...good, [field]: wrong })), `${field}: ${JSON.stringify(wrong)}`)
      }
    }
    assert.ok(!fits(JSON.stringify({ ...good, courseIds: [] })))
  })

  test('a refund names its sale by a text that is not blank, in the webhook’s sense', () => {
    const refund = checkOf(
      DESCRIBED.paths['/api/lernito/refund/']?.post?.requestBody?.content?.['application/json'].schema,
    )
    const good = JSON.parse(payload({ email: 'alice@example.com', courseIds: [DEMO] }))
    assert.ok(refund.safeParse({ ...good, sale: 'order-1' }).success)
    for (const sale of ['', ' ', '\u001f', 'x'.repeat(257), null]) {
      assert.ok(!refund.safeParse({ ...good, sale }).success, JSON.stringify(sale))
    }
  })
})

/** A slash at the end may be left out, and Fastify draws routes without it. */
const withoutSlash = (path: string): string => path.replace(/\/$/, '')

/** Header values go out as Latin-1; the recordings hold them as text. */
function latin1(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Buffer.from(value, 'utf8').toString('latin1')]),
  )
}

/** The routes out of Fastify's drawing of them, in which a route's path hangs below what it begins with. */
function routesOf(drawing: string): { path: string; methods: string[] }[] {
  const above: string[] = []
  return drawing
    .split('\n')
    .filter((line) => line.includes('── '))
    .flatMap((line) => {
      const [indent = '', text = ''] = line.split(/[├└]── /)
      const depth = indent.length / 4
      const [, part = '', methods] = /^(\S+)(?: \((.*)\))?$/.exec(text) ?? []
      above[depth] = part
      const path = above.slice(0, depth + 1).join('')
      return methods === undefined ? [] : [{ path, methods: methods.split(', ') }]
    })
}
