import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { startStandIn } from '../../sandbox/stand-in.ts'
import { type Batch, isSingly } from '../../src/enroll/batches.ts'
import { type CourseBreakers, createCourseBreakers } from '../../src/enroll/breakers/course-breakers.ts'
import { enrollInBatch } from '../../src/enroll/enroll-batch.ts'
import { enrollOneByOne } from '../../src/enroll/enroll-one-by-one.ts'
import type { Work } from '../../src/enroll/work.ts'
import { unlimitedBudget } from '../../src/lms/client/budget.ts'
import { control, DEMO } from '../harness.ts'
import { lmsAt } from './lms-at.ts'
import { aWork, nextBatch } from './works.ts'

const standIn = await startStandIn({ throttle: 'off' })
const sandbox = control(standIn.url)
const budget = unlimitedBudget()
const lms = lmsAt(standIn.url)
after(() => Promise.all([lms.close(), standIn.close()]))
beforeEach(() => sandbox.reset())

const PYTHON = 'course-v1:Lernito+PY101+2026'
const SEARCH = '/api/user/v1/accounts/search_emails'
const BULK = { method: 'POST', path: '/api/bulk_enroll/v1/bulk_enroll' }

let isUp: boolean
let breakers: CourseBreakers
beforeEach(() => {
  isUp = true
  breakers = createCourseBreakers({ now: () => 0, onChange: () => {} })
})

const keepOurs = async ({ works }: Batch): Promise<readonly Work[]> => works

/** Makes the calls for these works, as the worker does, until none is left. Gives the number of people in each. */
async function enroll(works: readonly Work[]): Promise<number[]> {
  const acquire = () => budget.acquire(new AbortController().signal)
  const sizes: number[] = []
  for (let calls = 0; ; calls++) {
    assert.ok(calls < 50, 'calls without an end')
    const open = works.filter((work) => work.open.size > 0)
    const batch = nextBatch({ works: open, scope: 'sets', now: 0, healthOf: breakers.healthOf })
    if (batch === null) return sizes
    sizes.push(batch.works.length)
    const options = { emailStudents: false, modeOf: () => null }
    const context = { batch, breakers, options, isUp: () => isUp, lms, acquire, keepOurs, mayLand: async () => false }
    if (isSingly(batch)) await enrollOneByOne(context)
    else {
      const route = { kind: 'bulk', permit: await acquire() } as const
      await enrollInBatch({ ...context, route, waiting: [], newId: () => 'BATCH' })
    }
  }
}

/** 200 with some `error` results, as after a deadlock in the LMS's database, which rolls back the whole call. */
function stumbled(emails: readonly string[], errors: readonly string[]): object {
  const none = { user: false, enrollment: false, allowed: false, auto_enroll: false }
  const allowed = { user: false, enrollment: false, allowed: true, auto_enroll: true }
  const results = emails.map((identifier) =>
    errors.includes(identifier) ? { identifier, error: true } : { identifier, before: none, after: allowed },
  )
  return { courses: { [DEMO]: { action: 'enroll', auto_enroll: true, results } } }
}

const keptEmails = async (): Promise<string[]> => (await sandbox.state()).allowances.map((row) => row.email).sort()
const emails = ['a@example.com', 'b@example.com', 'c@example.com']

for (const errors of [['c@example.com'], ['a@example.com', 'b@example.com'], emails]) {
  test(`a 200 with an error for ${errors.length} of three proves nothing: all three are enrolled afterwards`, async () => {
    await sandbox.faults([{ ...BULK, status: 200, body: stumbled(emails, errors), times: 1 }])
    const works = emails.map((email) => aWork({ email, courses: [DEMO] }))
    await enroll(works)
    assert.deepEqual(await keptEmails(), emails)
    for (const work of works) assert.deepEqual([...work.done], [[DEMO, 'allowed']])
  })
}

test('during an outage of the LMS, a failed call fails for everyone in it', async () => {
  await sandbox.faults([{ ...BULK, status: 503 }])
  isUp = false
  const works = emails.map((email) => aWork({ email, courses: [DEMO] }))
  assert.deepEqual(await enroll(works), [3])
  assert.equal(breakers.healthOf(DEMO), 'healthy')
  assert.deepEqual(await keptEmails(), [])
  for (const work of works) assert.deepEqual([work.failures[0]?.kind, work.open.size], ['unreachable', 0])
})

for (const fault of [{ status: 500 }, { status: 502 }, { status: 503 }, { status: 504 }, { drop: 'before' }] as const) {
  const what = 'status' in fault ? `a ${fault.status}` : 'a lost answer'
  test(`${what} halves the batch until the person who causes it is alone`, async () => {
    await sandbox.faults([{ ...BULK, naming: 'a@example.com', ...fault }])
    const works = ['a', 'b', 'c', 'd'].map((name) => aWork({ email: `${name}@example.com`, courses: [DEMO] }))
    await enroll(works)
    assert.deepEqual(await keptEmails(), ['b@example.com', 'c@example.com', 'd@example.com'])
    assert.deepEqual(
      works.map((work) => work.failures.length),
      [1, 0, 0, 0],
    )
  })
}

test('after a call of unknown effect, people with an account go singly and are read first; the others go in a batch', async () => {
  await sandbox.faults([{ ...BULK, status: 502, times: 1 }])
  const names = ['alice', 'erin', 'new1', 'new2', 'new3']
  const works = names.map((name) => aWork({ email: `${name}@example.com`, courses: [DEMO] }))
  assert.deepEqual(await enroll(works), [5, 3, 2, 1, 1])
  assert.deepEqual(
    works.map(({ readFirstSince, effectUnknown }) => [readFirstSince !== null, effectUnknown]),
    [
      [true, true],
      [true, true],
      [true, true],
      [true, true],
      [true, true],
    ],
  )
  for (const work of works) assert.equal(work.done.size, 1)
})

