import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  judgeModify,
  MODIFY_AVAILABLE,
  MODIFY_PEOPLE,
  type ModifyCall,
  modifyCall,
  modifyCanName,
} from '../../src/lms/apis/instructor-enrollments.ts'
import { ENROLL } from './calls.ts'
import { answer, answerOf, asked, type Exchange, exchangeOf, recorded, verdict } from './recorded.ts'

const MODIFY = '../lms-newer/enrollments-modify'
const DEMO = 'course-v1:edX+DemoX+Demo_Course'
const PATH = /^\/api\/instructor\/v2\/courses\/(.+)\/enrollments\/modify$/

const courseOf = ({ request }: Exchange): string => decodeURIComponent(PATH.exec(request.path)?.[1] ?? '')
const peopleOf = ({ request }: Exchange): string[] => [request.json?.identifier ?? []].flat().map(String)

/** A call that this client could make: addresses in sorted order, with auto_enroll, with our token. */
function isOurs(exchange: Exchange): boolean {
  const { json, method, headers } = exchange.request
  const emails = peopleOf(exchange)
  const isSorted = emails.every((email, i) => i === 0 || (emails[i - 1] ?? '').toLowerCase() < email.toLowerCase())
  const isAddress = emails.every((email) => /^[!-~]+@[!-~]+$/.test(email) && !/[,"]/.test(email) && email.length <= 255)
  const ours = method === 'POST' && headers.authorization === 'JWT <token of the staff application>'
  return (
    ours && isSorted && isAddress && emails.length > 0 && json?.auto_enroll === true && PATH.test(exchange.request.path)
  )
}

/** The results in short, in the order of the call. */
function judged(exchange: Exchange): string {
  const call: ModifyCall = { ...ENROLL, course: courseOf(exchange), emails: peopleOf(exchange) }
  const found = judgeModify(answerOf(exchange), call)
  if (!found.ok) return found.failure.kind
  if (found.value === null) return 'missing'
  assert.deepEqual([...found.value.results.keys()], [call.course])
  const results = found.value.results.get(call.course) ?? new Map()
  assert.deepEqual(new Set(results.keys()), new Set(call.emails))
  return [...results.values(), ...(found.value.proof ? [] : ['no proof'])].join(' ')
}

const allJudged = (calls: readonly Exchange[]): Record<string, string> =>
  Object.fromEntries(calls.map((one) => [one.name.split(':')[0] ?? '', judged(one)]))

test('enrollments-modify.json: every recorded answer to a call that this client could make is judged', () => {
  assert.deepEqual(allJudged(recorded(MODIFY).filter(isOurs)), {
    'an active person alone': 'enrolled',
    'a registered person who has not activated': 'inactive',
    'an unknown address': 'allowed',
    'a retired address': 'retired',
    'stored in mixed case, given in lower case': 'enrolled',
    'unknown, in another letter case than the allowance that is there': 'allowed_before',
    SURPRISE: 'enrolled', // another person: the answer doesn't show it
    '254, 255 characters': 'allowed allowed',
    'a local part of 64 and of 65 characters': 'allowed allowed',
    'again with auto_enroll true': 'allowed_before',
    'unknown fields are ignored (courses, cohort, mode)': 'allowed',
    reason: 'enrolled allowed',
    'reason again, on somebody already enrolled and somebody already allowed': 'enrolled allowed_before',
    'reason null is refused': 'server_error',
    'reason of 70,000 characters': 'enrolled',
    'enrollment closed': 'enrolled allowed',
    'course full': 'enrolled allowed',
    'invitation only': 'enrolled allowed',
    'staff-only course': 'enrolled allowed',
    'starts later': 'enrolled allowed',
    'professional only': 'enrolled allowed',
    'no-id-professional only': 'enrolled allowed',
    'verified only': 'enrolled allowed',
    'audit and verified': 'enrolled allowed',
    'honor and verified': 'enrolled allowed',
    'audit, verified no longer on sale': 'enrolled allowed',
    'honor with a price': 'enrolled allowed',
    'no such course': 'missing',
    'an old-style key (no modulestore holds such courses any more)': 'missing',
    'key in another letter case': 'missing',
    'key with a branch': 'enrolled',
    'key percent-encoded': 'enrolled',
    'malformed key that the route takes': 'server_error',
    'malformed key': 'server_error',
    'malformed key that the route does not take': 'misconfigured',
    'a library key': 'misconfigured',
    'enrolled first, to be given modes by hand': 'enrolled enrolled enrolled enrolled',
    'an active verified keeps its mode; an inactive verified comes back in the default mode (honor)':
      'enrolled enrolled enrolled enrolled',
    'an active person who has an unused allowance': 'enrolled_and_allowed',
  })
})

test('the calls of sequence-modify.json that this client could make are judged', () => {
  const calls = recorded('../lms-newer/sequence-modify')
    .filter(({ request }) => PATH.test(request.path))
    .map((one) => inOrder(one).exchange)
    .filter((one) => isOurs(one) && one.request.json?.action !== 'unenroll')
  const counts: Record<string, number> = {}
  for (const exchange of calls) {
    for (const word of judged(exchange).split(' ')) counts[word] = (counts[word] ?? 0) + 1
  }
  assert.deepEqual(counts, {
    enrolled: 15,
    allowed: 6,
    allowed_before: 7,
    invalid: 1,
    retired: 2,
    missing: 1,
    server_error: 1, // a call without an action
  })
})

test('with an error in a 200, the answer proves nothing', () => {
  for (const name of [
    "an address that is one person's user name and another's e-mail: error for that one only",
    'DEADLOCK ON THE LAST PERSON: modify, the call that lost: 200, one error, and nothing of it is kept',
  ]) {
    const { course, emails, exchange } = inOrder(exchangeOf(MODIFY, name))
    const found = judgeModify(answerOf(exchange), { ...ENROLL, course, emails })
    assert.ok(found.ok && found.value !== null)
    assert.equal(found.value.proof, false)
    const errors = [...(found.value.results.get(course) ?? [])].filter(([, result]) => result === 'error')
    assert.equal(errors.length, 1)
  }
})

/** A recorded call as if its people had been named in sorted order. */
function inOrder(exchange: Exchange) {
  const { request, response } = exchange
  const emails = peopleOf(exchange).sort(byName)
  const { results } = Object(response.body)
  const sorted = Array.isArray(results) ? [...results].sort((a, b) => byName(a.identifier, b.identifier)) : undefined
  const body = sorted === undefined ? response.body : { ...Object(response.body), results: sorted }
  const json: Record<string, unknown> = { ...request.json, identifier: emails }
  return {
    course: courseOf(exchange),
    emails,
    exchange: { ...exchange, request: { ...request, json }, response: { ...response, body } },
  }
}

const byName = (a: string, b: string): number => (a.toLowerCase() < b.toLowerCase() ? -1 : 1)

test('answers are read by position, and an answer in another order or of another size is no success', () => {
  const recordedCall = exchangeOf(MODIFY, 'an order that is not alphabetic is kept')
  const { course, emails, exchange } = inOrder(recordedCall)
  const call = { ...ENROLL, course, emails }
  assert.equal(judged(exchange), 'allowed allowed allowed')
  assert.equal(verdict(judgeModify(answerOf(recordedCall), call)), 'server_error')
  const { results, ...rest } = Object(exchange.response.body)
  for (const wrong of [results.slice(1), [...results, results[0]], []]) {
    assert.equal(verdict(judgeModify(answer(200, { ...rest, results: wrong }), call)), 'server_error')
  }
  assert.equal(verdict(judgeModify(answer(200, { ...rest, action: 'unenroll', results }), call)), 'server_error')
})

test('the request is as recorded, with each address once and in sorted order', () => {
  const name = 'reason: lands in ManualEnrollmentAudit, with the caller as enrolled_by'
  const { request } = exchangeOf(MODIFY, name)
  const emails = ['why@example.com', 'heidi@example.com', 'why@example.com']
  const call = { ...ENROLL, course: courseOf(exchangeOf(MODIFY, name)), emails, reason: 'Order 4711 of shop.example' }
  assert.deepEqual(asked(modifyCall(call)), asked(request))
})

test('modify gets no course key and no person that it would refuse or take for another one', () => {
  const call = { ...ENROLL, course: DEMO, emails: ['a@x.com'] }
  const many = Array.from({ length: MODIFY_PEOPLE + 1 }, (_, i) => `p${i}@x.com`)
  for (const emails of [many, ['frank'], ['josé@example.com'], [`${'x'.repeat(250)}@x.com`]]) {
    assert.throws(() => modifyCall({ ...call, emails }))
  }
  const keys = ['edX/Old/2014', 'library-v1:edX+Lib', 'ccx-v1:edX+DemoX+Demo_Course+ccx@1', 'nonsense', 'course-v1:a+b']
  assert.deepEqual(keys.filter(modifyCanName), [])
  for (const course of keys) assert.throws(() => modifyCall({ ...call, course }))
})

test('a request without authorization shows whether the LMS has modify', () => {
  const there = exchangeOf(MODIFY, 'no authorization, a placeholder key (probe without knowing a course)')
  const { method, path, body } = asked(MODIFY_AVAILABLE)
  assert.deepEqual([method, path, body], [there.request.method, there.request.path, null])
  const missing = exchangeOf(MODIFY, 'a path that does not exist below it, no authorization')
  assert.equal(verdict(MODIFY_AVAILABLE.judge(answerOf(there))), true)
  assert.equal(verdict(MODIFY_AVAILABLE.judge(answerOf(missing))), false)
  assert.equal(verdict(MODIFY_AVAILABLE.judge(answer(403, '<html>Blocked</html>'))), false)
  assert.equal(verdict(MODIFY_AVAILABLE.judge(answer(401, '<html>Sign in</html>'))), false)
  assert.equal(verdict(MODIFY_AVAILABLE.judge(answer(503, ''))), 'unreachable')
})
