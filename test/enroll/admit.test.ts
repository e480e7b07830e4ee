import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { startStandIn } from '../../sandbox/stand-in.ts'
import { admit } from '../../src/enroll/admit.ts'
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
const lookUps = async (): Promise<number> =>
  (await sandbox.calls()).filter(({ path }) => path === ACCOUNTS).reduce((sum, { count }) => sum + count, 0)

test('after an attempt of unknown effect, a person with an account goes alone and is read first', async () => {
  for (const email of ['alice@example.com', 'bob@example.com', 'retired@example.com']) {
    const work = await admitted({ email, effectUnknown: true })
    assert.deepEqual([work.grouping, work.readFirst, [...work.open]], ['singly', true, [DEMO]], email)
  }
})

test('a person without an account can’t have been enrolled, and goes together with others', async () => {
  const work = await admitted({ email: 'new@example.com', effectUnknown: true })
  assert.deepEqual([work.grouping, work.readFirst, work.effectUnknown], ['sets', true, true])
})

test('nobody is looked up if every effect is known', async () => {
  const work = await admitted({ email: 'alice@example.com', effectUnknown: false })
  assert.deepEqual([work.grouping, work.readFirst], ['sets', false])
  assert.equal(await lookUps(), 0)
})

test('if the account can’t be looked up, nothing is enrolled and the effect stays unknown', async () => {
  await sandbox.faults([{ path: ACCOUNTS, status: 500 }])
  const work = await admitted({ email: 'alice@example.com', effectUnknown: true })
  assert.deepEqual([work.open.size, work.failures[0]?.kind, work.effectUnknown], [0, 'server_error', true])
})
