import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import { purgeStep } from '../../../src/queue/retention.ts'
import { DEMO } from '../../harness.ts'
import { LMS_KINDS } from '../../lms-kinds.ts'
import { until } from '../../service/process.ts'
import { BULK, UNENROLL } from '../../service/serving.ts'
import { refund as post } from './refunding.ts'
import { startWithOperations } from './withdrawing.ts'

const PYTHON = 'course-v1:Lernito+PY101+2026'
const HONOR = 'course-v1:Lernito+Honor+2026'
const ALICE = 'alice@example.com'
const NEW = 'new@example.com'
const MODIFY = '/api/instructor/v2/courses/{course_id}/enrollments/modify'
const HAD = { reason: 'had_before' } as const
const done = (courses: number, kept: readonly object[] = []) => ({
  success: true,
  message: `Withdrawal verified for ${courses} course(s)`,
  ...(kept.length === 0 ? {} : { kept }),
})
/** Every call that enrolls is carried out, and its answer is lost. */
const LOST = [BULK, MODIFY, UNENROLL].map((path) => ({ method: 'POST', path, drop: 'after', times: 1 }))

for (const { kind, lms: apis } of LMS_KINDS) {
  describe(kind, async () => {
    const env = { LERNITO_REFUNDS: 'on', LERNITO_COURSE_MODE: `${HONOR}=verified` }
    const product = await startWithOperations({ lms: apis, env })
    const { lms, url, sell, sold, stateOf, show, withdraw, operations, context } = product
    after(() => product.stopAll())
    beforeEach(async () => {
      await lms.noFaults()
      for (const table of ['deliveries', 'events', 'delivery_lines', 'webhook_ids', 'holds'] as const) {
        await context.database.db.deleteFrom(table).execute()
      }
      await lms.reset()
    })
    const refund = async (email: string, of: { courseIds?: readonly string[]; sale?: string } = {}) =>
      (await post({ url, email, ...of })).json
    const activeIn = async (email: string): Promise<string[]> =>
      (await lms.state()).enrollments
        .filter((row) => row.email === email && row.active)
        .map(({ course, mode }) => `${course} ${mode}`)
        .sort()
    const staffEnrolls = (email: string, course = DEMO, mode = 'audit') =>
      lms.seed({ enrollments: [{ email, course, mode, active: true }] })
    const staffAllows = (email: string, course = DEMO) =>
      lms.seed({ allowances: [{ email, course, auto_enroll: true, used: false }] })

    test('a refund leaves a buyer in the course whom staff had enrolled before the sale, and tells the shop', async () => {
      await staffEnrolls(ALICE)
      const id = await sold(ALICE)
      assert.deepEqual(await refund(ALICE), done(1, [{ course: DEMO, ...HAD }]))
      assert.deepEqual([await activeIn(ALICE), await stateOf(id)], [[`${DEMO} audit`], 'withdrawn'])
      const detail = (await operations.timeline(id)).at(-1)?.detail
      assert.equal(detail, `${DEMO}: the buyer had it before the sale, and keeps it`)
    })

    test('a refund leaves an allowance that staff had made before the sale', async () => {
      await staffAllows(NEW)
      await sold(NEW)
      assert.deepEqual(await refund(NEW), done(1, [{ course: DEMO, ...HAD }]))
      assert.equal((await lms.state()).allowances.length, 1)
    })

    test('what a first call gave whose answer was lost counts as given', async () => {
      await lms.faults(LOST)
      await sell({ email: ALICE })
      await context.database.db.updateTable('deliveries').set({ due_at: 0 }).execute()
      const id = await sold(ALICE)
      assert.deepEqual([await stateOf(id), await activeIn(ALICE)], ['enrolled', [`${DEMO} audit`]])
      assert.deepEqual([await refund(ALICE), await activeIn(ALICE)], [done(1), []])
    })

    for (const order of ['first', 'second'] as const) {
      test(`of two sales, the one that is refunded last takes the buyer out: the ${order} one is refunded first`, async () => {
        const ids = [
          await sold(ALICE),
          String((await sell({ email: ALICE, name: 'Again' })).headers['x-lernito-delivery']),
        ]
        const [one = '', other = ''] = order === 'first' ? ids : ids.toReversed()
        const kept = [{ course: DEMO, reason: 'sale', delivery: other }]
        assert.deepEqual(
          [await refund(ALICE, { sale: one }), await activeIn(ALICE)],
          [done(1, kept), [`${DEMO} audit`]],
        )
        assert.deepEqual([await refund(ALICE, { sale: other }), await activeIn(ALICE)], [done(1), []])
      })
    }

    for (const isRefunded of [true, false]) {
      const what = isRefunded ? 'was refunded and left the course to the second' : 'gave the course'
      test(`the last refund takes the buyer out, also when retention has deleted the sale that ${what}`, async () => {
        const first = await sold(ALICE)
        const second = String((await sell({ email: ALICE, name: 'Again' })).headers['x-lernito-delivery'])
        if (isRefunded) await refund(ALICE, { sale: first })
        const old = context.database.db.updateTable('deliveries').set({ active_at: 1 })
        await old.where('id', '=', first).execute()
        assert.equal(await purgeStep({ ...context, before: 2 }), 1)
        assert.deepEqual([await refund(ALICE, { sale: second }), await activeIn(ALICE)], [done(1), []])
      })
    }

    test('of a bundle, a refund takes back the courses that the sale gave, and leaves the others', async () => {
      await staffEnrolls(ALICE)
      const id = await sold(ALICE, [DEMO, PYTHON])
      const json = await refund(ALICE, { courseIds: [DEMO, PYTHON] })
      assert.deepEqual(json, done(2, [{ course: DEMO, ...HAD }]))
      assert.deepEqual([await activeIn(ALICE), await stateOf(id)], [[`${DEMO} audit`], 'withdrawn'])
    })

    test('a refund takes a buyer out who registered after the sale', async () => {
      await sold(NEW)
      await lms.people({ email: NEW, username: 'newcomer', active: false })
      await lms.activate(NEW)
      assert.deepEqual([await refund(NEW), await activeIn(NEW)], [done(1), []])
    })

    test('a refund puts back the course mode that a sale has raised', async () => {
      await staffEnrolls(ALICE, HONOR, 'honor')
      await sold(ALICE, [HONOR])
      assert.deepEqual(await activeIn(ALICE), [`${HONOR} verified`])
      assert.deepEqual(await refund(ALICE, { courseIds: [HONOR] }), done(1, [{ course: HONOR, ...HAD }]))
      assert.deepEqual(await activeIn(ALICE), [`${HONOR} honor`])
    })

    test('a repeat of a sale that found the buyer in the course gives nothing either', async () => {
      await staffEnrolls(ALICE)
      await sold(ALICE)
      await sold(ALICE)
      assert.deepEqual(await refund(ALICE), done(1, [{ course: DEMO, ...HAD }]))
      assert.deepEqual(await activeIn(ALICE), [`${DEMO} audit`])
    })

    test('after a refund, what staff gives is not what an older sale gave', async () => {
      await sold(ALICE)
      await refund(ALICE)
      await staffEnrolls(ALICE)
      const again = String((await sell({ email: ALICE, name: 'Again' })).headers['x-lernito-delivery'])
      assert.deepEqual(await refund(ALICE, { sale: again }), done(1, [{ course: DEMO, ...HAD }]))
      assert.deepEqual(await activeIn(ALICE), [`${DEMO} audit`])
    })

    test('an operator’s withdrawal leaves what was there before the sale, unless it says so', async () => {
      await staffEnrolls(ALICE)
      const id = await sold(ALICE)
      const { result } = await withdraw(id)
      assert.equal(result?.courses[DEMO]?.kind, 'had_before')
      assert.deepEqual(await activeIn(ALICE), [`${DEMO} audit`])
      await sold(ALICE)
      await withdraw(id, { hadBefore: true })
      assert.deepEqual([await activeIn(ALICE), await stateOf(id)], [[], 'withdrawn'])
      assert.equal((await show(id)).outcome?.courses[DEMO], undefined)
    })

    test('a correction takes over what the corrected sale gave', async () => {
      const id = await sold(ALICE, [DEMO, PYTHON])
      const corrected = await operations.correct({ id, courseIds: [DEMO], by: 'alice', withdraw: null })
      assert.equal(corrected.kind, 'corrected')
      await until('the correction', async () => {
        const rows = await context.database.db.selectFrom('deliveries').select('state').execute()
        return rows.every(({ state }) => state !== 'queued') || undefined
      })
      assert.deepEqual(await refund(ALICE, { courseIds: [DEMO, PYTHON] }), done(2))
      assert.deepEqual(await activeIn(ALICE), [])
    })
  })
}
