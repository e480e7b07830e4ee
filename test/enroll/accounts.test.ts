import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import { linesAfter } from '../../src/queue/settle.ts'
import { DEMO } from '../harness.ts'
import { type Facts, factsIn, factsOf, linesOf } from '../lines.ts'
import { LMS_KINDS } from '../lms-kinds.ts'
import { startWithOperations } from './withdraw/withdrawing.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const ADA = 'ada@example.com'
const SEARCH_FAILS = 'an LMS whose search fails'
const [X, Y] = [
  { id: 7, username: 'ada' },
  { id: 8, username: 'other' },
]

for (const { kind, lms: apis } of [...LMS_KINDS, { kind: SEARCH_FAILS, lms: {} }]) {
  describe(kind, async () => {
    const { lms, sold, context, stopAll } = await startWithOperations({ lms: apis })
    after(() => stopAll())
    beforeEach(async () => {
      await lms.reset()
      if (kind === SEARCH_FAILS) await lms.faults([{ path: '/api/user/v1/accounts/search_emails', status: 500 }])
    })

    const accountsOf = async (id: string) => (await factsIn(context.database.db, id)).accounts

    test('who is enrolled is stored with the account, and who only gets an allowance without one', async () => {
      await lms.people({ email: ADA, username: 'ada', active: true })
      const id = await sold(ADA, [DEMO, PYTHON])
      const { [DEMO]: demo, [PYTHON]: python, ...others } = await accountsOf(id)
      assert.deepEqual([demo?.username, python, others], ['ada', demo, {}])
      assert.ok(Number.isInteger(demo?.id))
      assert.deepEqual(await accountsOf(await sold('new@example.com')), {})
    })

    test('who registered and has not activated is stored, too, because the LMS enrolls them', async () => {
      await lms.people({ email: ADA, username: 'ada', active: false })
      assert.equal((await accountsOf(await sold(ADA)))[DEMO]?.username, 'ada')
    })
  })
}

test('an attempt stores whom it enrolled, and forgets the account of a course that has an allowance now', () => {
  const enrolled = { outcome: { courses: { [DEMO]: 'enrolled' }, reason: null } } as const
  const allowed = { outcome: { courses: { [DEMO]: 'allowed', [PYTHON]: 'enrolled' }, reason: null } } as const
  const both = { [DEMO]: X, [PYTHON]: X }
  const after = (accounts: Facts['accounts'], settlement: Parameters<typeof linesAfter>[1]['settlement']) =>
    factsOf(linesAfter(linesOf([DEMO, PYTHON], { accounts }), { effect: 'final', isDoubtful: false, settlement }))
      .accounts
  assert.deepEqual(after({}, { ...enrolled, accounts: { [DEMO]: X } }), { [DEMO]: X })
  assert.deepEqual(after({ [DEMO]: X }, { ...enrolled, accounts: { [DEMO]: Y } }), { [DEMO]: Y })
  assert.deepEqual(after(both, enrolled), both, 'an attempt that found out nothing keeps what is known')
  assert.deepEqual(after(both, allowed), { [PYTHON]: X })
})
