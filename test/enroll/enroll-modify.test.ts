import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { z } from 'zod'
import { startStandIn } from '../../sandbox/stand-in.ts'
import { type Batch, isSingly } from '../../src/enroll/batches.ts'
import { type CourseBreakers, createCourseBreakers } from '../../src/enroll/breakers/course-breakers.ts'
import { enrollInBatch } from '../../src/enroll/enroll-batch.ts'
import { type EnrollingOptions, enrollOneByOne } from '../../src/enroll/enroll-one-by-one.ts'
import type { Work } from '../../src/enroll/work.ts'
import { unlimitedBudget } from '../../src/lms/client/budget.ts'
import { control, DEMO, exchange } from '../harness.ts'
import { lmsAt } from './lms-at.ts'
import { aWork, nextBatch } from './works.ts'

const standIn = await startStandIn({ throttle: 'off', bulk: false })
const sandbox = control(standIn.url)
const budget = unlimitedBudget()
const lms = lmsAt(standIn.url)
after(() => Promise.all([lms.close(), standIn.close()]))

const PYTHON = 'course-v1:Lernito+PY101+2026'
const SEARCH = { method: 'POST', path: '/api/user/v1/accounts/search_emails' }
const MODIFY = { method: 'POST', path: '/api/instructor/v2/courses/{course_id}/enrollments/modify' }

let breakers: CourseBreakers
let batches: number
let options: EnrollingOptions
beforeEach(async () => {
  await sandbox.reset()
  await sandbox.forgetCalls()
  breakers = createCourseBreakers({ now: () => 0, onChange: () => {} })
  batches = 0
  options = { emailStudents: false, modeOf: () => null }
})

const acquire = () => budget.acquire(new AbortController().signal)

/** Makes the next call, as the worker does at an LMS with modify only. Gives the number of people in it; 0: none. */
async function callOnce(works: readonly Work[], waiting: readonly Work[] = []): Promise<number> {
  const open = works.filter((work) => work.open.size > 0)
  const batch = nextBatch({ works: open, scope: 'courses', now: 0, healthOf: breakers.healthOf })
  if (batch === null) return 0
  const context = {
    batch,
    breakers,
    options,
    isUp: () => true,
    lms,
    acquire,
    keepOurs: async (ours: Batch) => ours.works,
    mayLand: async () => false,
  }
  if (isSingly(batch)) await enrollOneByOne(context)
  else await enrollInBatch({ ...context, route: { kind: 'modify' }, waiting, newId: () => `BATCH${++batches}` })
  return batch.works.length
}

/** Makes all calls for these works. Gives the number of people in each. */
async function enroll(works: readonly Work[]): Promise<number[]> {
  const sizes: number[] = []
  for (let size = await callOnce(works); size > 0; size = await callOnce(works)) {
    assert.ok(sizes.push(size) < 50, 'calls without an end')
  }
  return sizes
}

const work = (name: string, courses: readonly string[] = [DEMO]): Work =>
  aWork({ email: `${name}@example.com`, courses })
const audits = z.object({ audit: z.array(z.object({ enrolled_email: z.string(), reason: z.string().nullable() })) })
const auditOf = async () => {
  const { text } = await exchange({ url: `${standIn.url}/sandbox/audit`, method: 'GET' })
  return audits.parse(JSON.parse(text)).audit.map((row) => [row.enrolled_email, row.reason])
}
const callsOf = async (path: string): Promise<number> =>
  (await sandbox.calls()).filter((call) => call.path === path).reduce((sum, { count }) => sum + count, 0)

test('the LMS’s audit names the delivery of a call for one, and the batch of a call for several, as the work does', async () => {
  const one = work('alice')
  await enroll([one])
  const several = [work('erin', [PYTHON]), work('new', [PYTHON])]
  await enroll(several)
  assert.deepEqual(await auditOf(), [
    ['alice@example.com', `Lernito ${one.delivery.id}`],
    ['erin@example.com', 'Lernito batch BATCH1'],
    ['new@example.com', 'Lernito batch BATCH1'],
  ])
  assert.deepEqual(
    [one, ...several].map((each) => each.batches),
    [[], ['BATCH1'], ['BATCH1']],
  )
})

