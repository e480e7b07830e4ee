import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { State } from '../harness.ts'
import { BULK } from '../service/serving.ts'
import { check } from './history/check.ts'
import { checkEvents } from './history/check-events.ts'
import { FAILING } from './history/lms.ts'
import { createRecord, type Kept, keyOf, type Moved, type Refund, type Sale } from './history/record.ts'
import type { Row } from './history/shop.ts'

const EMAIL = 'known1@example.com'
const COURSE = 'course-v1:Lernito+H0+2026'
const NOTHING: State = { enrollments: [], allowances: [] }
const ENROLLED: State = { ...NOTHING, enrollments: [{ email: EMAIL, course: COURSE, mode: 'audit', active: true }] }
const SETTLED: Row = { id: '0', email: EMAIL, state: 'enrolled', isOpen: false, reason: null, hasAccount: true }

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

const refundSending = (status: number | null) => ({ sentAt: 300, replica: 'replica0', answeredAt: 310, status })

const refund = (status: number | null, of: Sale = sale()): Refund => ({
  id: 'refund-0',
  sale: of,
  sendings: [refundSending(status)],
})

/** Returns the numbers of the broken rules. */
function broken(of: {
  sales?: Sale[]
  kept?: Kept[]
  refunds?: Refund[]
  namesakes?: string[]
  moved?: Moved[]
  rows?: Row[]
  state?: State
  callsAt?: number[]
}): string[] {
  const record = createRecord()
  record.sales.push(...(of.sales ?? [sale()]))
  record.refunds.push(...(of.refunds ?? []))
  for (const email of of.namesakes ?? []) record.namesakes.add(email)
  record.kept.push(...(of.kept ?? []))
  record.moved.push(...(of.moved ?? []))
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
    const unenrolling = { ...kept('unenrolled', 400), by: 'service' as const }
    assert.deepEqual(broken({ kept: [...first, kept('enrolled', 400), unenrolling] }), [], 'by a call that unenrolls')
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
    const left = { id: 'refund-0', sale: sale(), sendings: [{ ...refundSending(200), kept: [COURSE] }] }
    assert.deepEqual(broken({ kept: all, refunds: [left], state: NOTHING }), [], 'the answer says who keeps it')
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

  test('reports a buyer with another address who is in the course after the refund, and not the next owner of the old one', () => {
    const to = 'known1@moved.example'
    const moved = [{ from: EMAIL, to, at: 250, isTaken: true }]
    const [row] = ENROLLED.enrollments
    assert.ok(row !== undefined)
    const at = (email: string): State => ({ ...NOTHING, enrollments: [{ ...row, email }] })
    assert.deepEqual(broken({ moved, state: at(to) }), [])
    assert.deepEqual(broken({ moved, state: at(to), refunds: [refund(200)] }), ['5'])
    assert.deepEqual(broken({ moved, state: NOTHING, refunds: [refund(200)] }), [])
    const next = sale({ name: 'sale1', sendings: [{ sentAt: 260, replica: 'replica0', answeredAt: 270, status: 200 }] })
    const both = { moved, sales: [sale(), next], rows: [SETTLED, SETTLED], refunds: [refund(200)] }
    assert.deepEqual(broken({ ...both, state: at(EMAIL) }), [])
    assert.deepEqual(broken({ ...both, state: NOTHING }), ['1'], 'the next owner has bought the course')
    const taken = { ...kept('unenrolled', 320), by: 'service' as const }
    assert.deepEqual(broken({ moved, state: NOTHING, refunds: [refund(200)], kept: [taken] }), ['7'])
    assert.deepEqual(broken({ moved, state: NOTHING, refunds: [refund(200)], kept: [{ ...taken, email: to }] }), [])
    const nobodys = [{ from: EMAIL, to, at: 250, isTaken: false }]
    const gone = { ...taken, kind: 'disallowed' as const }
    assert.deepEqual(broken({ moved: nobodys, state: NOTHING, refunds: [refund(200)], kept: [gone] }), [])
  })

  test('lets another sale keep a course that is refunded, and reports a buyer whom such a refund takes out', () => {
    const sales = [sale(), sale({ name: 'sale1' })]
    const of = { sales, rows: [SETTLED, { ...SETTLED, id: '1' }], refunds: [refund(200, sales[0])] }
    assert.deepEqual(broken(of), [])
    assert.deepEqual(broken({ ...of, state: NOTHING }), ['1'])
    const stopped = { ...SETTLED, id: '1', state: 'needs_attention', reason: 'person.unenrolled' }
    assert.deepEqual(broken({ ...of, state: NOTHING, rows: [SETTLED, stopped] }), [], 'an operator knows of it')
    const both = { ...of, refunds: [refund(200, sales[0]), refund(200, sales[1])] }
    assert.deepEqual(broken(both), ['5', '5'])
    assert.deepEqual(broken({ ...both, state: NOTHING }), [])
  })

  /** The rules of the events of one sale that are broken. */
  function wrong(
    told: readonly Told[],
    of: { state?: string; kept?: Kept[]; lost?: boolean; access?: 'ended' | 'restored' } = {},
  ) {
    const record = createRecord()
    const one = sale()
    record.sales.push(one)
    record.kept.push(...(of.kept ?? []))
    if (of.lost) record.lost.add(keyOf(EMAIL, COURSE))
    if (of.access !== undefined) record.access.set(one, new Map([[COURSE, of.access]]))
    const rows = new Map([['sale0', { ...SETTLED, state: of.state ?? 'enrolled' }]])
    return checkEvents({ record, got: told, rows }).map(({ rule }) => rule.replace(/^8: sale0, delivery 0, /, ''))
  }
  type Told = Parameters<typeof checkEvents>[0]['got'][number]
  const SINCE = '2026-01-31T12:00:00.000Z'
  /** An event: its type, its number, and whether the delivery has the course, or had it. */
  function event(type: string, sequence: number, has: 'course' | 'ended' | 'nothing' = 'nothing', since = SINCE): Told {
    const state = type.startsWith('access') ? 'enrolled' : type
    const courses = has === 'course' ? [{ id: COURSE, result: 'enrolled' as const }] : []
    const ended = has === 'ended' ? [{ id: COURSE, since }] : []
    const [webhookId, reason, replaces, replacedBy] = [null, null, null, null]
    const kept = { ended, withdrawing: [], kept: [], refundFailed: [], reason, replaces, replacedBy, test: false }
    const data = { id: '0', webhookId, state, courses, ...kept }
    return { type: `delivery.${type}`, webhookId: `${type}${sequence}`, sequence, data }
  }

  test('reports a delivery if the shop was told another state last, or its events out of order', () => {
    const [enrolled, withdrawn] = [event('enrolled', 1), event('withdrawn', 2)]
    assert.deepEqual(wrong([enrolled, withdrawn], { state: 'withdrawn' }), [])
    assert.deepEqual(wrong([enrolled, withdrawn, enrolled], { state: 'withdrawn' }), [], 'it came again')
    assert.deepEqual(wrong([], { state: 'queued' }), [])
    for (const told of [[event('withdrawn', 1), event('enrolled', 2)], []]) {
      assert.match(wrong(told, { state: 'withdrawn' }).join(), /^is withdrawn, and the shop was told/)
    }
    for (const second of [event('withdrawn', 1), event('withdrawn', 0)]) {
      assert.match(wrong([enrolled, second], { state: 'withdrawn' }).join(), /^has events in the order/)
    }
  })

  test('reports an access that was told as ended, unless somebody took the buyer out or the LMS lost the enrollment', () => {
    const told = [event('enrolled', 1, 'course'), event('access_ended', 2, 'ended')]
    const out = kept('unenrolled', 300)
    assert.match(wrong(told).join(), /^was told as ended in .* 1 times/)
    assert.match(wrong(told, { kept: [{ ...out, by: 'service' }] }).join(), /^was told as ended in .* 1 times/)
    assert.deepEqual(wrong(told, { lost: true }), [])
    assert.deepEqual(wrong(told, { kept: [out] }), [])
    const restored = event('access_restored', 3, 'course')
    const again = [...told, restored, event('access_ended', 4, 'ended', '2026-01-31T13:00:00.000Z')]
    assert.match(wrong(again, { kept: [out] }).join(), /2 times/)
    assert.deepEqual(wrong(again, { kept: [out, kept('unenrolled', 400)] }), [])
  })

  test('reports an end or a return that was told although nothing had changed, or of a course that was withdrawn', () => {
    const outs = [kept('unenrolled', 300), kept('unenrolled', 400)]
    const told = [event('enrolled', 1, 'course'), event('access_ended', 2, 'ended')]
    assert.match(wrong([...told, event('access_ended', 3, 'ended')], { kept: outs }).join(), /nothing had ended/)
    assert.match(wrong([...told, event('access_restored', 3, 'ended')], { kept: outs }).join(), /nothing was back/)
    const afterwards = [event('enrolled', 1, 'course'), event('withdrawn', 2), event('access_ended', 3, 'ended')]
    assert.match(wrong(afterwards, { kept: outs }).join(), /no longer had/)
    const again = [...told, event('access_restored', 3, 'course'), event('access_ended', 4, 'ended')]
    assert.match(wrong(again, { kept: outs }).join(), /one round in two events/)
  })

  test('one look may find one course gone and another one back: its two events say the same', () => {
    const outs = [kept('unenrolled', 300)]
    const of = (type: string, sequence: number, ended: readonly string[]): Told => {
      const one = event(type, sequence, sequence === 1 ? 'course' : 'nothing')
      return { ...one, data: { ...one.data, ended: ended.map((id) => ({ id, since: SINCE })) } }
    }
    const told = [of('enrolled', 1, ['OTHER']), of('access_ended', 2, [COURSE]), of('access_restored', 3, [COURSE])]
    assert.deepEqual(wrong(told, { kept: outs }), [])
    assert.match(wrong([...told, of('access_restored', 4, [COURSE])], { kept: outs }).join(), /nothing was back/)
  })

  test('reports an access that ended or came back, if the shop was never told', () => {
    const [enrolled, ended] = [event('enrolled', 1, 'course'), event('access_ended', 2, 'ended')]
    const out = [kept('unenrolled', 300)]
    assert.match(wrong([enrolled], { kept: out, access: 'ended' }).join(), /never told .* is ended/)
    assert.match(wrong([enrolled, ended], { kept: out, access: 'restored' }).join(), /never told .* is restored/)
    assert.deepEqual(wrong([enrolled, ended], { kept: out, access: 'ended' }), [])
    assert.deepEqual(wrong([enrolled], { kept: out, access: 'restored' }), [])
  })

  test('reports more throttled calls in a minute than the budget allows', () => {
    assert.deepEqual(broken({ callsAt: [0, 1, 2, 60_001, 60_002] }), [])
    assert.deepEqual(broken({ callsAt: [0, 30_000, 59_000, 59_999] }), ['4'])
  })
})
