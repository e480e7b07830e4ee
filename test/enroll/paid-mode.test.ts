import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import { type Product, startProduct } from '../harness.ts'
import { LMS_KINDS } from '../lms-kinds.ts'
import { startSingly } from './singly.ts'

const PRO = 'course-v1:Lernito+Pro+2026'
const HONOR = 'course-v1:Lernito+Honor+2026'
const [ACTIVE, INACTIVE] = ['erin@example.com', 'bob@example.com']
const row = (email: string, course: string, mode: string, active: boolean) => ({ email, course, mode, active })

for (const { kind, lms: apis } of LMS_KINDS) {
  describe(kind, async () => {
    const product: Product = await startProduct({ lms: apis })
    const { lms, sell } = product
    after(() => product.stop())
    beforeEach(() => lms.reset())

    const modeOf = async (email: string, course: string) => {
      const { enrollments } = await lms.state()
      const found = enrollments.find((one) => one.email === email && one.course === course)
      return found === undefined ? null : { mode: found.mode, active: found.active }
    }

    for (const [who, email] of [
      ['an active person', ACTIVE],
      ['a person who has not activated', INACTIVE],
    ] as const) {
      test(`${who} who was unenrolled from a paid mode comes back in the free one`, async () => {
        await lms.seed({ enrollments: [row(email, HONOR, 'verified', false)] })
        assert.equal((await sell({ email, courseIds: [HONOR] })).status, 200)
        assert.deepEqual(await modeOf(email, HONOR), { mode: 'honor', active: true })
      })

      test(`${who} never gets a lost paid mode back if the course has no free one`, async () => {
        await lms.seed({ enrollments: [row(email, PRO, 'professional', false)] })
        const answered = await sell({ email, courseIds: [PRO] })
        const now = await modeOf(email, PRO)
        assert.notDeepEqual(now, { mode: 'professional', active: true })
        if (apis.bulk || apis.modify) return assert.equal(answered.status, 200) // in audit, or by an allowance that gives audit
        assert.equal(answered.status, 400)
        assert.match(answered.text, /The \[audit\] course mode is expired .* was unenrolled from \[professional\]/)
        assert.deepEqual(now, { mode: 'professional', active: false })
      })
    }
  })
}

test('a person who was unenrolled from a free mode that the course no longer offers comes back in it', async (t) => {
  const { seed, enroll, enrollmentsOf } = await startSingly(t)
  await seed({ enrollments: [row(ACTIVE, PRO, 'audit', false)] })
  const { account, ...result } = { account: undefined, ...(await enroll(ACTIVE, { course: PRO })).result }
  assert.deepEqual([result, account?.username], [{ kind: 'done', result: 'enrolled' }, 'erin'])
  assert.deepEqual(await enrollmentsOf(ACTIVE), [row(ACTIVE, PRO, 'audit', true)])
})
