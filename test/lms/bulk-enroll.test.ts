import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type BulkCall, judgeBulkEnroll } from '../../src/lms/apis/bulk-enroll.ts'
import { ENROLL } from './calls.ts'
import { answerOf, type Exchange, exchangeOf, recorded } from './recorded.ts'

const PATH = '/api/bulk_enroll/v1/bulk_enroll'
const DEMO = 'course-v1:edX+DemoX+Demo_Course'

/** The courses and people that a recorded call names, split as the LMS splits them. */
function meant({ request }: Exchange): BulkCall {
  const list = (field: unknown) =>
    Array.isArray(field)
      ? field.map(String)
      : String(field ?? '')
          .split(/[\s,]+/)
          .filter(Boolean)
  return { ...ENROLL, courses: list(request.json?.courses), emails: list(request.json?.identifiers) }
}

function judged(exchange: Exchange) {
  const found = judgeBulkEnroll(answerOf(exchange), meant(exchange))
  if (!found.ok) return found.failure.kind
  assert.equal(found.value.proof, true)
  return Object.fromEntries([...found.value.results].map(([course, people]) => [course, Object.fromEntries(people)]))
}

function calls(file: string): Exchange[] {
  return recorded(file).filter(({ request }) => request.method === 'POST' && request.path.startsWith(PATH))
}

const everyKind = {
  'alice@example.com': 'enrolled',
  'bob@example.com': 'inactive',
  'fresh@example.com': 'allowed',
  nonsense: 'invalid',
  'retired@example.com': 'retired',
  'ERIN@example.com': 'enrolled',
  frank: 'enrolled',
}
const alice = { 'alice@example.com': 'enrolled' }
const fresh = { 'fresh@example.com': 'allowed' }
const again = { 'fresh@example.com': 'allowed_before' }
const grace = { 'grace@example.com': 'enrolled' }

test('bulk-enroll.json: every recorded answer is judged', () => {
  assert.deepEqual(Object.fromEntries(calls('bulk-enroll').map((one) => [one.name, judged(one)])), {
    'one of each kind of person': { [DEMO]: everyKind },
    'the same again': { [DEMO]: { ...everyKind, ...again } },
    'two courses': {
      [DEMO]: { ...alice, ...grace, ...again },
      'course-v1:Lernito+PY101+2026': { ...alice, ...grace, ...fresh },
    },
    // This service makes no such call, and the allowance that it left enrolls nobody.
    'auto_enroll false makes an allowance false': 'server_error',
    'auto_enroll true repairs it': { [DEMO]: again },
    'one address twice': { [DEMO]: { 'twice@example.com': 'allowed_before' } },
    'separated by newlines and spaces': {
      [DEMO]: { 'n1@example.com': 'allowed', 'n2@example.com': 'allowed', 'n3@example.com': 'allowed' },
    },
    'no such course': { 'course-v1:No+Such+Course': { ...alice, ...fresh } },
    'a good and a missing course': { 'course-v1:Lernito+PY101+2026': alice, 'course-v1:No+Such+Course': alice },
    'malformed key': 'refused',
    'good and malformed keys': 'refused',
    'enrolment closed': { 'course-v1:Lernito+Closed+2026': { ...alice, ...fresh } },
    'course full': { 'course-v1:Lernito+Full+2026': { ...alice, ...grace, ...fresh } },
    'invitation only': { 'course-v1:Lernito+Invite+2026': { ...alice, ...fresh } },
    'only a professional mode': { 'course-v1:Lernito+Pro+2026': alice },
    'honor and verified modes': { 'course-v1:Lernito+Honor+2026': alice },
    'old-style key': { 'edX/Old/2014': alice },
    'no identifiers': 'server_error',
    'identifiers as a list': 'server_error',
    // The call names two courses, and the answer one.
    'courses as a list': 'server_error',
    'no courses': 'refused',
    'no action': 'server_error',
    'bad action': 'server_error',
    'with a reason': { [DEMO]: grace },
    unenrol: 'server_error',
    'enrol after unenrol': { [DEMO]: grace },
    'trailing slash': 'misconfigured',
    'non-staff application': 'misconfigured',
    'no authorization': 'unauthorized',
    'broken JSON': 'server_error',
    'non-ASCII and quoted addresses': {
      [DEMO]: {
        'josé@example.com': 'enrolled',
        '"a': 'invalid',
        'b"@example.com': 'invalid',
        'user@exämple.com': 'allowed',
        "o'neil@example.com": 'allowed',
        'a+b@example.com': 'allowed',
      },
    },
  })
})

test('the other recordings: every recorded bulk answer is judged', () => {
  const others = ['retired', 'throttle', 'bulk-enroll-off', 'registration', 'modes-and-inactive'].flatMap(calls)
  assert.deepEqual(Object.fromEntries(others.map((one) => [one.name, judged(one)])), {
    'retired person in bulk: no error, and neither enrolled nor allowed after': {
      [DEMO]: { 'retired@example.com': 'retired' },
    },
    'the 120th call within a minute': { [DEMO]: alice },
    'the 121st call within a minute': 'throttled',
    'bulk enrolment when the flag is off': 'misconfigured',
    'allow by bulk': {
      [DEMO]: { 'newcomer@example.com': 'allowed' },
      'course-v1:Lernito+PY101+2026': { 'newcomer@example.com': 'allowed' },
    },
    'the same by bulk': { 'course-v1:Lernito+Honor+2026': { 'frank@example.com': 'enrolled' } },
    'inactive person by bulk': { [DEMO]: { 'bob@example.com': 'inactive' } },
  })
})

test('sequence.json: every recorded bulk answer is judged', () => {
  const counts: Record<string, number> = {}
  for (const one of calls('sequence')) {
    const result = judged(one)
    const people = typeof result === 'string' ? [result] : Object.values(result).flatMap((row) => Object.values(row))
    for (const word of people) counts[word] = (counts[word] ?? 0) + 1
  }
  assert.deepEqual(counts, {
    enrolled: 106,
    enrolled_and_allowed: 17,
    allowed: 26,
    allowed_before: 53,
    invalid: 14,
    inactive: 13,
    retired: 11,
    // 21 calls to unenroll or without auto_enroll, which this service never makes.
    server_error: 21,
    misconfigured: 4,
    unauthorized: 1,
    refused: 1,
  })
})

test('the result shows an allowance beside an enrollment if it can still enroll', () => {
  const invite = 'course-v1:Lernito+Invite+2026'
  assert.deepEqual(judged(exchangeOf('sequence', '132')), {
    [invite]: {
      'Dave@Example.com': 'enrolled',
      'ERIN@example.com': 'enrolled',
      'N1@example.com': 'allowed',
      'bob@example.com': 'enrolled_and_allowed',
      'n3+x@example.com': 'allowed_before',
    },
  })
  // ERIN's in the Pro course has auto_enroll false.
  const both = { 'Dave@Example.com': 'enrolled', 'ERIN@example.com': 'enrolled', 'frank@example.com': 'enrolled' }
  const allowed = { 'n1@example.com': 'allowed_before', 'n3+x@example.com': 'allowed_before' }
  assert.deepEqual(judged(exchangeOf('sequence', '343')), {
    'course-v1:Lernito+Pro+2026': { ...both, ...allowed, 'frank@example.com': 'enrolled_and_allowed' },
    [DEMO]: { ...both, ...allowed },
  })
})
