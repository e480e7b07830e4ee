import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deliverySentence, sentenceText, type Told } from '../../src/sale/delivery-sentence.ts'
import type { CourseResult, LineWithdrawal, Standing } from '../../src/sale/line.ts'
import type { Outcome } from '../../src/sale/types.ts'
import { type Facts, linesOf } from '../lines.ts'

const DEMO = 'course-v1:edX+DemoX+Demo_Course'
const OTHER = 'course-v1:edX+Other+2026'
const AT = Date.UTC(2026, 10, 27, 9, 31)
const write = (at: number): string => new Date(at).toISOString().slice(11, 16)

const found = (standings: Readonly<Record<string, Standing>>): Facts['standings'] =>
  Object.fromEntries(
    Object.entries(standings).map(([course, standing]) => [course, { standing, mode: null, checkedAt: AT, since: AT }]),
  )
const done = (courses: Readonly<Record<string, CourseResult>>) => ({ courses, reason: null })
interface Sold extends Partial<Omit<Told, 'lines' | 'reason'>> {
  readonly courseIds?: readonly string[]
  readonly outcome?: Outcome
  readonly standings?: Facts['standings']
  readonly withdrawals?: readonly Order[]
}
/** An order with its result in each course; null: none yet. */
interface Order extends Omit<LineWithdrawal, 'result'> {
  readonly courses: Readonly<Record<string, LineWithdrawal['result']>>
}
const told = ({
  courseIds = [DEMO, OTHER],
  outcome = done({}),
  standings = {},
  withdrawals = [],
  ...of
}: Sold): Told => ({
  state: 'enrolled',
  lines: linesOf(courseIds, { courses: outcome.courses, standings }).map((line) => {
    const order = withdrawals.find(({ courses }) => courses[line.course] !== undefined)
    return order === undefined
      ? line
      : { ...line, withdrawal: { ...order, result: order.courses[line.course] ?? null } }
  }),
  reason: outcome.reason,
  doneAt: null,
  handled: null,
  handledAs: null,
  replacedBy: null,
  ...of,
})
const OUT = { kind: 'unenrolled', mode: null, why: '' } as const
const order = (of: Partial<Order> = {}): Order => ({
  id: 'W1',
  called: true,
  paid: false,
  hadBefore: false,
  courses: { [DEMO]: OUT },
  by: 'admin',
  isRefund: false,
  requestedAt: AT,
  dueAt: null,
  endedAt: AT,
  attempts: 0,
  message: '',
  ...of,
})
const open = order({ dueAt: AT, endedAt: null, courses: { [DEMO]: null } })
const say = (of: Sold): string => sentenceText(deliverySentence(told(of)), write)
const situation = (of: Sold): string => deliverySentence(told(of)).situation

test('a sale of two courses, one of them withdrawn, is in one of two, and the sentence says who took the other', () => {
  const half = { outcome: done({ [OTHER]: 'enrolled' }), standings: found({ [DEMO]: 'unenrolled' }) } as const
  assert.equal(say({ ...half, withdrawals: [order()] }), `In 1 of 2 courses. ${DEMO} was withdrawn by admin at 09:31.`)
  assert.equal(
    say({ ...half, withdrawals: [order({ isRefund: true })] }),
    `In 1 of 2 courses. ${DEMO} was withdrawn by a refund of the shop at 09:31.`,
  )
  assert.equal(situation({ ...half, withdrawals: [order()] }), 'partly_enrolled')
  assert.deepEqual(deliverySentence(told({ ...half, withdrawals: [order()] })).courses, [OTHER])
})

test('a sale whose courses are all there is in all of them', () => {
  const all = done({ [DEMO]: 'enrolled', [OTHER]: 'enrolled' })
  assert.equal(say({ outcome: all }), 'In both courses. You don’t need to do anything.')
  const one = { outcome: done({ [DEMO]: 'enrolled' }), courseIds: [DEMO.toLowerCase()] } as const
  assert.equal(say(one), 'In the course. You don’t need to do anything.')
  assert.equal(situation({ outcome: all, withdrawals: [order()] }), 'enrolled', 'the shop has sent it again since')
})

