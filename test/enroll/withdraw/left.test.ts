import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import { findBuyer } from '../../../src/enroll/withdraw/find-buyer.ts'
import type { Account, AccountById } from '../../../src/lms/apis/accounts.ts'
import { DEMO } from '../../harness.ts'
import { setFacts, withdrawalsShown } from '../../lines.ts'
import { LMS_KINDS } from '../../lms-kinds.ts'
import { until } from '../../service/process.ts'
import { BULK, holdCalls } from '../../service/serving.ts'
import { refund } from './refunding.ts'
import { ended, startWithOperations } from './withdrawing.ts'

const [OLD, NEW, NEWEST] = ['ada@example.com', 'ada@example.org', 'ada@example.net']
const ROW = { course: DEMO, mode: 'audit', active: true }
const _ACCOUNTS = '/api/user/v1/accounts'
const FULL = 'course-v1:Lernito+Full+2026'
const ENROLLING = [BULK, '/api/enrollment/v1/enrollment', '/api/enrollment/v1/enrollment_allowed/']
/** No call that names one of them enrolls anybody. */
const failingFor = (...names: readonly string[]) =>
  ENROLLING.flatMap((path) => names.map((naming) => ({ naming, method: 'POST', path, status: 500 })))
const MOVED = 'the buyer’s account has another address now'

/** The rest of the rules doesn't depend on the APIs. */
const [{ kind: FIRST }] = LMS_KINDS

