import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, beforeEach, describe, test } from 'node:test'
import { startStandIn } from '../../sandbox/stand-in.ts'
import type { Batch } from '../../src/enroll/batches.ts'
import { createCourseBreakers } from '../../src/enroll/breakers/course-breakers.ts'
import { enrollInBatch } from '../../src/enroll/enroll-batch.ts'
import { enrollOneByOne } from '../../src/enroll/enroll-one-by-one.ts'
import { goesSingly, type Work } from '../../src/enroll/work.ts'
import { unlimitedBudget } from '../../src/lms/client/budget.ts'
import type { Lms } from '../../src/lms/lms.ts'
import { control, DEMO, type Product, startProduct } from '../harness.ts'
import { LMS_KINDS } from '../lms-kinds.ts'
import { lmsAt } from './lms-at.ts'
import { aWork, nextBatch } from './works.ts'

const VICTIM = 'victim@example.com'
const STRANGER = { email: 'stranger@example.com', username: VICTIM }
const ACCOUNTS = '/api/user/v1/accounts'
const SEARCH_FAILS = 'an LMS whose search fails'
const allowance = (email: string) => ({ email, course: DEMO, auto_enroll: true, used: false })
const enrollment = (email: string) => ({ email, course: DEMO, mode: 'audit', active: true })

for (const { kind, lms: apis } of [...LMS_KINDS, { kind: SEARCH_FAILS, lms: {} }]) {
  describe(kind, async () => {
    const product: Product = await startProduct({ lms: apis })
    const { lms, sell } = product
    after(() => product.stop())
    beforeEach(async () => {
      await lms.reset()
      if (kind === SEARCH_FAILS) await lms.faults([{ path: `${ACCOUNTS}/search_emails`, status: 500 }])
    })

    /** Who is in the course, and who is allowed. */
    const inDemo = async () => {
      const { enrollments, allowances } = await lms.state()
      return { enrollments: enrollments.filter(({ course }) => course === DEMO), allowances }
    }

    for (const active of [true, false]) {
      test(`a sale to an address that is a stranger’s user name allows the buyer (stranger active: ${active})`, async () => {
        await lms.people({ ...STRANGER, active })
        const [victim, other] = await Promise.all([sell({ email: VICTIM }), sell({ email: 'new@example.com' })])
        assert.deepEqual([victim.status, other.status], [200, 200])
        assert.deepEqual(await inDemo(), {
          enrollments: [],
          allowances: [allowance('new@example.com'), allowance(VICTIM)],
        })
        await lms.people({ email: VICTIM, username: 'victim', active: false })
        await lms.activate(VICTIM)
        assert.deepEqual((await inDemo()).enrollments, [enrollment(VICTIM)])
      })
    }

    test('a user name that the LMS’s database takes for the buyer’s address is a stranger’s too', async () => {
      await lms.people({ ...STRANGER, username: 'víctim@example.com', active: true })
      assert.equal((await sell({ email: VICTIM })).status, 200)
      assert.deepEqual(await inDemo(), { enrollments: [], allowances: [allowance(VICTIM)] })
    })

    test('a buyer whose account has the address as user name is enrolled', async () => {
      await lms.people({ email: VICTIM, username: VICTIM, active: true })
      assert.equal((await sell({ email: VICTIM })).status, 200)
      assert.deepEqual(await inDemo(), { enrollments: [enrollment(VICTIM)], allowances: [] })
    })

    test('a buyer with an account whose address is a stranger’s user name is enrolled, and nobody else', async () => {
      await lms.people({ ...STRANGER, active: true })
      await lms.people({ email: VICTIM, username: 'victim', active: true })
      const answered = await sell({ email: VICTIM })
      assert.equal(answered.status, 200, answered.text)
      assert.deepEqual(await inDemo(), { enrollments: [enrollment(VICTIM)], allowances: [] })
    })
  })
}