test('a course whose access ended is named with when that was found, also once another sale has enrolled the buyer', () => {
  const ended = (standing: Standing): Sold => {
    const { [DEMO]: first, ...others } = found({ [DEMO]: standing, [OTHER]: 'enrolled' })
    assert.ok(first !== undefined)
    const outcome = done({ [DEMO]: 'enrolled', [OTHER]: 'enrolled' })
    return { outcome, standings: { ...others, [DEMO]: { ...first, endedAt: AT } } }
  }
  const rest = 'The service enrolls the buyer again only if you replay the delivery or the shop repeats the sale.'
  assert.equal(
    say(ended('unenrolled')),
    `In 1 of 2 courses. Access ended in ${DEMO} (unenrolled in the LMS), found 09:31. ${rest}`,
  )
  assert.match(say(ended('enrolled')), /Access ended in \S+ \(another sale enrolled the buyer again\), found/)
  assert.equal(situation(ended('retired')), 'partly_enrolled')
})

test('a course that the LMS lost is named with what the last check found', () => {
  const all = done({ [DEMO]: 'enrolled', [OTHER]: 'enrolled' })
  assert.equal(
    say({ outcome: all, standings: found({ [DEMO]: 'unenrolled' }) }),
    `In 1 of 2 courses. ${DEMO}: unenrolled in the LMS since 09:31.`,
  )
  const lost = found({ [DEMO]: 'retired', [OTHER]: 'missing' })
  assert.equal(situation({ outcome: all, standings: lost }), 'lost')
})

test('a buyer who registered and did not activate is told apart from one who did not register', () => {
  const state = 'pre_enrolled'
  const allowed = { state, outcome: done({ [DEMO]: 'allowed' }), courseIds: [DEMO] } as const
  assert.equal(
    say({ ...allowed, standings: found({ [DEMO]: 'not_activated' }) }),
    'Registered, not activated: the enrollment takes effect when the buyer activates the account.',
  )
  assert.equal(
    say({ ...allowed, standings: found({ [DEMO]: 'no_account' }) }),
    'Not registered yet: the enrollment takes effect when the buyer registers with this address and activates the account.',
  )
  assert.match(say(allowed), /^Waits for the buyer’s account: /)
  const mixed = { state, outcome: done({ [DEMO]: 'enrolled', [OTHER]: 'allowed' }) } as const
  assert.match(
    say({ ...mixed, standings: found({ [OTHER]: 'no_account' }) }),
    /^In 1 of 2 courses\. Not registered yet: /,
  )
  assert.deepEqual(deliverySentence(told(mixed)).courses, [OTHER])
})

test('a handled delivery says by whom, when and how; a replaced and a withdrawn one too', () => {
  const handled = { note: 'refunded, order 1182', by: 'admin', at: AT }
  assert.equal(say({ state: 'handled', handled }), '“refunded, order 1182”, noted by admin at 09:31.')
  const OTHER_ID = '01M8EVDJ7V0000A7E8E260CD05'
  const replaced = { note: `replaced by ${OTHER_ID}`, by: 'admin', at: AT }
  assert.equal(
    say({ state: 'handled', handled: replaced, replacedBy: OTHER_ID }),
    'Replaced by a correction by admin at 09:31.',
  )
  assert.equal(say({ state: 'handled' }), 'Handled by other means.')
  const whole = order({ courses: { [DEMO]: OUT, [OTHER]: { ...OUT, kind: 'disallowed' } } })
  const withdrawn = { state: 'withdrawn', outcome: done({}), withdrawals: [whole] } as const
  assert.equal(say(withdrawn), 'Taken out of every course by admin at 09:31. The service no longer attempts it.')
  assert.match(
    say({ ...withdrawn, replacedBy: OTHER_ID }),
    /^Replaced by a correction\. Taken out of every course by admin/,
  )
})

test('a handled sale is about the courses that were not withdrawn from it', () => {
  assert.deepEqual(deliverySentence(told({ state: 'handled', withdrawals: [order()] })).courses, [OTHER])
})

