import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CAUSES } from '../../src/doctor/check.ts'
import { CHECKS, DEADLINES } from '../../src/doctor/examine.ts'
import { DEMO, startProduct } from '../harness.ts'
import { serveEnv, startHoldingLms } from '../service/serving.ts'
import { envFor, examined, resultOf, silent } from './examining.ts'

const CONSOLE = { LERNITO_CONSOLE_CLIENT_ID: 'console-client', LERNITO_CONSOLE_CLIENT_SECRET: 'console-client-secret' }

/** Doctor beside a service without problems. */
async function wellProduct(t: { after: (done: () => Promise<void>) => void }) {
  const product = await startProduct()
  t.after(() => product.stop())
  const { folder, lmsUrl, url } = product
  return { product, env: { ...serveEnv({ folder, lmsUrl }), ...CONSOLE, LERNITO_PUBLIC_URL: url } }
}

test('without problems every check runs, except those of what is not set, and of the database’s clock, which SQLite lacks', async (t) => {
  const { env } = await wellProduct(t)
  const results = await examined({ env })
  assert.deepEqual(
    results.map(({ id }) => id),
    CHECKS.map(({ id }) => id),
  )
  assert.deepEqual(
    results.filter(({ status }) => status !== 'ok').map(({ id, status }) => [id, status]),
    [
      ['database.clock', 'skipped'],
      ['lms.outcomes', 'skipped'],
      ['lms.course_mode', 'skipped'],
      ['lms.email_students', 'skipped'],
      ['events.endpoint', 'skipped'],
    ],
  )
})

test('doctor changes nothing: it only reads from the LMS, and sends the service no delivery', async (t) => {
  const { product, env } = await wellProduct(t)
  await product.sell({ email: 'alice@example.com', courseIds: [DEMO] })
  const deliveries = (): number => product.log.filter(({ delivery }) => delivery !== undefined).length
  const before = { state: await product.lms.state(), deliveries: deliveries() }
  assert.ok(before.deliveries > 0)
  await product.lms.forgetCalls()
  await examined({ env })
  assert.deepEqual({ state: await product.lms.state(), deliveries: deliveries() }, before)
  const calls = await product.lms.calls()
  assert.ok(calls.length > 8)
  assert.deepEqual(
    calls.filter(({ method }) => method !== 'GET').map(({ method, path }) => `${method} ${path}`),
    [
      'POST /oauth2/access_token', // the service's own, and one with a code that is none
      'POST /oauth2/access_token',
      'POST /api/instructor/v2/courses/{course_id}/enrollments/modify', // without a token and a body
    ],
  )
})

test('doctor waits once for an LMS that hangs, and skips the checks that need it', { timeout: 10_000 }, async (t) => {
  const env = envFor({ t, lmsUrl: `http://${await silent(t)}` })
  const results = await examined({ env, deadlines: { callMs: 300, totalMs: 100_000 } })
  assert.equal(resultOf(results, 'lms').status, 'failure')
  const needing = CHECKS.filter(({ needs }) => needs.some((need) => need.startsWith('lms'))).map(({ id }) => id)
  assert.ok(needing.length > 8)
  for (const id of needing) assert.equal(resultOf(results, id).status, 'skipped')
  assert.equal(resultOf(results, 'lms.enrollment').detail, 'needs lms.token first')
})

test('slow answers one after another are cut off when the time is over', { timeout: 60_000 }, async (t) => {
  const lms = await startHoldingLms(t)
  await lms.faults([{ path: '/api/courses/v1/courses/', delayMs: 1 }])
  const env = envFor({ t, lmsUrl: lms.url })
  const results = await examined({ env, deadlines: { callMs: 100_000, totalMs: 6_000 } })
  assert.equal(resultOf(results, 'lms.token').status, 'ok')
  assert.deepEqual(
    resultOf(results, 'lms.courses').problems.map(({ cause }) => cause),
    ['call.timeout'],
  )
})

test('doctor waits for a database that hangs no longer than for a call', { timeout: 10_000 }, async (t) => {
  const host = await silent(t)
  const env = { ...envFor({ t, lmsUrl: 'http://127.0.0.1:9' }), LERNITO_DATABASE_URL: `mysql://lernito:pw@${host}/x` }
  const results = await examined({ env, deadlines: { callMs: 300, totalMs: 100_000 } })
  const [problem] = resultOf(results, 'database').problems
  assert.equal(problem?.cause, 'database.unreachable')
  assert.match(problem.message, /no answer in time/)
})

test('all checks together end within 15 seconds', () => {
  assert.ok(DEADLINES.totalMs <= 14_000 && DEADLINES.callMs <= DEADLINES.totalMs / 3)
})

test('a check comes after the checks that it needs, and ids are unique', () => {
  const before = new Set<string>()
  for (const { id, needs } of CHECKS) {
    for (const need of needs) assert.ok(before.has(need), `${id} comes before ${need}, which it needs`)
    assert.ok(!before.has(id), id)
    before.add(id)
  }
})

test('the commands of a fix hold nothing from outside', () => {
  for (const [id, { message: _, blanks: __, ...fix }] of Object.entries<{ message: string; blanks?: object }>(CAUSES)) {
    assert.doesNotMatch(JSON.stringify(fix), /\{\w+\}/, id)
  }
})

test('no command of a fix reads a variable of the service, because the shell of the LMS has none', () => {
  for (const [id, { message: _, ...fix }] of Object.entries<{ message: string }>(CAUSES)) {
    assert.doesNotMatch(JSON.stringify(fix), /\$\{?LERNITO_/, id)
  }
})

test('every blank of a message has a name that the compiler asks for, and no other has', () => {
  for (const [id, { message, ...cause }] of Object.entries(CAUSES)) {
    const names = [...message.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    assert.deepEqual(Object.keys('blanks' in cause ? cause.blanks : {}), names, id)
  }
})

test('a service that runs the checks pays for each throttled call, and skips the checks that it has no call for', async (t) => {
  const { product, env } = await wellProduct(t)
  await product.lms.forgetCalls()
  let asked = 0
  const acquire = async (): Promise<boolean> => {
    asked++
    return true
  }
  const paid = await examined({ env, acquire })
  // Without a token, a call gets 401 or 404 before the LMS counts it.
  const calls = (await product.lms.calls()).filter(
    ({ path, status }) => path.startsWith('/api/enrollment/') && status === 200,
  )
  assert.ok(asked >= 3)
  assert.equal(
    calls.reduce((sum, { count }) => sum + count, 0),
    asked,
  )
  assert.equal(resultOf(paid, 'lms.enrollment').status, 'ok')
  const unpaid = await examined({ env, acquire: async () => false })
  for (const id of ['lms.enrollment', 'lms.enrollment_list', 'lms.enrollment_allowed'] as const) {
    const { status, detail } = resultOf(unpaid, id)
    assert.deepEqual(
      [status, detail],
      ['skipped', 'the call budget had no call left for it in time; check again in a minute'],
    )
  }
  assert.equal(resultOf(unpaid, 'lms.accounts').status, 'ok')
})
