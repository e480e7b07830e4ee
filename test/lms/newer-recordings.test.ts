import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSameAddress } from '../../src/lms/apis/accounts.ts'
import { type BulkCall, judgeBulkEnroll } from '../../src/lms/apis/bulk-enroll.ts'
import { defaultModeCall, modesOnSaleCall } from '../../src/lms/apis/course-modes.ts'
import { enrollCall, unenrollCall } from '../../src/lms/apis/enrollment.ts'
import { disallowCall } from '../../src/lms/apis/enrollment-allowed.ts'
import { ENROLL } from './calls.ts'
import { answerOf, asked, type Exchange, exchangeOf, recorded, verdict } from './recorded.ts'

const PAID = '../lms-newer/paid-modes'

/** The verdict on a call for alice, erin or frank. */
function enrolled(name: string) {
  const exchange = exchangeOf(PAID, name)
  const { user, course_details: course } = Object(exchange.request.json)
  return verdict(enrollCall({ mode: null, username: user, course: course.course_id }).judge(answerOf(exchange)))
}

test('paid-modes.json: a lost paid mode comes back without a mode in the call, but not with audit', () => {
  assert.deepEqual(enrolled('after that, enrolled again with no mode: verified again'), {
    active: true,
    mode: 'verified',
  })
  assert.deepEqual(enrolled('after that, enrolled again with audit named'), { active: true, mode: 'audit' })
})

test('paid-modes.json: if the course has no free mode, the LMS refuses both', () => {
  for (const name of [
    'verified only, no mode named',
    'verified only, audit named',
    'professional only, no mode named',
    'no-id-professional only, no mode named',
  ]) {
    assert.equal(enrolled(name), 'refused', name)
  }
})

test('unenroll.json: a used allowance can be deleted', () => {
  const exchange = exchangeOf('../lms-newer/unenroll', 'allowance: DELETE of a used one: the enrollment stays')
  assert.equal(verdict(disallowCall({ email: 'a@x.com', course: 'course-v1:a+b+c' }).judge(answerOf(exchange))), true)
})

test('people-lists.json: the address shows that the database took one person for another', () => {
  const surprise = recorded('../lms-newer/people-lists').find(({ name }) => name.includes('SURPRISE'))
  assert.ok(surprise)
  const [asked = ''] = [Object(surprise.request.json).emails].flat()
  const [found] = [surprise.response.body].flat()
  assert.deepEqual([asked, Object(found).email], ['user@example.com', 'user@exämple.com'])
  assert.equal(isSameAddress(asked, Object(found).email), false)
})

const UNENROLL = '../lms-newer/unenroll'

test('unenroll.json: every recorded answer to unenrolling singly is judged', () => {
  const calls = recorded(UNENROLL).filter(({ request }) => request.json?.is_active === false && request.json.user)
  const verdicts = calls.map((exchange) => [exchange.name.replace('v1: ', ''), unenrolled(exchange)])
  const audit = { active: false, mode: 'audit' }
  assert.deepEqual(Object.fromEntries(verdicts), {
    'is_active false for a verified person': { active: false, mode: 'verified' },
    'is_active false with another mode named: mode and state': 'refused',
    'is_active false for an enrolled person': audit,
    again: audit,
    'is_active false for a person never enrolled: an inactive row is made': audit,
    'is_active false in a closed course': audit,
    'is_active false for somebody not activated': audit,
    'is_active false, non-staff application, another person': 'misconfigured',
    'unenrolling from a course that does not exist': 'refused',
  })
  const again = exchangeOf(UNENROLL, 'v1: enrolled again without is_active after unenrolling: active again')
  assert.equal(unenrolled(again), 'server_error')
})

function unenrolled(exchange: Exchange) {
  const { user, course_details: course } = Object(exchange.request.json)
  return verdict(unenrollCall({ username: user, course: course.course_id }).judge(answerOf(exchange)))
}

test('unenroll.json: a request to unenroll singly is as recorded', () => {
  const { request } = exchangeOf(UNENROLL, 'v1: is_active false for an enrolled person')
  const of = { username: 'jose', course: 'course-v1:edX+DemoX+Demo_Course' }
  assert.deepEqual(asked(unenrollCall(of)), asked(request))
})

test('email-students.json: the answers to calls with mails are judged as those without', () => {
  const calls = recorded('../lms-newer/email-students').filter(
    ({ request }) => request.json?.courses && request.json.action === 'enroll',
  )
  const counts: Record<string, number> = {}
  for (const exchange of calls) {
    const { courses, identifiers } = Object(exchange.request.json)
    const call: BulkCall = { ...ENROLL, courses: courses.split(','), emails: identifiers.split(',') }
    const judged = judgeBulkEnroll(answerOf(exchange), call)
    const word = judged.ok ? `proof ${judged.value.proof}` : judged.failure.kind
    counts[word] = (counts[word] ?? 0) + 1
  }
  assert.deepEqual(counts, {
    'proof true': 6,
    server_error: 1, // one of the courses is missing
  })
})

test('enrollment-v1.json: the default mode is that of a course without others, and of no other course', () => {
  const modes = ['course enrolment details (modes)', 'course enrolment details, honor and verified'].map((name) =>
    verdict(defaultModeCall({ course: 'course-v1:a+b+c' }).judge(answerOf(exchangeOf('enrollment-v1', name)))),
  )
  assert.deepEqual(modes, [{ slug: 'audit', name: 'Audit', price: 0, currency: 'usd', until: null }, 'server_error'])
})

test('paid-modes.json, enrollment-v1.json: the recorded modes of each course are read', () => {
  const calls = [PAID, 'enrollment-v1']
    .flatMap(recorded)
    .filter(({ request }) => /^\/api\/enrollment\/v1\/course\/[^?]+$/.test(request.path))
  const modes = calls.map((exchange) => [
    exchange.name,
    verdict(modesOnSaleCall({ course: 'course-v1:a+b+c' }).judge(answerOf(exchange))),
  ])
  assert.deepEqual(Object.fromEntries(modes), {
    'modes of a course: audit and verified': ['audit', 'verified'],
    'modes of a course: honor and verified': ['honor', 'verified'],
    'modes of a course: verified only': ['verified'],
    'modes of a course: professional only': ['professional'],
    'modes of a course: no-id-professional only': ['no-id-professional'],
    'modes of a course: audit, and verified whose sale has ended': ['audit'],
    'modes of a course: honor with a price': ['honor'],
    'modes of a course: no mode rows at all': ['audit'],
    'course enrolment details (modes)': ['audit'],
    'course enrolment details, honor and verified': ['honor', 'verified'],
    'course enrolment details, no such course': null,
  })
})
