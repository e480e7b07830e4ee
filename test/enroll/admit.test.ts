import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { startStandIn } from '../../sandbox/stand-in.ts'
import { admit } from '../../src/enroll/admit.ts'
import { leaveOutOthers } from '../../src/enroll/leave-out-others.ts'
import type { Work } from '../../src/enroll/work.ts'
import { control, DEMO } from '../harness.ts'
import { lmsAt } from './lms-at.ts'
import { aWork } from './works.ts'

const ACCOUNTS = '/api/user/v1/accounts'
const standIn = await startStandIn({ throttle: 'off' })
const sandbox = control(standIn.url)
const lms = lmsAt(standIn.url)
after(() => Promise.all([lms.close(), standIn.close()]))
beforeEach(() => sandbox.reset())

const admitted = ({ email, effectUnknown }: { email: string; effectUnknown: boolean }) =>
  admit({ delivery: { ...aWork({ email, courses: [DEMO] }).delivery, effectUnknown }, lms })
/** Whether the call of a batch would name the person of the work. */
const isInBatch = async (work: Work): Promise<boolean> => {
  const batch = { works: [work], courses: [DEMO] }
  return (await leaveOutOthers({ batch, lms, waiting: [], modeOf: () => null })).works.includes(work)
}

for (const search of ['search_emails', 'a look-up for each'] as const) {
  const faults = search === 'search_emails' ? [] : [{ path: `${ACCOUNTS}/search_emails`, status: 500 }]

  test(`${search}: after an attempt of unknown effect, a person with an account goes alone and is read first`, async () => {
    await sandbox.faults(faults)
    for (const email of ['alice@example.com', 'bob@example.com']) {
      const work = await admitted({ email, effectUnknown: true })
      assert.equal(await isInBatch(work), false, email)
      assert.deepEqual([work.grouping, work.readFirstSince !== null, [...work.open]], ['singly', true, [DEMO]], email)
    }
  })

  test(`${search}: a person without an account can’t have been enrolled, and goes together with others`, async () => {
    await sandbox.faults(faults)
    for (const email of ['new@example.com', 'retired@example.com']) {
      const work = await admitted({ email, effectUnknown: true })
      assert.equal(await isInBatch(work), true, email)
      assert.deepEqual([work.readFirstSince !== null, work.effectUnknown], [true, true], email)
    }
  })
}

test('who registers while the sale waits for its call is read first, too', async () => {
  const work = await admitted({ email: 'new@example.com', effectUnknown: true })
  await sandbox.people({ email: 'new@example.com', username: 'newcomer', active: true })
  assert.deepEqual([await isInBatch(work), work.grouping], [false, 'singly'])
})

test('a look-up of a course that fails names the course', async () => {
  const { delivery } = aWork({ courses: [DEMO] })
  await sandbox.faults([{ naming: DEMO, status: 500 }])
  const fresh = lmsAt(standIn.url) // it remembers no course
  const { failures } = await admit({ delivery, lms: fresh })
  await fresh.close()
  assert.match(failures[0]?.message ?? '', new RegExp(`${DEMO.replaceAll('+', '\\+')}$`))
  assert.equal(failures[0]?.course, DEMO)
})

test('nobody is looked up when a delivery is admitted', async () => {
  await sandbox.forgetCalls()
  for (const effectUnknown of [true, false]) {
    const work = await admitted({ email: 'alice@example.com', effectUnknown })
    assert.deepEqual([work.grouping, work.readFirstSince !== null], ['sets', effectUnknown])
  }
  assert.deepEqual(
    (await sandbox.calls()).filter(({ path }) => path.startsWith(ACCOUNTS)),
    [],
  )
})

test('if the account can’t be looked up, nothing is enrolled and the effect stays unknown', async () => {
  await sandbox.faults([
    { path: `${ACCOUNTS}/search_emails`, status: 500 },
    { path: ACCOUNTS, status: 500 },
  ])
  const work = await admitted({ email: 'alice@example.com', effectUnknown: true })
  assert.equal(await isInBatch(work), false)
  assert.deepEqual([work.open.size, work.failures[0]?.kind, work.effectUnknown], [0, 'server_error', true])
})