test('people who need further calls get them singly afterwards, and the others of the batch don’t wait for them', async () => {
  const works = [work('alice'), work('bob'), work('new'), work('retired')]
  assert.equal(await callOnce(works), 4)
  assert.deepEqual(
    works.map(({ open, grouping, effectUnknown }) => [open.size, grouping, effectUnknown]),
    [
      [0, 'sets', false],
      [1, 'singly', true],
      [0, 'sets', false],
      [0, 'sets', false],
    ],
  )
  assert.deepEqual(await enroll(works), [1])
  assert.deepEqual(
    works.map(({ done, reasons }) => [...done.values(), ...reasons.map(({ code }) => code)]),
    [['enrolled'], ['enrolled'], ['allowed'], ['person.retired']],
  )
  assert.deepEqual(
    (await sandbox.state()).allowances.map(({ email }) => email),
    ['new@example.com'],
  )
})

test('a batch whose call fails with 500 is halved until the person who causes it is alone', async () => {
  await sandbox.faults([{ ...MODIFY, naming: 'c@example.com', status: 500 }])
  const works = ['a', 'b', 'c', 'd'].map((name) => work(name))
  await enroll(works)
  assert.deepEqual(
    works.map(({ done, failures }) => [done.size, failures.length]),
    [
      [1, 0],
      [1, 0],
      [0, 1],
      [1, 0],
    ],
  )
})

test('the half of a failed batch that is sent later is judged by a search of its own', async () => {
  await sandbox.faults([{ ...MODIFY, status: 500, times: 1 }])
  const works = [work('first'), work('user')]
  assert.deepEqual([await callOnce(works), await callOnce(works)], [2, 1])
  await sandbox.people({ email: 'user@exämple.com', username: 'umlaut', active: true })
  const [, user] = works
  if (user !== undefined) user.searchedAt = performance.now() - 10_001
  await enroll(works)
  assert.deepEqual(user?.reasons, [{ code: 'person.other_account', subject: 'u***@exämple.com' }])
  assert.ok((await sandbox.state()).enrollments.every(({ email }) => email !== 'user@exämple.com'))
})

test('after a lost answer, people with an account are read first, and one who was unenrolled meanwhile stays unenrolled', async () => {
  await sandbox.faults([{ ...MODIFY, drop: 'after', times: 1 }])
  const works = [work('alice'), work('erin'), work('new')]
  assert.equal(await callOnce(works), 3)
  assert.deepEqual(
    works.map(({ readFirstSince }) => readFirstSince !== null),
    [true, true, true],
  )
  await sandbox.seed({ enrollments: [{ email: 'alice@example.com', course: DEMO, mode: 'audit', active: false }] })
  await enroll(works)
  assert.deepEqual(works[0]?.reasons, [{ code: 'person.unenrolled', subject: DEMO }])
  assert.deepEqual(
    works.slice(1).map(({ done }) => [...done.values()]),
    [['enrolled'], ['allowed']],
  )
})

test('after a lost answer, a buyer who registers and is unenrolled before the next call stays unenrolled', async () => {
  await sandbox.faults([{ ...MODIFY, drop: 'after', times: 1 }])
  const works = [work('new1'), work('new2')]
  assert.equal(await callOnce(works), 2)
  const late = { email: 'new2@example.com', username: 'late' }
  await sandbox.people({ ...late, active: false })
  await sandbox.activate(late.email)
  const row = { email: late.email, course: DEMO, mode: 'audit', active: false }
  await sandbox.seed({ enrollments: [row] })
  await enroll(works)
  assert.deepEqual(works[1]?.reasons, [{ code: 'person.unenrolled', subject: DEMO }])
  assert.deepEqual(
    (await sandbox.state()).enrollments.filter(({ email }) => email === late.email),
    [row],
  )
  assert.deepEqual([...(works[0]?.done.values() ?? [])], ['allowed'])
})

test('a 200 with an error proves nothing: the person is enrolled singly, and the reason names the API', async () => {
  await sandbox.faults([{ ...MODIFY, naming: DEMO, error: true, times: 1 }])
  await sandbox.faults([
    { method: 'POST', path: '/api/enrollment/v1/enrollment', status: 400, body: { message: 'no' } },
  ])
  const works = [work('alice'), work('new')]
  await enroll(works)
  const [alice, other] = works
  assert.match(alice?.reasons[0]?.subject ?? '', /^enrollments\/modify answers `error` for this person; singly: no/)
  assert.deepEqual([...(other?.done.values() ?? [])], ['allowed'])
})