test('a withdrawal in progress, and one that left a course, are part of the sentence', () => {
  const all = done({ [DEMO]: 'enrolled', [OTHER]: 'enrolled' })
  assert.match(say({ outcome: all, withdrawals: [open] }), /in progress\./)
  const kept = order({ courses: { [DEMO]: { ...OUT, kind: 'kept', why: 'it is in a paid course mode' } } })
  assert.match(say({ outcome: all, withdrawals: [kept] }), /left .*DemoX.* as it is: it is in a paid course mode\./)
})

test('a course that a withdrawal has taken does not count any more, while the others are still to be taken', () => {
  const all = { outcome: done({ [DEMO]: 'enrolled', [OTHER]: 'enrolled' }) }
  const going = { ...open, message: 'The LMS failed (500).' }
  const half = { ...all, withdrawals: [order({ ...going, courses: { [DEMO]: OUT, [OTHER]: null } })] }
  const after = `A withdrawal by admin from ${DEMO}, ${OTHER} is not done yet: The LMS failed (500).`
  assert.equal(say(half), `In 1 of 2 courses. ${after}`)
  assert.equal(situation(half), 'partly_enrolled')
  const both = { ...all, withdrawals: [order({ ...going, courses: { [DEMO]: OUT, [OTHER]: OUT } })] }
  assert.equal(say(both), after)
  assert.equal(situation(both), 'partly_enrolled', 'nothing was lost')
})

test('a withdrawal that failed is part of the sentence, which then says what to do, and not that nothing is to be done', () => {
  const again = 'Withdraw the delivery again, or take the buyer out in the LMS and mark the delivery as handled.'
  const courseIds = [DEMO]
  const enrolled = { courseIds, outcome: done({ [DEMO]: 'enrolled' }) }
  const failed = order({
    courses: { [DEMO]: null },
    isRefund: true,
    message: 'retries exhausted: The LMS failed (500).',
  })
  assert.equal(
    say({ ...enrolled, withdrawals: [failed] }),
    `In the course. A withdrawal failed in ${DEMO}, ordered by a refund of the shop: retries exhausted: The LMS failed (500). ${again}`,
  )
  const kept = order({ courses: { [DEMO]: { ...OUT, kind: 'kept', why: 'it is in a paid course mode' } } })
  assert.match(say({ ...enrolled, withdrawals: [kept] }), new RegExp(`paid course mode\\. ${again}$`))
  const waits = { state: 'pre_enrolled', courseIds, outcome: done({ [DEMO]: 'allowed' }) } as const
  assert.equal(
    say({ ...waits, withdrawals: [kept] }),
    `Waits for the buyer’s account. A withdrawal left ${DEMO} as it is: it is in a paid course mode. ${again}`,
  )
})

test('a buyer who waits for an account and is being withdrawn is not said to be enrolled on registering', () => {
  const waits = { state: 'pre_enrolled', courseIds: [DEMO], outcome: done({ [DEMO]: 'allowed' }) } as const
  assert.equal(
    say({ ...waits, standings: found({ [DEMO]: 'no_account' }), withdrawals: [open] }),
    `Not registered yet. A withdrawal by admin from ${DEMO} is in progress.`,
  )
})

test('of a withdrawal that is attempted again, the sentence says why the last attempt failed', () => {
  const waits = { state: 'pre_enrolled', courseIds: [DEMO], outcome: done({ [DEMO]: 'allowed' }) } as const
  assert.equal(
    say({ ...waits, withdrawals: [order({ ...open, isRefund: true, message: 'The LMS failed (500).' })] }),
    `Waits for the buyer’s account. A withdrawal by a refund of the shop from ${DEMO} is not done yet: The LMS failed (500).`,
  )
})

test('a reply to the buyer is about no course that is being withdrawn', () => {
  const outcome = done({ [DEMO]: 'allowed', [OTHER]: 'allowed' })
  const of = (withdrawal: Order) =>
    deliverySentence(told({ state: 'pre_enrolled', outcome, withdrawals: [withdrawal] })).courses
  assert.deepEqual(of(open), [OTHER])
  assert.deepEqual(of(order({ ...open, courses: { [DEMO]: null, [OTHER]: null } })), [])
  const enrolled = done({ [DEMO]: 'enrolled', [OTHER]: 'enrolled' })
  assert.deepEqual(deliverySentence(told({ outcome: enrolled, withdrawals: [open] })).courses, [OTHER])
})

