import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { defaultWorld } from '../../sandbox/default-world.ts'
import type { StandInOptions } from '../../sandbox/stand-in.ts'
import { DEMO, type Product, startProduct } from '../harness.ts'
import { LMS_KINDS } from '../lms-kinds.ts'
import { until } from '../service/process.ts'

const BULK = '/api/bulk_enroll/v1/bulk_enroll'
const MODIFY = '/api/instructor/v2/courses/{course_id}/enrollments/modify'
const SINGLE = '/api/enrollment/v1/enrollment'
const SEARCH = '/api/user/v1/accounts/search_emails'
const ALLOW = '/api/enrollment/v1/enrollment_allowed/'
const BROKEN = 'course-v1:Lernito+Broken+2026'
const HEALTHY = Array.from({ length: 8 }, (_, i) => `course-v1:Lernito+Healthy${i}+2026`)

/**
 * As with a duplicate forum role: bulk_enroll answers `error` for each person in the course; the single APIs answer
 * 500.
 */
const FAILS_FOR_ALL = [
  { method: 'POST', path: BULK, naming: BROKEN, error: true },
  { method: 'POST', path: MODIFY, naming: BROKEN, error: true },
  { method: 'POST', path: SINGLE, naming: BROKEN, status: 500, delayMs: 300 },
  { method: 'POST', path: ALLOW, naming: BROKEN, status: 500, delayMs: 300 },
] as const

/** Two slow workers of the LMS, people with accounts, and a course that can fail. */
async function start(
  t: TestContext,
  { known = 0, now = Date.now, lms = {} }: { known?: number; now?: () => number; lms?: StandInOptions } = {},
) {
  const courses = [BROKEN, ...HEALTHY].map((id) => ({ id, name: id }))
  const people = Array.from({ length: known }, (_, i) => ({
    username: `known${i}`,
    email: `known${i}@example.com`,
    active: true,
  }))
  const world = {
    ...defaultWorld,
    courses: [...defaultWorld.courses, ...courses],
    people: [...defaultWorld.people, ...people],
  }
  const product = await startProduct({ lms: { cost: 'measured', world, ...lms }, now })
  t.after(() => product.stop())
  return product
}

interface Sold {
  readonly status: number
  readonly ms: number
}

async function sellAll({ sell }: Product, buyers: readonly { email: string; courseIds: readonly string[] }[]) {
  const began = performance.now()
  return Promise.all(
    buyers.map(async (buyer): Promise<Sold> => {
      const { status } = await sell(buyer)
      return { status, ms: Math.round(performance.now() - began) }
    }),
  )
}

const statuses = (sold: readonly Sold[]): number[] => sold.map(({ status }) => status)
const slowest = (sold: readonly Sold[]): number => Math.max(...sold.map(({ ms }) => ms))

for (const { kind, lms } of LMS_KINDS) {
  test(`${kind}: eight healthy sales beside a hundred of a course that fails for everyone are all answered 200`, async (t) => {
    const product = await start(t, { known: 60, lms })
    await product.lms.faults(FAILS_FOR_ALL)
    const failing = Array.from({ length: 100 }, (_, i) => ({
      email: i < 50 ? `known${i}@example.com` : `new${i}@example.com`,
      courseIds: [BROKEN],
    }))
    const healthy = HEALTHY.map((course, i) => ({
      email: i < 4 ? `known${50 + i}@example.com` : `buyer${i}@example.com`,
      courseIds: [course],
    }))
    const failed = sellAll(product, failing)
    await until('the first single call', async () =>
      (await product.lms.calls()).some(({ path, status }) => [SINGLE, ALLOW].includes(path) && status === 500)
        ? true
        : undefined,
    )
    const sold = await sellAll(product, healthy)
    const told = await failed
    t.diagnostic(`healthy: slowest after ${slowest(sold)} ms; failing: all answered after ${slowest(told)} ms`)
    assert.deepEqual(
      statuses(sold),
      healthy.map(() => 200),
    )
    assert.deepEqual(new Set(statuses(told)), new Set([500]))
  })
}

for (const status of [500, 502]) {
  test(`one person who causes a ${status} keeps none of the other 28 in the batch from their answers`, async (t) => {
    const product = await start(t)
    const bad = 'bad@example.com'
    await product.lms.faults([
      { method: 'POST', path: BULK, naming: bad, status },
      { method: 'POST', path: ALLOW, naming: bad, status },
    ])
    const buyers = Array.from({ length: 29 }, (_, i) => ({
      email: i === 17 ? bad : `new${i}@example.com`,
      courseIds: [DEMO],
    }))
    const sold = await sellAll(product, buyers)
    t.diagnostic(`slowest 200 after ${slowest(sold.filter((one) => one.status === 200))} ms`)
    assert.deepEqual(
      statuses(sold),
      buyers.map(({ email }) => (email === bad ? 500 : 200)),
    )
  })
}

test('a delivery for a paused course gets its other courses now, and a repeat gets 200 once the course works again', async (t) => {
  const clock = { ahead: 0 }
  const product = await start(t, { now: () => Date.now() + clock.ahead, lms: { cost: 'none' } })
  const [healthy = ''] = HEALTHY
  await product.lms.faults(FAILS_FOR_ALL.map((fault) => ({ ...fault, delayMs: 0 })))
  const others = sellAll(
    product,
    ['a', 'b', 'c'].map((name) => ({ email: `${name}@example.com`, courseIds: [BROKEN] })),
  )
  const paused = await until('the pause', async () =>
    product.log.find(({ msg }) => String(msg).startsWith('LMS fails for everyone in a course')),
  )
  assert.equal(paused.course, BROKEN)
  await product.lms.forgetCalls()
  const both = { email: 'both@example.com', courseIds: [BROKEN, healthy] }
  assert.equal((await product.sell(both)).status, 500)
  assert.deepEqual(
    (await product.lms.state()).allowances.map(({ email, course }) => [email, course]),
    [[both.email, healthy]],
  )
  const made = (await product.lms.calls()).filter(({ method, path }) => method === 'POST' && path !== SEARCH)
  assert.deepEqual(made, [{ method: 'POST', path: BULK, status: 200, count: 1 }], 'no call for the paused course')

  await product.lms.noFaults()
  clock.ahead = 11_000
  assert.equal((await product.sell(both)).status, 200)
  const courses = (await product.lms.state()).allowances.flatMap(({ email, course }) =>
    email === both.email ? course : [],
  )
  assert.deepEqual(courses.sort(), [BROKEN, healthy])
  assert.ok(
    product.log.some(
      ({ msg, course }) => String(msg).startsWith('LMS works for the course again') && course === BROKEN,
    ),
  )
  await others
})
