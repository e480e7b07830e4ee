import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { enrollInBulk } from '../../src/enrollment/enroll-batch.ts'
import type { Work } from '../../src/enrollment/work.ts'
import { unlimitedBudget } from '../../src/openedx/budget.ts'
import { startStandIn } from '../../src/sandbox/stand-in.ts'
import { control, DEMO } from '../harness.ts'
import { lmsAt } from './lms-at.ts'
import { aWork } from './works.ts'

const standIn = await startStandIn({ throttle: 'off' })
const sandbox = control(standIn.url)
const budget = unlimitedBudget()
const lms = lmsAt(standIn.url)
after(() => Promise.all([lms.close(), standIn.close()]))
beforeEach(() => sandbox.reset())

const BULK = { method: 'POST', path: '/api/bulk_enroll/v1/bulk_enroll' }

async function enroll(works: readonly Work[]): Promise<void> {
  const acquire = () => budget.acquire(new AbortController().signal)
  const permit = await acquire()
  await enrollInBulk({ batch: { courses: [DEMO], works }, permit, lms, acquire })
}

/** 200 with `error` on some, as a deadlock in the LMS's database leaves it, though nothing of the call is kept. */
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
  test(`a 200 with an error on ${errors.length} of three proves nothing: all three are enrolled all the same`, async () => {
    await sandbox.faults([{ ...BULK, status: 200, body: stumbled(emails, errors), times: 1 }])
    const works = emails.map((email) => aWork({ email, courses: [DEMO] }))
    await enroll(works)
    assert.deepEqual(await keptEmails(), emails)
    for (const work of works) assert.deepEqual([...work.done], [[DEMO, 'allowed']])
  })
}

test('a failed call fails everybody in it and enrolls nobody', async () => {
  await sandbox.faults([{ ...BULK, status: 503 }])
  const works = emails.map((email) => aWork({ email, courses: [DEMO] }))
  await enroll(works)
  assert.deepEqual(await keptEmails(), [])
  for (const work of works) assert.deepEqual([work.failures[0]?.kind, work.open.size], ['unreachable', 0])
})

test('a 500 halves the batch until the one that causes it is alone', async () => {
  await sandbox.faults([{ ...BULK, status: 500, times: 3 }]) // for a-d, for a and b, for a
  const works = ['a', 'b', 'c', 'd'].map((name) => aWork({ email: `${name}@example.com`, courses: [DEMO] }))
  await enroll(works)
  assert.deepEqual(await keptEmails(), ['b@example.com', 'c@example.com', 'd@example.com'])
  assert.deepEqual(
    works.map((work) => work.failures.length),
    [1, 0, 0, 0],
  )
})

test('an answer that leaves somebody out is no success for anybody', async () => {
  await sandbox.faults([{ ...BULK, status: 200, body: stumbled(emails.slice(0, 2), []), times: 1 }])
  const works = emails.map((email) => aWork({ email, courses: [DEMO] }))
  await enroll(works)
  for (const work of works) assert.deepEqual([work.failures.length, work.done.size], [1, 0])
})

test('one call of bulk_enroll serves a batch, and only the inactive person needs more', async () => {
  await sandbox.forgetCalls()
  await enroll([
    aWork({ email: 'alice@example.com', courses: [DEMO] }),
    aWork({ email: 'new@example.com', courses: [DEMO] }),
  ])
  const posts = (await sandbox.calls()).filter(({ method, path }) => method === 'POST' && path.startsWith('/api'))
  assert.deepEqual(posts, [{ method: 'POST', path: BULK.path, status: 200, count: 1 }])
  await enroll([aWork({ email: 'bob@example.com', courses: [DEMO] })])
  const deletes = (await sandbox.calls()).filter(({ method }) => method === 'DELETE')
  assert.deepEqual(
    deletes.map(({ count }) => count),
    [1],
  )
})
