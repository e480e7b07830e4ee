import assert from 'node:assert/strict'
import { test } from 'node:test'
import { repliesTo } from '../../src/console/pages/deliveries/replies.ts'
import { deliverySentence, type Told } from '../../src/sale/delivery-sentence.ts'
import type { CourseResult } from '../../src/sale/line.ts'
import { DELIVERY_STATES, type DeliveryState, type Outcome, REASON_CODES, REASONS } from '../../src/sale/types.ts'
import { type Facts, linesOf } from '../lines.ts'

const LMS = 'https://lms.example.com'
const request = {
  email: 'nora@example.com',
  name: 'Nora',
  family: 'Berg',
  username: 'nora',
  courseIds: ['course-v1:A+B+C', 'course-v1:D+E+F'],
}
type Reported = Pick<Told, 'state'> & Partial<Told> & { outcome: Outcome; standings?: Facts['standings'] }
const answer = ({ sold = request, outcome, standings = {}, ...of }: Reported & { sold?: typeof request | null }) => {
  const { courses, reason } = outcome
  const lines = linesOf(sold?.courseIds ?? [], { courses, standings })
  const sentence = deliverySentence({
    lines,
    reason,
    doneAt: null,
    handled: null,
    handledAs: null,
    replacedBy: null,
    ...of,
  })
  return repliesTo({
    delivery: { id: 'ONE', request: sold, reason, ...of },
    sentence,
    lmsUrl: LMS,
    courseName: () => null,
  })
}
const all = (result: CourseResult): Outcome => ({
  courses: Object.fromEntries(request.courseIds.map((course) => [course, result])),
  reason: null,
})
const NOTHING: Outcome = { courses: {}, reason: null }
const ofState = (state: DeliveryState) =>
  answer({
    state,
    outcome: state === 'pre_enrolled' ? all('allowed') : state === 'enrolled' ? all('enrolled') : NOTHING,
  })
const ofReason = (code: (typeof REASON_CODES)[number], subject = 'the subject') =>
  answer({ state: REASONS[code].state, outcome: { courses: {}, reason: { code, subject } } })

test('each reason has a reply to the buyer, by name, without an empty place', () => {
  for (const code of REASON_CODES) {
    const [buyer] = ofReason(code)
    assert.equal(buyer?.to, 'replyToBuyer', code)
    assert.match(buyer.text, /^Hello Nora,\n\n/)
    assert.doesNotMatch(buyer.text, /[{}]|undefined/)
  }
})

test('each state without a reason has a reply to the buyer, except those that always have a reason', () => {
  const silent = DELIVERY_STATES.filter((state) => ofState(state).length === 0)
  assert.deepEqual(silent, ['needs_attention', 'rejected'])
})

test('a reply about a sale that is done in part names the courses that the buyer is in', () => {
  const [mine, other] = request.courseIds
  const courses = { [mine ?? '']: 'enrolled' } as const
  const waits = answer({ state: 'queued', outcome: { courses, reason: null } })[0]?.text ?? ''
  assert.match(waits, /received your purchase of course-v1:D\+E\+F\. /)
  const refused = { courses, reason: { code: 'lms.refused', subject: 'full', course: other ?? '' } } as const
  const fails = answer({ state: 'needs_attention', outcome: refused })[0]?.text ?? ''
  for (const text of [waits, fails]) assert.match(text, /You are already enrolled in course-v1:A\+B\+C: sign in at/)
  assert.doesNotMatch(answer({ state: 'enrolled', outcome: all('enrolled') })[0]?.text ?? '', /already/)
})

test('a reply about a course that the LMS refused names that course, because the buyer may have bought others', () => {
  const [, course = ''] = request.courseIds
  const outcome = { courses: {}, reason: { code: 'lms.refused', subject: 'full', course } } as const
  const text = answer({ state: 'needs_attention', outcome })[0]?.text ?? ''
  assert.match(text, /couldn’t enroll you in course-v1:D\+E\+F yet/)
})

test('a reply about a course that lacks the mode does not say that the buyer can start with another one', () => {
  const [mine = '', other = ''] = request.courseIds
  const reason = { code: 'course.mode_missing', subject: mine } as const
  const text = answer({ state: 'needs_attention', outcome: { courses: { [mine]: 'enrolled' }, reason } })[0]?.text ?? ''
  assert.match(text, /You can start with course-v1:A\+B\+C at /)
  assert.ok(!text.includes(other))
})

test('a reply joins the names of several courses as a sentence does', () => {
  assert.match(ofState('enrolled')[0]?.text ?? '', /You are enrolled in course-v1:A\+B\+C and course-v1:D\+E\+F\. /)
})

test('a reply names the address, the courses and the LMS that the buyer needs', () => {
  const text = ofState('pre_enrolled')[0]?.text ?? ''
  for (const part of [request.email, LMS, ...request.courseIds]) assert.ok(text.includes(part), part)
})

test('the shop is told the field and the fault in words, and the delivery', () => {
  const shop = ofReason('payload.invalid', '{"email":["Enter a valid email address."],"courseIds":{"1":["Too long."]}}')
  assert.match(
    shop.at(-1)?.text ?? '',
    /delivery ONE, .*: email: Enter a valid email address; courseIds, entry 2: Too long\. Correct/,
  )
})

test('a shop that has to correct a sale is told to send it under a new webhook-id, because the old one gets the old answer', () => {
  for (const code of ['payload.invalid', 'course_key.malformed'] as const) {
    const text = ofReason(code).at(-1)?.text ?? ''
    assert.match(
      text,
      /send the sale again as a new webhook \(with Standard Webhooks, under a new webhook-id\)\./,
      code,
    )
  }
})

test('a delivery that an operator handled is answered by that, and no longer by its reason', () => {
  const reason = { code: 'course.missing', subject: 'X' } as const
  const told = answer({ state: 'handled', outcome: { courses: {}, reason } })
  assert.deepEqual(
    told.map(({ to }) => to),
    ['replyToBuyer'],
  )
  assert.match(told[0]?.text ?? '', /taken care of/)
})

test('a buyer who lost the courses with a retired account is asked for another address', () => {
  const [course = ''] = request.courseIds
  const standings = {
    [course]: { standing: 'retired', mode: null, checkedAt: 0, since: 0, endedAt: 0 },
  } as const
  const sold = { ...request, courseIds: [course] }
  const told = answer({
    sold,
    state: 'enrolled',
    outcome: { courses: { [course]: 'enrolled' }, reason: null },
    standings,
  })
  assert.match(told[0]?.text ?? '', /its account was deleted\. Please send us another email address/)
})

test('a sale without a readable request has no reply to the buyer', () => {
  const outcome = { courses: {}, reason: { code: 'payload.invalid', subject: '{}' } } as const
  assert.deepEqual(
    answer({ state: 'rejected', sold: null, outcome }).map(({ to }) => to),
    ['replyToShop'],
  )
})