for (const { kind, lms: apis } of LMS_KINDS) {
  describe(kind, async () => {
    const hold = holdCalls()
    const product = await startWithOperations({ lms: { ...apis, sleep: hold.sleep }, env: { LERNITO_REFUNDS: 'on' } })
    const { lms, sold, sell, withdraw, stateOf, operations, show, context, url } = product
    after(() => product.stopAll())
    beforeEach(async () => {
      for (const table of ['deliveries', 'events', 'delivery_lines'] as const) {
        await context.database.db.deleteFrom(table).execute()
      }
      await lms.reset()
    })

    const activeIn = async (): Promise<string[]> =>
      (await lms.state()).enrollments
        .filter(({ email, active }) => active && email.startsWith('ada'))
        .map(({ email, course }) => `${email} ${course}`)
    /** A sale to an account that has another address since. */
    const soldAndMoved = async (): Promise<string> => {
      await lms.people({ email: OLD, username: 'ada', active: true })
      const id = await sold(OLD)
      await lms.address({ formerly: OLD, email: NEW })
      assert.deepEqual(await activeIn(), [`${NEW} ${DEMO}`])
      return id
    }
    /** A sale to somebody without an account, who activates one then, and has another address since. */
    const allowedAndMoved = async (): Promise<string> => {
      const id = await sold(OLD)
      assert.equal(await stateOf(id), 'pre_enrolled')
      await lms.people({ email: OLD, username: 'ada', active: false })
      await lms.activate(OLD)
      await lms.address({ formerly: OLD, email: NEW })
      assert.deepEqual(await activeIn(), [`${NEW} ${DEMO}`])
      return id
    }
    /** A stranger who has the address that the buyer had, and has got the course in another way. */
    const addStranger = async (): Promise<void> => {
      await lms.people({ email: OLD, username: 'second', active: true })
      await lms.seed({ enrollments: [{ email: OLD, ...ROW }] })
    }

    test('a refund takes a buyer out whose account has another address now, and says so', async () => {
      const id = await soldAndMoved()
      const { status, json } = await refund({ url, email: OLD })
      assert.deepEqual([status, json], [200, { success: true, message: 'Withdrawal verified for 1 course(s)' }])
      assert.deepEqual(await activeIn(), [])
      const { state, standings } = await show(id)
      assert.deepEqual([state, standings[DEMO]?.standing, standings[DEMO]?.moved], ['withdrawn', 'unenrolled', true])
      const detail = (await operations.timeline(id)).at(-1)?.detail
      assert.equal(detail, `unenrolled from ${DEMO} (audit); ${MOVED}`)
    })

    test('a withdrawal touches no account that has the buyer’s old address by now, nor its allowance', async () => {
      const id = await soldAndMoved()
      await addStranger()
      const allowance = { email: OLD, course: DEMO, auto_enroll: true, used: false }
      await lms.seed({ allowances: [allowance] })
      await lms.forgetCalls()
      const { result } = await withdraw(id)
      assert.deepEqual(result?.courses[DEMO], { kind: 'unenrolled', mode: 'audit', why: '', moved: true })
      assert.deepEqual(await activeIn(), [`${OLD} ${DEMO}`])
      assert.deepEqual((await lms.state()).allowances, [allowance])
      const batches = (await lms.calls()).filter(({ method, path }) => method === 'POST' && /bulk|modify/.test(path))
      assert.deepEqual(
        batches.filter(({ status }) => status === 200),
        [],
        'no call names the address',
      )
    })

    test('a repeat for an address that the buyer has left enrolls nobody else while the buyer has the course', async () => {
      const id = await soldAndMoved()
      const before = (await show(id)).accounts
      await lms.people({ email: OLD, username: 'second', active: true })
      const { json } = await sell({ email: OLD })
      assert.deepEqual(json, { success: true, message: 'User enrollment status verified for 1 course(s)' })
      assert.deepEqual([await activeIn(), await stateOf(id)], [[`${NEW} ${DEMO}`], 'enrolled'])
      assert.deepEqual([(await show(id)).accounts, (await lms.state()).allowances], [before, []])
    })

    test('nor does a repeat let in whoever registers with the address that nobody has by now', async () => {
      const id = await soldAndMoved()
      const before = (await show(id)).accounts
      const { json } = await sell({ email: OLD })
      assert.deepEqual(json, { success: true, message: 'User enrollment status verified for 1 course(s)' })
      assert.deepEqual([await activeIn(), await stateOf(id)], [[`${NEW} ${DEMO}`], 'enrolled'])
      assert.deepEqual([(await show(id)).accounts, (await lms.state()).allowances], [before, []])
    })

    for (const isTaken of [false, true]) {
      const whose = isTaken ? ', which another account has by now' : ''
      test(`a refund takes a buyer out who activated an account and left the address${whose} before anybody looked`, async () => {
        const id = await allowedAndMoved()
        if (isTaken) await lms.people({ email: OLD, username: 'second', active: true })
        const { status } = await refund({ url, email: OLD })
        assert.deepEqual([status, await activeIn(), (await lms.state()).allowances], [200, [], []])
        const { state, standings } = await show(id)
        assert.deepEqual([state, standings[DEMO]?.standing, standings[DEMO]?.moved], ['withdrawn', 'unenrolled', true])
        await lms.address({ formerly: NEW, email: isTaken ? NEWEST : OLD })
        assert.deepEqual(await activeIn(), [], 'no allowance enrolls them again')
      })
    }

    test('an order that waits for a late call takes out nobody who has the address by now', async () => {
      const id = await allowedAndMoved()
      await addStranger()
      const late = { name: OLD, replica: '', effect: 'enrolls', late_at: 1 } as const
      await context.database.db.insertInto('holds').values(late).execute()
      await withdraw(id)
      assert.deepEqual([await activeIn(), await stateOf(id)], [[`${OLD} ${DEMO}`], 'withdrawn'])
    })

    for (const active of [true, false]) {
      test(`a repeat of such a sale lets nobody else in, who has ${active ? 'the address by now' : 'it later'}`, async () => {
        const id = await allowedAndMoved()
        if (active) await lms.people({ email: OLD, username: 'second', active })
        const { json } = await sell({ email: OLD })
        assert.deepEqual(json, { success: true, message: 'User enrollment status verified for 1 course(s)' })
        if (!active) {
          await lms.people({ email: OLD, username: 'second', active })
          await lms.activate(OLD)
        }
        assert.deepEqual([await activeIn(), await stateOf(id)], [[`${NEW} ${DEMO}`], 'enrolled'])
        await refund({ url, email: OLD })
        assert.deepEqual([await activeIn(), await stateOf(id)], [[], 'withdrawn'])
      })
    }

    if (kind !== FIRST) return

    test('whoever has used an older allowance is not the buyer of a sale that enrolled an account', async () => {
      const id = await allowedAndMoved()
      await addStranger()
      await setFacts(context.database.db, id, { courses: { [DEMO]: 'enrolled' } })
      const { status } = await refund({ url, email: OLD })
      assert.deepEqual([status, await activeIn()], [200, [`${NEW} ${DEMO}`]])
    })

    test('an unused allowance for the old address goes too if nobody has the address', async () => {
      const id = await soldAndMoved()
      await lms.seed({ allowances: [{ email: OLD, course: DEMO, auto_enroll: true, used: false }] })
      await refund({ url, email: OLD })
      assert.deepEqual([await activeIn(), (await lms.state()).allowances], [[], []])
      assert.equal(await stateOf(id), 'withdrawn')
    })

    test('a retired buyer is taken out, because the account may come back', async () => {
      await lms.people({ email: OLD, username: 'ada', active: true })
      const id = await sold(OLD)
      await lms.retire(OLD)
      const { result } = await withdraw(id)
      assert.deepEqual(result?.courses[DEMO], { kind: 'unenrolled', mode: 'audit', why: '' })
      const { enrollments } = await lms.state()
      assert.ok(enrollments.filter(({ email }) => email.startsWith('retired__user_')).every(({ active }) => !active))
      assert.equal(await stateOf(id), 'withdrawn')
    })

    test('a repeat of a sale whose buyer had the account deleted enrolls nobody, and does not say that it did', async () => {
      await lms.people({ email: OLD, username: 'ada', active: true })
      const id = await sold(OLD)
      await lms.retire(OLD)
      const { status } = await sell({ email: OLD })
      assert.deepEqual([status, await stateOf(id)], [400, 'needs_attention'])
    })

    test('a repeat of a sale that enrolled the buyer in one of two courses leaves that one with the buyer', async () => {
      const courseIds = [DEMO, FULL]
      await lms.people({ email: OLD, username: 'ada', active: true })
      await lms.faults([{ path: BULK, error: true, naming: FULL }])
      const id = await sold(OLD, courseIds)
      assert.deepEqual([await stateOf(id), await activeIn()], ['needs_attention', [`${OLD} ${DEMO}`]])
      await lms.noFaults()
      await lms.address({ formerly: OLD, email: NEW })
      await sell({ email: OLD, courseIds })
      assert.deepEqual(
        (await lms.state()).allowances.map(({ course }) => course),
        [FULL],
      )
      await refund({ url, email: OLD, courseIds })
      assert.deepEqual(await activeIn(), [])
    })

    test('a buyer whose account the LMS has no more has nothing to lose, and the next owner of the address is left alone', async () => {
      await lms.people({ email: OLD, username: 'ada', active: true })
      const accounts = { [DEMO]: { id: 99_999, username: 'deleted' } }
      for (const replaced of [true, false]) {
        const id = await sold(OLD)
        await setFacts(context.database.db, id, { accounts })
        if (!replaced) await lms.address({ formerly: OLD, email: NEW })
        const { result } = await withdraw(id)
        const { kind: came, why } = result?.courses[DEMO] ?? {}
        assert.equal(came, replaced ? 'kept' : 'nothing')
        assert.match(why ?? '', replaced ? /left alone/ : /^$/)
        assert.deepEqual(await activeIn(), [`${replaced ? OLD : NEW} ${DEMO}`])
      }
    })

    test('a repeat goes to the address again once the buyer is out of the course', async () => {
      const id = await soldAndMoved()
      await refund({ url, email: OLD })
      await lms.people({ email: OLD, username: 'second', active: true })
      await sell({ email: OLD })
      assert.deepEqual([await activeIn(), await stateOf(id)], [[`${OLD} ${DEMO}`], 'enrolled'])
      assert.equal((await show(id)).accounts[DEMO]?.username, 'second')
      await refund({ url, email: OLD })
      assert.deepEqual(await activeIn(), [], 'and a refund then takes out that account')
    })

    test('a refund leaves a course that the buyer bought again under the new address', async () => {
      const id = await soldAndMoved()
      const again = await sold(NEW)
      await refund({ url, email: OLD })
      assert.deepEqual(await activeIn(), [`${NEW} ${DEMO}`])
      assert.equal(await stateOf(again), 'enrolled')
      assert.ok((await operations.timeline(id)).length > 0)
    })

    test('a refund of a sale under the new address leaves the course to the same account’s sale under the old one', async () => {
      const id = await soldAndMoved()
      const again = await sold(NEW)
      await lms.address({ formerly: NEW, email: NEWEST })
      await refund({ url, email: NEW })
      assert.equal((await withdrawalsShown(operations, again))[0]?.result?.courses[DEMO]?.keptBy, id)
      assert.deepEqual([await activeIn(), await stateOf(id)], [[`${NEWEST} ${DEMO}`], 'enrolled'])
      await refund({ url, email: OLD })
      assert.deepEqual([await activeIn(), await stateOf(id)], [[], 'withdrawn'], 'and a refund of that one ends it')
    })

    test('so does a refund of a sale that was never reported, because its call failed', async () => {
      const id = await soldAndMoved()
      await lms.faults(failingFor(NEW, 'ada'))
      const again = String((await sell({ email: NEW })).headers['x-lernito-delivery'])
      await lms.noFaults()
      await refund({ url, email: NEW })
      assert.equal((await withdrawalsShown(operations, again))[0]?.result?.courses[DEMO]?.keptBy, id)
      assert.deepEqual([await activeIn(), await stateOf(again)], [[`${NEW} ${DEMO}`], 'withdrawn'])
    })

    test('so does a withdrawal by an operator, whose page names the sales to one address', async () => {
      const id = await soldAndMoved()
      const again = await sold(NEW)
      const { result } = await withdraw(again)
      assert.equal(result?.courses[DEMO]?.keptBy, id)
      assert.deepEqual(await activeIn(), [`${NEW} ${DEMO}`])
    })

    test('a refund doesn’t leave a course to another account that bought it under the old address', async () => {
      const id = await soldAndMoved()
      await lms.people({ email: OLD, username: 'second', active: true })
      const other = String((await sell({ email: OLD, name: 'Second' })).headers['x-lernito-delivery'])
      assert.notEqual(other, id)
      await refund({ url, email: OLD }) // with the payload of the first sale
      assert.equal(await stateOf(id), 'withdrawn')
      assert.deepEqual([await activeIn(), await stateOf(other)], [[`${OLD} ${DEMO}`], 'enrolled'])
    })

    test('nor to a sale under the old address that is still to be done, if another account has that address', async () => {
      const id = await soldAndMoved()
      await lms.people({ email: OLD, username: 'second', active: true })
      await lms.faults(failingFor(OLD, 'second'))
      const other = String((await sell({ email: OLD, name: 'Second' })).headers['x-lernito-delivery'])
      await refund({ url, email: OLD }) // with the payload of the first sale
      assert.deepEqual([await stateOf(id), await stateOf(other), await activeIn()], ['withdrawn', 'queued', []])
      await lms.noFaults()
      await operations.replay({ ids: [other], by: 'alice' })
      await until('the enrollment', async () => ((await stateOf(other)) === 'enrolled' ? true : undefined))
      assert.deepEqual(await activeIn(), [`${OLD} ${DEMO}`])
    })

    test('a refund leaves a course to a sale under the old address that is still to be done, if nobody has that address', async () => {
      const id = await soldAndMoved()
      await lms.faults(failingFor(OLD))
      const other = String((await sell({ email: OLD, name: 'Second' })).headers['x-lernito-delivery'])
      await refund({ url, email: OLD })
      assert.deepEqual(await activeIn(), [`${NEW} ${DEMO}`])
      assert.equal((await withdrawalsShown(operations, id))[0]?.result?.courses[DEMO]?.keptBy, other)
    })

    test('a correction to the buyer’s new address keeps the course, although it withdraws the sale to the old one', async () => {
      const id = await soldAndMoved()
      const withdraw = { paid: false }
      const corrected = await operations.correct({ id, email: NEW, by: 'alice', withdraw })
      assert.equal(corrected.kind, 'corrected')
      const { result } = await ended(product, id)
      assert.equal(result?.courses[DEMO]?.keptBy, 'id' in corrected ? corrected.id : '')
      assert.deepEqual(await activeIn(), [`${NEW} ${DEMO}`])
    })

    test('a withdrawal waits while a sale to the buyer’s new address is in a call', async () => {
      const id = await soldAndMoved()
      hold.renew()
      await lms.faults([{ naming: NEW, method: 'POST', path: BULK, delayMs: 1, times: 1 }])
      const selling = sold(NEW)
      await hold.arrived()
      await operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
      const due = new Set<number | null | undefined>()
      await until('it was put off twice', async () => {
        const [order] = await withdrawalsShown(operations, id)
        assert.equal(order?.endedAt, null, 'the order waits')
        return due.add(order?.dueAt).size > 2 || undefined
      })
      hold.release()
      const again = await selling
      const { result } = await ended(product, id)
      assert.equal(result?.courses[DEMO]?.keptBy, again)
      assert.deepEqual(await activeIn(), [`${NEW} ${DEMO}`])
      const held = context.database.db.selectFrom('holds').select('name').where('name', 'like', '%@%')
      await until('the end of all holds', async () => (await held.execute()).length === 0 || undefined)
    })
  })
}

