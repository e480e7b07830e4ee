import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { z } from 'zod'
import type { Answer } from '../../sandbox/lms/answers.ts'
import { callCost, createWorkers } from '../../sandbox/lms/cost.ts'
import type { Tally } from '../../sandbox/lms/transactions.ts'
import { startRecordedWorld } from './recording.ts'
import { bulk, bulkPath, control, demo, get, modify, post } from './requests.ts'

const nothing = { newAllowances: 0, newEnrollments: 0, unchanged: 0 }
const enrolling = (tally: Partial<Tally>, { pattern = bulkPath, mails = 0 } = {}) =>
  callCost({ pattern, tally: { ...nothing, ...tally }, mails, answer: { status: 200, body: {} } })
const modifying = { pattern: '/api/instructor/v2/courses/{course_id}/enrollments/modify' }
const lookUp = (pattern: string, answer: Answer, asked = 0) => callCost({ pattern, tally: nothing, asked, answer })

const batches = z.array(z.object({ api: z.string(), kind: z.string(), size: z.number(), ms_per_call: z.number() }))
const lookUps = z.array(z.object({ what: z.string(), asked: z.number(), lms_cpu_ms_per_call: z.number() }))

async function readCosts<T>(name: string, schema: z.ZodType<T>): Promise<T> {
  return schema.parse(JSON.parse(await readFile(new URL(`../recordings/lms-newer/${name}`, import.meta.url), 'utf8')))
}

function assertNear(found: number, recorded: number, within: number, what: string): void {
  assert.ok(Math.abs(found - recorded) <= within * recorded, `${what}: ${found} against ${recorded}`)
}

test('a call costs 20 ms, 4.1 for each new allowance, 20 for each new enrollment, 4 for each unchanged person', () => {
  assert.equal(enrolling({}), 20)
  assert.equal(enrolling({ newAllowances: 50, newEnrollments: 2, unchanged: 7 }), 20 + 205 + 40 + 28)
})

test('a call of modify costs 10 ms more, and each mail 12', () => {
  assert.equal(enrolling({ newAllowances: 50, newEnrollments: 2, unchanged: 7 }, modifying), 30 + 205 + 40 + 28)
  assert.equal(enrolling({ newAllowances: 1 }, { mails: 1 }), 20 + 4.1 + 12)
})

const batchViews = { bulk: {}, modify: modifying } as const

for (const [api, view] of Object.entries(batchViews))
  test(`a call of ${api} for unknown people takes as long as recorded at every size`, async () => {
    const recorded = (await readCosts('costs-2.json', batches)).filter(
      (one) => one.api === api && one.kind === 'unknown',
    )
    const sizes = new Set(recorded.map(({ size }) => size))
    assert.deepEqual([...sizes], [1, 10, 50, 100, 200, 500, 1000])
    for (const size of sizes) {
      const rounds = recorded.filter((one) => one.size === size)
      const mean = rounds.reduce((sum, { ms_per_call }) => sum + ms_per_call, 0) / rounds.length
      assertNear(enrolling({ newAllowances: size }, view), mean, 0.2, `${size} unknown people`)
    }
  })

test('two calls of 50 at a time enroll as many people a second as recorded', () => {
  const rate = (callMs: number) => (2 * 50 * 1000) / callMs
  // The recorded rates: test/recordings/README.md, 'Cost of a call'.
  assertNear(rate(enrolling({ newAllowances: 50 })), 439, 0.05, 'unknown people a second')
  assertNear(rate(enrolling({ newEnrollments: 50 })), 95, 0.05, 'existing people a second')
})

test('a look-up costs the LMS CPU that was recorded for it', async () => {
  const recorded = await readCosts('costs-lists.json', lookUps)
  const cpu = (what: string, asked: number): number => {
    const found = recorded.find((one) => one.what.startsWith(what) && one.asked === asked)
    assert.ok(found, `${what}, ${asked}`)
    return found.lms_cpu_ms_per_call
  }
  const accounts = '/api/user/v1/accounts'
  const list = '/api/enrollment/v1/enrollments'
  const answerOf = (count: number): Answer => ({ status: count === 0 ? 404 : 200, body: Array(count).fill({}) })
  const search = '/api/user/v1/accounts/search_emails'
  const pageOf = (count: number): Answer => ({ status: 200, body: { results: Array(count).fill({}) } })
  const cases: [found: number, recorded: number][] = [
    [lookUp(accounts, answerOf(0)), cpu('accounts?email=, unknown', 1)],
    [lookUp(accounts, answerOf(1)), cpu('accounts?email=, exists', 1)],
    [lookUp(accounts, answerOf(10)), cpu('accounts?username=', 10)],
    [lookUp(accounts, answerOf(100)), cpu('accounts?username=', 100)],
    [lookUp(list, pageOf(0)), cpu('enrollments?email=, 100 unknown', 100)],
    [lookUp(list, pageOf(2)), cpu('enrollments?username=', 1)],
    [lookUp(list, pageOf(20)), cpu('enrollments?username=', 10)],
    [lookUp(list, pageOf(100)), cpu('enrollments?username=', 100)],
    [lookUp(list, pageOf(100)), cpu('enrollments?course_id=&username=', 100)],
    ...[1, 10, 100, 1000].map((count): [number, number] => [
      lookUp(search, answerOf(count), count),
      cpu('search_emails, all exist', count),
    ]),
    ...[100, 1000, 10_000].map((count): [number, number] => [
      lookUp(search, answerOf(0), count),
      cpu('search_emails, none exists', count),
    ]),
    [lookUp(search, answerOf(100), 1000), cpu('search_emails, 10 % exist', 1000)],
    [lookUp('/api/enrollment/v1/enrollment_allowed/', pageOf(0)), cpu('enrollment_allowed?email=', 1)],
    [lookUp('/api/enrollment/v1/enrollment/{username},{course_id}', { status: 200 }), cpu('enrollment/{user}', 1)],
  ]
  for (const [index, [found, cpuMs]] of cases.entries()) assertNear(found, cpuMs, 0.1, `case ${index}`)
})