test('after a 500, which rolls everything back, all are sent again in halves, even those with an account', async () => {
  await sandbox.faults([{ ...BULK, status: 500, times: 1 }])
  const works = ['alice', 'erin', 'new1', 'new2'].map((name) =>
    aWork({ email: `${name}@example.com`, courses: [DEMO] }),
  )
  assert.deepEqual(await enroll(works), [4, 2, 2])
  assert.ok(works.every((work) => work.readFirstSince === null && !work.effectUnknown && work.done.size === 1))
})

test('a failed call for two courses is sent again for each separately: the other course gets everyone', async () => {
  await sandbox.faults([{ ...BULK, naming: PYTHON, status: 500 }])
  const works = ['new1', 'new2'].map((name) => aWork({ email: `${name}@example.com`, courses: [DEMO, PYTHON] }))
  await enroll(works)
  for (const work of works) {
    assert.deepEqual([...work.done], [[DEMO, 'allowed']])
    assert.equal(work.failures.length, 1)
  }
})

test('who was in a part of a failed batch goes with all others again once a call of the part succeeds', async () => {
  await sandbox.faults([{ ...BULK, naming: PYTHON, status: 500, times: 1 }])
  const works = ['new1', 'new2'].map((name) => aWork({ email: `${name}@example.com`, courses: [DEMO, PYTHON] }))
  const [first] = await enroll(works)
  assert.equal(first, 2)
  assert.deepEqual(
    works.map(({ grouping, done }) => [grouping, done.size]),
    [
      ['courses', 2],
      ['courses', 2],
    ],
  )
})

test('failed single calls for three people pause the course, and no more are made', async () => {
  const single = '/api/enrollment/v1/enrollment_allowed/'
  await sandbox.faults([
    { ...BULK, naming: DEMO, error: true },
    { method: 'POST', path: single, status: 500 },
  ])
  const works = ['a', 'b', 'c', 'd', 'e'].map((name) => aWork({ email: `${name}@example.com`, courses: [DEMO] }))
  assert.deepEqual(await enroll(works), [5, 1, 1, 1])
  assert.equal(breakers.healthOf(DEMO), 'paused')
})

for (const way of ['a batch', 'a single call', 'a single call that the LMS refuses'] as const) {
  test(`${way} shows that a course works`, async () => {
    breakers.failed(DEMO, { people: ['x@example.com'], message: 'it failed' })
    const work = aWork({ email: 'alice@example.com', courses: [DEMO] })
    work.grouping = way === 'a batch' ? 'sets' : 'suspect'
    if (way.endsWith('refuses')) {
      await sandbox.faults([
        { method: 'POST', path: '/api/enrollment/v1/enrollment', status: 400, body: { message: 'no' } },
      ])
    }
    await enroll([work])
    assert.equal(breakers.healthOf(DEMO), 'healthy')
  })
}

test('a retired person says nothing about the course', async () => {
  breakers.failed(DEMO, { people: ['x@example.com'], message: 'it failed' })
  const work = aWork({ email: 'retired@example.com', courses: [DEMO] })
  work.grouping = 'suspect'
  await enroll([work])
  assert.equal(breakers.healthOf(DEMO), 'doubtful')
})

test('if the single call is refused after an error in the batch, the reason names that error first', async () => {
  await sandbox.faults([
    { ...BULK, naming: DEMO, error: true },
    { method: 'POST', path: '/api/enrollment/v1/enrollment', status: 400, body: { message: 'course mode is expired' } },
  ])
  const work = aWork({ email: 'alice@example.com', courses: [DEMO] })
  await enroll([work])
  assert.match(work.reasons[0]?.subject ?? '', /^bulk_enroll answers `error` for this person; singly: .*expired/)
})

test('what the LMS says about the error is in the reason', async () => {
  await sandbox.faults([
    { ...BULK, naming: DEMO, error: 'No seat is left for this learner.' },
    { method: 'POST', path: '/api/enrollment/v1/enrollment', status: 400, body: { message: 'no' } },
  ])
  const work = aWork({ email: 'alice@example.com', courses: [DEMO] })
  await enroll([work])
  assert.match(
    work.reasons[0]?.subject ?? '',
    /^bulk_enroll answers `error` for this person \(No seat is left for this learner\.\); singly: no/,
  )
})

test('after an answer that leaves one person out, all are sent again', async () => {
  await sandbox.faults([{ ...BULK, status: 200, body: stumbled(emails.slice(0, 2), []), times: 1 }])
  const works = emails.map((email) => aWork({ email, courses: [DEMO] }))
  assert.deepEqual(await enroll(works), [3, 2, 1])
  assert.deepEqual(await keptEmails(), emails)
})

test('one call of bulk_enroll serves a batch, and only the inactive person needs more calls', async () => {
  await sandbox.forgetCalls()
  await enroll([
    aWork({ email: 'alice@example.com', courses: [DEMO] }),
    aWork({ email: 'new@example.com', courses: [DEMO] }),
  ])
  const posts = (await sandbox.calls()).filter(
    ({ method, path }) => method === 'POST' && path.startsWith('/api') && path !== SEARCH,
  )
  assert.deepEqual(posts, [{ method: 'POST', path: BULK.path, status: 200, count: 1 }])
  await enroll([aWork({ email: 'bob@example.com', courses: [DEMO] })])
  const deletes = (await sandbox.calls()).filter(({ method }) => method === 'DELETE')
  assert.deepEqual(
    deletes.map(({ count }) => count),
    [1],
  )
})