test('the buyer of a course is the account that it was given to, wherever that is now', async () => {
  const stored = { id: 7, username: 'ada' }
  const allowances = [{ course: DEMO, autoEnroll: true, used: false, usedBy: null, other: null }]
  const find = async (account: Account, byId: AccountById) => {
    const lms = { accountById: async () => ({ ok: true as const, value: byId }) }
    const found = await findBuyer({ lms, email: OLD, account, allowances, given: stored })
    assert.ok(found.ok)
    const { value } = found
    const username = 'username' in value.account ? value.account.username : value.account.status
    return [username, value.movedTo, value.allowances.length, value.isTaken]
  }
  const at = (address: string, status: 'registered' | 'retired' = 'registered'): AccountById => {
    return { status, address, id: 7, username: 'ada' }
  }
  const second: Account = { status: 'active', username: 'second', id: 8 }
  const [none, gone] = [{ status: 'unknown' } as const, { status: 'gone' } as const]
  assert.deepEqual(await find({ ...stored, status: 'active' }, gone), ['ada', null, 1, false])
  assert.deepEqual(await find(none, at(NEW)), ['ada', NEW, 1, false])
  assert.deepEqual(await find(second, at(NEW)), ['ada', NEW, 0, true])
  assert.deepEqual(await find({ status: 'active', username: 'third', id: 9 }, at(OLD)), ['ada', null, 0, true])
  assert.deepEqual(await find({ status: 'retired' }, at('retired__user_1@retired.invalid', 'retired')), [
    'ada',
    null,
    1,
    false,
  ])
  assert.deepEqual(await find(none, gone), ['unknown', null, 1, false])
  assert.deepEqual(await find(second, gone), ['unknown', null, 0, true])
})