test('what the LMS says about an error of modify is in the reason, and the others are enrolled', async () => {
  await sandbox.faults([{ ...MODIFY, naming: DEMO, error: 'No seat is left.', times: 1 }])
  await sandbox.faults([
    { method: 'POST', path: '/api/enrollment/v1/enrollment', status: 400, body: { message: 'no' } },
  ])
  const works = [work('alice'), work('new')]
  await enroll(works)
  assert.match(works[0]?.reasons[0]?.subject ?? '', /for this person \(No seat is left\.\); singly: no/)
  assert.deepEqual([...(works[1]?.done.values() ?? [])], ['allowed'])
})

test('a course that modify does not find is missing, and nobody gets an allowance for it', async () => {
  const gone = 'course-v1:No+Such+Course'
  const works = [work('alice', [gone]), work('new', [gone])]
  assert.deepEqual(await enroll(works), [2])
  for (const { reasons } of works) assert.deepEqual(reasons, [{ code: 'course.missing', subject: gone }])
  assert.deepEqual((await sandbox.state()).allowances, [])
})

test('one search serves a batch, and those who wait for another one', async () => {
  const first = [work('alice'), work('new')]
  const later = [
    work('erin', [PYTHON]),
    work('other', [PYTHON]),
    aWork({ email: 'josé@example.com', courses: [PYTHON] }),
  ]
  await callOnce(first, later)
  await callOnce(later)
  assert.equal(await callsOf(SEARCH.path), 1)
  assert.deepEqual(
    [...first, ...later].map(({ done }) => done.size),
    [1, 1, 1, 1, 0],
  )
})

test('without a working search each account is looked up; if the LMS can’t be reached, nothing is called', async () => {
  await sandbox.faults([{ ...SEARCH, status: 500, times: 1 }])
  await sandbox.people({ email: 'user@exämple.com', username: 'umlaut', active: true })
  const [alice, user] = [work('alice'), work('user')]
  await enroll([alice, user])
  assert.equal(alice.done.size, 1)
  assert.deepEqual(user.reasons, [{ code: 'person.other_account', subject: 'u***@exämple.com' }])
  await sandbox.faults([{ ...SEARCH, status: 503 }])
  await sandbox.forgetCalls()
  const failed = work('erin')
  await enroll([failed])
  assert.deepEqual(
    failed.failures.map(({ kind, mayHaveTakenEffect }) => [kind, mayHaveTakenEffect]),
    [['unreachable', false]],
  )
  assert.equal(await callsOf(MODIFY.path), 0)
})

test('a person for whom the batch would enroll another one goes singly, and the others are enrolled', async () => {
  await sandbox.people({ email: 'user@exämple.com', username: 'umlaut', active: true })
  const [user, alice] = [work('user'), work('alice')]
  assert.deepEqual(await enroll([user, alice]), [2, 1])
  assert.deepEqual(user.reasons, [{ code: 'person.other_account', subject: 'u***@exämple.com' }])
  assert.equal(alice.done.size, 1)
  assert.ok((await sandbox.state()).enrollments.every(({ email }) => email !== 'user@exämple.com'))
})

for (const fault of [{ status: 500 }, { naming: DEMO, error: true }] as const) {
  test(`after ${Object.keys(fault).join(' and ')} from a call with mails, the next attempt counts them as mailed`, async () => {
    options = { ...options, emailStudents: true }
    await sandbox.faults([{ ...MODIFY, ...fault, times: 1 }])
    const works = [work('alice'), work('new')]
    await callOnce(works)
    assert.deepEqual(
      works.map(({ effectUnknown, mailed }) => [effectUnknown, [...mailed]]),
      works.map(() => [true, [DEMO]]),
    )
  })
}

test('people who may be mailed and those who may not go in separate calls', async () => {
  options = { ...options, emailStudents: true }
  const works = [work('new1'), work('new2'), work('new3')]
  works[1]?.mailed.add(DEMO)
  assert.deepEqual(await enroll(works), [3, 1])
  const { text } = await exchange({ url: `${standIn.url}/sandbox/mails`, method: 'GET' })
  const mails = z.object({ mails: z.array(z.object({ to: z.string() })) }).parse(JSON.parse(text)).mails
  assert.deepEqual(mails.map(({ to }) => to).sort(), ['new1@example.com', 'new3@example.com'])
  for (const each of works) assert.equal(each.done.size, 1)
})
