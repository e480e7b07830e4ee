import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { State } from '../harness.ts'
import { BULK } from '../service/serving.ts'
import { check } from './history/check.ts'
import { checkEvents } from './history/check-events.ts'
import { FAILING } from './history/lms.ts'
import { createRecord, type Kept, keyOf, type Refund, type Sale } from './history/record.ts'
import type { Row } from './history/shop.ts'

const EMAIL = 'known1@example.com'
const COURSE = 'course-v1:Lernito+H0+2026'
const NOTHING: State = { enrollments: [], allowances: [] }
const ENROLLED: State = { ...NOTHING, enrollments: [{ email: EMAIL, course: COURSE, mode: 'audit', active: true }] }
const SETTLED: Row = { id: '0', email: EMAIL, state: 'enrolled', isOpen: false, reason: null }

const sale = (change: Partial<Sale> = {}): Sale => ({
  name: 'sale0',
  email: EMAIL,
  courses: [COURSE],
  sendings: [{ sentAt: 100, replica: 'replica0', answeredAt: 200, status: 200 }],
  storedAt: 110,
  ...change,
})
const kept = (kind: Kept['kind'], at: number, beganAt = at - 10): Kept => ({
  kind,
  email: EMAIL,
  course: COURSE,
  by: kind === 'unenrolled' ? 'operator' : 'service',
  beganAt,
  at,
})

const refund = (status: number | null, of: Sale = sale()): Refund => ({
  id: 'refund-0',
  sale: of,
  sendings: [{ sentAt: 300, replica: 'replica0', answeredAt: 310, status }],
})

/** Returns the numbers of the broken rules. */
function broken(of: {
  sales?: Sale[]
  kept?: Kept[]
  refunds?: Refund[]
  namesakes?: string[]
  rows?: Row[]
  state?: State
  callsAt?: number[]
}): string[] {
  const record = createRecord()
  record.sales.push(...(of.sales ?? [sale()]))
  record.refunds.push(...(of.refunds ?? []))
  for (const email of of.namesakes ?? []) record.namesakes.add(email)
  record.kept.push(...(of.kept ?? []))
  const call = { replica: 'replica0', method: 'POST', path: BULK, body: '', fault: null }
  record.calls.push(...(of.callsAt ?? []).map((at) => ({ at, ...call })))
  const rows = new Map((of.rows ?? [SETTLED]).map((row, i) => [`sale${i}`, row]))
  const found = check({ record, rows, state: of.state ?? ENROLLED, before: NOTHING, mostCalls: 3 })
  return found.map(({ rule }) => rule.split(':')[0] ?? '')
}