test('the measured cost depends on what a call does, and the call does it once', async () => {
  const slept: number[] = []
  const sleep = async (milliseconds: number) => void slept.push(milliseconds)
  await using lms = await startRecordedWorld({ cost: 'measured', sleep })
  slept.length = 0
  await bulk(lms, ['alice@example.com', 'bob@example.com', 'new@example.com', 'nonsense'])
  await bulk(lms, ['alice@example.com', 'bob@example.com', 'new@example.com', 'nonsense'])
  const single = { user: 'erin', is_active: true, course_details: { course_id: demo } }
  const enroll = () => post({ url: lms.url, path: '/api/enrollment/v1/enrollment', json: single, token: lms.staff })
  assert.equal((await enroll()).status, 200)
  assert.equal((await enroll()).status, 200)
  assert.deepEqual(slept.splice(0), [20 + 20 + 4.1 + 4.1, 20 + 3 * 4, 20 + 20, 20 + 4])
  await get(lms, '/api/user/v1/accounts?email=alice%40example.com')
  await get(lms, '/api/user/v1/accounts?email=nobody%40example.com')
  await get(lms, `/api/enrollment/v1/enrollment/alice,${encodeURIComponent(demo)}`)
  await get(lms, '/api/enrollment/v1/enrollments?email=alice%40example.com,erin%40example.com')
  await get(lms, '/api/enrollment/v1/enrollment_allowed/?email=bob%40example.com')
  await get(lms, '/api/courses/v1/courses/')
  const emails = ['alice@example.com', 'nobody@example.com']
  await post({ url: lms.url, path: '/api/user/v1/accounts/search_emails', json: { emails }, token: lms.staff })
  await modify(lms, ['frank@example.com', 'new@example.com'])
  await fetch(`${lms.url}/heartbeat`)
  await control(lms, 'state', undefined, 'GET')
  assert.deepEqual(slept, [9 + 2.4, 9, 12, 12 + 2 * 0.34, 8, 20, 9 + 0.055 + 2 * 0.0016, 30 + 20 + 4])
  const { enrollments, allowances } = await lms.state()
  assert.equal(enrollments.length, 4)
  assert.equal(allowances.length, 2)
})

test('without a cost a call takes no time', async () => {
  const slept: number[] = []
  await using lms = await startRecordedWorld({ sleep: async (milliseconds) => void slept.push(milliseconds) })
  await bulk(lms, ['alice@example.com'])
  assert.deepEqual(slept, [])
})

test('the LMS has two workers; further calls wait in order for the first free worker', async () => {
  const workers = createWorkers({ cost: 'measured' })
  const acquired: string[] = []
  const acquire = async (name: string) => {
    const release = await workers.acquire()
    acquired.push(name)
    return release
  }
  const releaseFirst = await acquire('first')
  const releaseSecond = await acquire('second')
  const third = acquire('third')
  const fourth = acquire('fourth')
  await new Promise(setImmediate)
  assert.deepEqual(acquired, ['first', 'second'])
  releaseSecond()
  const releaseThird = await third
  assert.deepEqual(acquired, ['first', 'second', 'third'])
  releaseFirst()
  releaseThird()
  await fourth
  assert.deepEqual(acquired, ['first', 'second', 'third', 'fourth'])
})

test('more calls than workers are all answered', async () => {
  await using lms = await startRecordedWorld({ cost: 'measured', sleep: async () => {} })
  const answers = await Promise.all(Array.from({ length: 12 }, (_, index) => bulk(lms, [`p${index}@example.com`])))
  assert.deepEqual(
    answers.map(({ status }) => status),
    Array(12).fill(200),
  )
  assert.equal((await lms.state()).allowances.length, 12)
})