test('a course that a withdrawal left to another sale is not said to be gone, in whatever state the delivery is', () => {
  const left = order({ courses: { [DEMO]: { kind: 'nothing', mode: null, why: 'delivery B keeps it', keptBy: 'B' } } })
  const half = { outcome: done({ [OTHER]: 'enrolled' }), withdrawals: [left] } as const
  const said = `${DEMO} was withdrawn by admin at 09:31 and left to delivery B.`
  assert.equal(say(half), `In 1 of 2 courses. ${said}`)
  assert.match(say({ ...half, state: 'queued' }), new RegExp(said.replaceAll('+', '\\+')))
})

test('a delivery that failed in one course says so, and that the buyer is in the other', () => {
  const reason = { code: 'course.missing', subject: DEMO } as const
  const sentence = say({ state: 'needs_attention', outcome: { courses: { [OTHER]: 'enrolled' }, reason } })
  assert.equal(sentence, `The LMS has no course ${DEMO}. The buyer is in 1 of 2 courses.`)
})

test('what the LMS wrote about a refusal is no part of the sentence, which names the course', () => {
  const reason = { code: 'lms.refused', subject: `An error occurred in '${DEMO}' …`, course: DEMO } as const
  assert.equal(
    say({ state: 'needs_attention', outcome: { courses: { [OTHER]: 'enrolled' }, reason } }),
    `The LMS refused the enrollment in ${DEMO}. The buyer is in 1 of 2 courses.`,
  )
})

test('a course that the reason is about is not named again as lost', () => {
  const missing = { code: 'enrollment.missing', subject: DEMO } as const
  const failed = { state: 'needs_attention', courseIds: [DEMO] } as const
  assert.equal(
    say({
      ...failed,
      outcome: { courses: { [DEMO]: 'allowed' }, reason: missing },
      standings: found({ [DEMO]: 'missing' }),
    }),
    `The buyer has an active account, but no enrollment in ${DEMO}.`,
  )
  const retired = { code: 'person.retired', subject: '' } as const
  assert.equal(
    say({
      ...failed,
      outcome: { courses: { [DEMO]: 'allowed' }, reason: retired },
      standings: found({ [DEMO]: 'retired' }),
    }),
    'The address belongs to a retired account.',
  )
})

test('a buyer whose account was retired is not said to get the course by a replay', () => {
  const [first] = Object.values(found({ [DEMO]: 'retired' }) ?? {})
  assert.ok(first !== undefined)
  const sold = {
    courseIds: [DEMO],
    outcome: done({ [DEMO]: 'enrolled' }),
    standings: { [DEMO]: { ...first, endedAt: AT } },
  }
  assert.equal(
    say(sold),
    `Access ended in ${DEMO} (the account is retired), found 09:31. A replay can’t enroll this address. Ask the buyer for another one, and correct the delivery.`,
  )
  assert.equal(deliverySentence(told(sold)).unusable, 'person.retired')
})

test('a queued sale that was enrolled before is not said to be not enrolled yet', () => {
  const before = /^Enrolled or pre-enrolled before, and not confirmed again yet\. The service is attempting/
  assert.match(say({ state: 'queued', doneAt: AT }), before)
  assert.match(say({ state: 'queued' }), /^Not enrolled yet\. The service is attempting/)
})

test('a queued sale is about the courses that no withdrawal names, whether it has ended or not', () => {
  const queued = (withdrawals: readonly Order[]) => deliverySentence(told({ state: 'queued', withdrawals })).courses
  assert.deepEqual(queued([]), [DEMO, OTHER])
  assert.deepEqual(queued([open]), [OTHER])
  assert.deepEqual(queued([order()]), [OTHER])
  assert.deepEqual(queued([order({ courses: { [DEMO]: null }, message: 'retries exhausted' })]), [OTHER], 'it failed')
})