describe('a batch', async () => {
  const standIn = await startStandIn({ throttle: 'off' })
  const sandbox = control(standIn.url)
  const budget = unlimitedBudget()
  const lms = lmsAt(standIn.url)
  after(() => Promise.all([lms.close(), standIn.close()]))
  beforeEach(() => sandbox.reset())

  const acquire = () => budget.acquire(new AbortController().signal)

  /** Makes all calls for these works, through bulk_enroll or modify, and singly. */
  async function enroll(works: readonly Work[], { api, through }: { api: 'bulk' | 'modify'; through: Lms }) {
    const breakers = createCourseBreakers({ now: () => 0, onChange: () => {} })
    const options = { emailStudents: false, modeOf: () => null }
    for (let calls = 0; ; calls++) {
      assert.ok(calls < 10, 'calls without an end')
      const batch = nextBatch({ works: works.filter(({ open }) => open.size > 0), scope: 'sets', now: 0 })
      if (batch === null) return
      const ours = { keepOurs: async ({ works }: Batch) => works, mayLand: async () => false }
      const context = { batch, breakers, options, isUp: () => true, lms: through, acquire, ...ours }
      const [first] = batch.works
      if (first !== undefined && goesSingly(first)) await enrollOneByOne(context)
      else {
        const route = api === 'bulk' ? ({ kind: api, permit: await acquire() } as const) : ({ kind: api } as const)
        await enrollInBatch({ ...context, route, waiting: [], newId: () => 'BATCH' })
      }
    }
  }

  /** The LMS, where this happens between the look-ups and the batch call. */
  const withRace = (happens: () => Promise<unknown>): Lms => ({
    ...lms,
    bulkEnroll: async (permit, call) => {
      await happens()
      return lms.bulkEnroll(permit, call)
    },
    modify: async (call) => {
      await happens()
      return lms.modify(call)
    },
  })

  for (const api of ['bulk', 'modify'] as const) {
    for (const active of [true, false]) {
      test(`${api}: a stranger who appears after the look-ups is not taken for the buyer (active: ${active})`, async () => {
        const through = withRace(() => sandbox.people({ ...STRANGER, active }))
        const victim = aWork({ email: VICTIM, courses: [DEMO] })
        await enroll([victim], { api, through })
        assert.deepEqual([...victim.done], [[DEMO, 'allowed']])
        assert.ok((await sandbox.state()).allowances.some(({ email }) => email === VICTIM))
      })
    }

    test(`${api}: a stranger with an allowance of their own is not taken for the buyer either`, async () => {
      await sandbox.seed({ allowances: [{ ...allowance(STRANGER.email) }] })
      const through = withRace(() => sandbox.people({ ...STRANGER, active: true }))
      const victim = aWork({ email: VICTIM, courses: [DEMO] })
      await enroll([victim], { api, through })
      assert.deepEqual([...victim.done], [[DEMO, 'allowed']])
      assert.ok((await sandbox.state()).allowances.some(({ email }) => email === VICTIM))
    })

    test(`${api}: a buyer who registers and activates after the look-ups is enrolled`, async () => {
      const through = withRace(() => sandbox.people({ email: VICTIM, username: 'victim', active: true }))
      const victim = aWork({ email: VICTIM, courses: [DEMO] })
      await enroll([victim], { api, through })
      assert.deepEqual([...victim.done], [[DEMO, 'enrolled']])
    })

    test(`${api}: without an answer about user names, no call is made`, async () => {
      await sandbox.people({ ...STRANGER, active: true })
      const before = await sandbox.state()
      await sandbox.faults([{ method: 'GET', path: ACCOUNTS, status: 500 }])
      const victim = aWork({ email: VICTIM, courses: [DEMO] })
      await enroll([victim], { api, through: lms })
      assert.deepEqual(
        victim.failures.map(({ kind, mayHaveTakenEffect }) => [kind, mayHaveTakenEffect]),
        [['server_error', false]],
      )
      assert.deepEqual(await sandbox.state(), before)
    })
  }

  test('an account that the LMS takes for the buyer’s, made while the courses are looked up, is not enrolled', async () => {
    const lookalike = { email: 'victim@exämple.com', username: 'umlaut', active: true }
    let looked = 0
    const course: Lms['course'] = async (...asked) => {
      if (++looked === 1) await sandbox.people(lookalike)
      return lms.course(...asked)
    }
    const victim = aWork({ email: VICTIM, courses: [DEMO] })
    await enroll([victim], { api: 'bulk', through: { ...lms, course } })
    assert.ok(looked > 0)
    assert.deepEqual(victim.reasons, [{ code: 'person.other_account', subject: 'v***@exämple.com' }])
    assert.ok((await sandbox.state()).enrollments.every(({ email }) => email !== lookalike.email))
  })

  test('asking for the user names of 50 people costs the LMS at most 0.3 ms for each', async () => {
    await sandbox.forgetCalls()
    const works = Array.from({ length: 50 }, (_, i) =>
      aWork({ email: `somebody.number${i}@mail.example.com`, courses: [DEMO] }),
    )
    await enroll(works, { api: 'bulk', through: lms })
    const calls = (await sandbox.calls()).filter(({ path }) => path === ACCOUNTS)
    assert.deepEqual(calls, [{ method: 'GET', path: ACCOUNTS, status: 404, count: 1 }])
    const costs: { what: string; asked: number; lms_cpu_ms_per_call: number }[] = JSON.parse(
      readFileSync(new URL('../recordings/lms-newer/costs-lists.json', import.meta.url), 'utf8'),
    )
    const cost = (asked: number): number =>
      costs.find((row) => row.what.startsWith('accounts?username') && row.asked === asked)?.lms_cpu_ms_per_call ?? NaN
    // Recorded for names that exist. Without any, what is left is the part that doesn't depend on their number.
    const call = cost(1) - (cost(10) - cost(1)) / 9
    assert.ok(call / 50 <= 0.3, `${call / 50} ms`)
  })
})