describe('the history checker', () => {
  test('reports an accepted sale that is not in the LMS, unless its course fails or it was refunded since', () => {
    assert.deepEqual(broken({}), [])
    assert.deepEqual(broken({ state: NOTHING }), ['1'])
    assert.deepEqual(broken({ state: NOTHING, rows: [] }), ['1'])
    assert.deepEqual(broken({ state: NOTHING, kept: [kept('enrolled', 150), kept('unenrolled', 300)] }), [])
    assert.deepEqual(broken({ state: NOTHING, sales: [sale({ courses: [FAILING] })] }), [])
    const refused = { sentAt: 100, replica: 'replica0', answeredAt: 200, status: 503 }
    assert.deepEqual(broken({ state: NOTHING, rows: [], sales: [sale({ sendings: [refused] })] }), [])
    assert.deepEqual(broken({ state: NOTHING, sales: [sale({ sendings: [refused] })] }), ['1'])
  })

  test('reports a sale after a refund that is not in the LMS, unless it needs attention for that reason', () => {
    const before = [kept('enrolled', 50), kept('unenrolled', 60)]
    assert.deepEqual(broken({ state: NOTHING, kept: before }), ['1'])
    const stopped = { ...SETTLED, state: 'needs_attention', reason: 'person.unenrolled' }
    assert.deepEqual(broken({ state: NOTHING, kept: before, rows: [stopped] }), [])
    assert.deepEqual(broken({ state: NOTHING, rows: [stopped] }), ['1'])
  })

  test('reports a refunded person who is enrolled again, unless the call was in flight or a webhook came since', () => {
    const first = [kept('enrolled', 150), kept('unenrolled', 300)]
    assert.deepEqual(broken({ kept: [...first, kept('enrolled', 400)] }), ['2'])
    assert.deepEqual(broken({ kept: [...first, kept('allowed', 400)] }), ['2'])
    assert.deepEqual(broken({ kept: [...first, kept('enrolled', 400, 290)] }), [])
    const again = [...sale().sendings, { sentAt: 320, replica: 'replica0', answeredAt: 500, status: 200 }]
    assert.deepEqual(broken({ kept: [...first, kept('enrolled', 400)], sales: [sale({ sendings: again })] }), [])
    const late = [...sale().sendings, { sentAt: 600, replica: 'replica0', answeredAt: 700, status: 200 }]
    assert.deepEqual(broken({ kept: [...first, kept('enrolled', 400)], sales: [sale({ sendings: late })] }), ['2'])
  })

  test('knows that a webhook was received before the refund, even if its answer came later', () => {
    const sendings = [{ sentAt: 100, replica: 'replica0', answeredAt: 900, status: 500 }]
    const all = [kept('enrolled', 150), kept('unenrolled', 300), kept('enrolled', 400)]
    assert.deepEqual(broken({ kept: all, sales: [sale({ sendings })] }), ['2'])
    assert.deepEqual(broken({ kept: all, sales: [sale({ sendings, storedAt: null })] }), ['2'])
  })

  test('reports a person in a course without an accepted sale', () => {
    assert.deepEqual(broken({ sales: [], rows: [] }), ['3'])
    assert.deepEqual(broken({ sales: [sale({ courses: ['course-v1:Lernito+H1+2026'] })], rows: [] }), ['1', '3'])
  })

  test('reports a person who is in the course after the shop’s refund, unless the sale came again', () => {
    for (const status of [200, 202]) assert.deepEqual(broken({ refunds: [refund(status)] }), ['5'])
    assert.deepEqual(broken({ refunds: [refund(200)], state: NOTHING }), [])
    for (const status of [null, 503]) assert.deepEqual(broken({ refunds: [refund(status)] }), [])
    const again = [...sale().sendings, { sentAt: 320, replica: 'replica0', answeredAt: 330, status: 200 }]
    const sales = [sale({ sendings: again })]
    assert.deepEqual(broken({ sales, refunds: [refund(200)] }), [])
    assert.deepEqual(broken({ sales, refunds: [refund(200)], state: NOTHING }), ['1'])
  })

  test('reports a person who comes back after the service has confirmed the refund', () => {
    const all = [kept('enrolled', 150), kept('enrolled', 400)]
    assert.deepEqual(broken({ kept: all, refunds: [refund(200)], state: NOTHING }), ['2'])
    assert.deepEqual(broken({ kept: all, refunds: [refund(202)], state: NOTHING }), [])
    const late = [kept('enrolled', 150), kept('enrolled', 400, 140)]
    assert.deepEqual(broken({ kept: late, refunds: [refund(200)] }), ['5'])
  })

  test('reports the buyer of a corrected sale who is in the course after a refund of the original', () => {
    const original = sale({ email: 'wrong@example.com' })
    const correction = { sentAt: 200, replica: 'an operator', answeredAt: 210, status: 200 }
    const corrected = sale({ name: 'sale0>', corrects: original, sendings: [correction] })
    const of = { sales: [original, corrected], rows: [{ ...SETTLED, email: 'wrong@example.com', state: 'handled' }] }
    assert.deepEqual(broken(of), [])
    assert.deepEqual(broken({ ...of, state: NOTHING }), ['1'])
    assert.deepEqual(broken({ ...of, refunds: [refund(200, original)] }), ['5'])
    assert.deepEqual(broken({ ...of, refunds: [refund(200, original)], state: NOTHING }), [])
  })

  test('reports a refund that is refused, unless an operator has to tell who the buyer is', () => {
    assert.deepEqual(broken({ refunds: [refund(404)] }), ['6'])
    assert.deepEqual(broken({ refunds: [refund(404)], namesakes: [EMAIL] }), [])
  })

  test('reports a change for a person who has bought nothing there', () => {
    const other = { ...kept('enrolled', 150), email: 'stranger1@example.com' }
    assert.deepEqual(broken({ kept: [other] }), ['7'])
    assert.deepEqual(broken({ kept: [{ ...other, by: 'operator' }] }), [])
  })

  test('wants the sale of a buyer with a namesake either in the LMS or before an operator', () => {
    assert.deepEqual(broken({ state: NOTHING, namesakes: [EMAIL] }), ['1'])
    const rows = [{ ...SETTLED, state: 'needs_attention' }]
    assert.deepEqual(broken({ state: NOTHING, namesakes: [EMAIL], rows }), [])
  })

  test('reports a delivery if the shop was told another state last, or its events out of order', () => {
    const record = createRecord()
    const told = (...states: string[]) =>
      states.map((state, i) => {
        const data = {
          id: '0',
          webhookId: null,
          state,
          courses: [],
          ended: [],
          reason: null,
          replaces: null,
          replacedBy: null,
        }
        return { type: `delivery.${state}`, webhookId: `${state}${i}`, sequence: i + 1, data: { ...data, test: false } }
      })
    const rows = [{ ...SETTLED, state: 'withdrawn' }]
    assert.deepEqual(checkEvents({ record, got: told('enrolled', 'withdrawn'), rows }), [])
    for (const got of [told('withdrawn', 'enrolled'), []]) assert.equal(checkEvents({ record, got, rows }).length, 1)
    const [first, second] = told('enrolled', 'withdrawn')
    assert.ok(first !== undefined && second !== undefined)
    assert.deepEqual(checkEvents({ record, got: [first, second, first], rows }), [])
    assert.deepEqual(checkEvents({ record, got: [], rows: [{ ...SETTLED, state: 'queued' }] }), [])
    const [later, last] = told('withdrawn', 'enrolled', 'withdrawn').slice(1)
    assert.ok(later !== undefined && last !== undefined)
    for (const got of [
      [later, first, last],
      [first, { ...last, sequence: first.sequence }],
    ]) {
      assert.match(checkEvents({ record, got, rows })[0]?.rule ?? '', /^8: .* in the order/)
    }
  })

  test('reports an access that was told as ended, unless an operator took the buyer out or the LMS lost the enrollment', () => {
    const record = createRecord()
    const data = { id: '0', webhookId: null, state: 'enrolled', courses: [], reason: null, replaces: null }
    const ended = [{ id: COURSE, since: '2026-01-31T12:00:00.000Z' }]
    const event = { ...data, ended, replacedBy: null, test: false }
    const got = [{ type: 'delivery.access_ended', webhookId: 'a', sequence: 1, data: event }]
    const rows = [SETTLED]
    assert.match(checkEvents({ record, got, rows })[0]?.rule ?? '', /was told as ended/)
    record.lost.add(keyOf(SETTLED.email, COURSE))
    assert.deepEqual(checkEvents({ record, got, rows }), [])
  })

  test('reports more throttled calls in a minute than the budget allows', () => {
    assert.deepEqual(broken({ callsAt: [0, 1, 2, 60_001, 60_002] }), [])
    assert.deepEqual(broken({ callsAt: [0, 30_000, 59_000, 59_999] }), ['4'])
  })
})
