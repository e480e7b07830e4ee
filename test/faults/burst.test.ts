import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { defaultWorld } from '../../sandbox/default-world.ts'
import type { StandInOptions } from '../../sandbox/stand-in.ts'
import { type Buyer, DEMO } from '../harness.ts'
import { temporaryFolder } from '../service/process.ts'
import { sell, startLms, startServe } from '../service/serving.ts'

/** The exact figures depend on the machine; the bench measures them in `throttled-burst` and `many-courses`. */
const STOCK = { LERNITO_LMS_CALLS_PER_MINUTE: '110' }
const THROTTLED = ['/api/bulk_enroll/v1/bulk_enroll', '/api/enrollment/v1/']

/** Starts the service in its own process, so that the thousand senders don't slow it down. */
async function setUp(t: TestContext, options: StandInOptions = {}, env: Record<string, string> = {}) {
  const lms = await startLms(t, { throttle: 120, cost: 'measured', ...options })
  const serving = await startServe({ t, folder: temporaryFolder(t), lmsUrl: lms.url, env: { ...STOCK, ...env } })
  return { lms, sell: (buyer: Buyer) => sell({ url: serving.url, ...buyer }) }
}
type Product = Awaited<ReturnType<typeof setUp>>

const throttledCalls = async ({ lms }: Product): Promise<{ count: number; refused: number }> => {
  const calls = (await lms.calls()).filter(({ path }) => THROTTLED.some((prefix) => path.startsWith(prefix)))
  const authorized = calls.filter(({ status }) => status !== 401) // the service checks for bulk_enroll without authorization
  const sum = (rows: typeof calls): number => rows.reduce((total, { count }) => total + count, 0)
  return { count: sum(authorized), refused: sum(calls.filter(({ status }) => status === 429)) }
}

const untilAllowed = async ({ lms }: Product, pairs: number): Promise<void> => {
  const limit = AbortSignal.timeout(300_000)
  while ((await lms.state()).allowances.length < pairs) {
    limit.throwIfAborted()
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

test('1,000 webhooks at once for one course are enrolled in at most 100 calls, without a 429', async (t) => {
  const product = await setUp(t, { modify: false })
  const began = performance.now()
  const emails = Array.from({ length: 1000 }, (_, i) => `burst${i}@example.com`)
  const sold = await Promise.all(emails.map((email) => product.sell({ email })))
  await untilAllowed(product, 1000)
  const seconds = (performance.now() - began) / 1000
  const { count, refused } = await throttledCalls(product)
  const answered = Object.groupBy(sold, (answered) => String(answered?.status))
  const said = Object.entries(answered).map(([status, list]) => `${status}: ${list?.length}`)
  process.stdout.write(`# 1,000 webhooks: ${said.join(', ')}; ${count} calls in ${seconds.toFixed(1)} s\n`)
  assert.ok(sold.every((answered) => answered?.status === 200 || answered?.status === 500))
  assert.equal(refused, 0)
  assert.ok(count <= 100, `${count} calls`)
})

const courses = Array.from({ length: 30 }, (_, i) => ({ id: `course-v1:Lernito+C${i}+2026`, name: `Course ${i}` }))
const world = { ...defaultWorld, courses: [...defaultWorld.courses, ...courses] }
const sales = Array.from({ length: 1000 }, (_, i) => ({
  email: `mixed${i}@example.com`,
  courseIds: Array.from({ length: 1 + (i % 3) }, (_, k) => courses[(i * 7 + k * 11) % 30]?.id ?? DEMO),
}))

for (const bulk of [true, false]) {
  const apis = bulk ? 'bulk_enroll and enrollments/modify' : 'enrollments/modify only'
  test(`1,000 webhooks of 1 to 3 out of 30 courses are all answered 200 by an LMS with ${apis}, without a 429`, async (t) => {
    // A busy machine needs more than the usual 8 s.
    const product = await setUp(t, { world, bulk }, { LERNITO_ANSWER_WITHIN_MS: '120000' })
    const began = performance.now()
    const sold = await Promise.all(sales.map((sale) => product.sell(sale)))
    const seconds = (performance.now() - began) / 1000
    const { count, refused } = await throttledCalls(product)
    process.stdout.write(`# 30 courses, ${apis}: all answered in ${seconds.toFixed(1)} s; ${count} throttled calls\n`)
    assert.deepEqual(new Set(sold.map((answered) => answered?.status)), new Set([200]))
    assert.equal(refused, 0)
    const calls = await product.lms.calls()
    assert.ok(calls.some(({ path, status }) => path.endsWith('/enrollments/modify') && status === 200))
    const { allowances } = await product.lms.state()
    const pairs = (rows: readonly [string, string][]) => rows.map((row) => row.join(' ')).sort()
    assert.deepEqual(
      pairs(allowances.map(({ email, course }) => [email, course])),
      pairs(sales.flatMap(({ email, courseIds }) => courseIds.map((course): [string, string] => [email, course]))),
    )
  })
}

test('1,000 webhooks of 1 to 3 out of 30 courses are enrolled in at most 200 calls, without a 429', async (t) => {
  const product = await setUp(t, { world, modify: false })
  await Promise.all(sales.map((sale) => product.sell(sale)))
  await untilAllowed(
    product,
    sales.reduce((sum, { courseIds }) => sum + courseIds.length, 0),
  )
  const { count, refused } = await throttledCalls(product)
  process.stdout.write(`# 1,000 webhooks of 1 to 3 out of 30 courses: ${count} calls\n`)
  assert.equal(refused, 0)
  assert.ok(count <= 200, `${count} calls`)
})
