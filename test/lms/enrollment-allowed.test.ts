import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allowancesCall, allowCall, disallowCall } from '../../src/lms/apis/enrollment-allowed.ts'
import { answer, answerOf, asked, type Exchange, exchangeOf, recorded, verdict } from './recorded.ts'

const PATH = '/api/enrollment/v1/enrollment_allowed'
const demo = 'course-v1:edX+DemoX+Demo_Course'
const python = 'course-v1:Lernito+PY101+2026'

function judged(exchange: Exchange) {
  const { method, json } = exchange.request
  if (method === 'GET') {
    return verdict(allowancesCall({ email: asked(exchange.request).query.email ?? '' }).judge(answerOf(exchange)))
  }
  if (method === 'DELETE')
    return verdict(disallowCall({ email: 'a@x.com', course: 'course-v1:a+b+c' }).judge(answerOf(exchange)))
  return verdict(allowCall({ email: 'a@x.com', course: String(json?.course_id) }).judge(answerOf(exchange)))
}

function calls(file: string): Exchange[] {
  return recorded(file).filter(({ request }) => request.path.startsWith(PATH))
}

test('enrollment-allowed.json: every recorded answer is judged', () => {
  assert.deepEqual(Object.fromEntries(recorded('enrollment-allowed').map((one) => [one.name, judged(one)])), {
    'none yet': [],
    allow: 'created',
    'allow again': 'exists',
    list: [{ course: demo, autoEnroll: true, used: false, usedBy: null, other: null }],
    // This service makes no such call: the allowance would enroll nobody.
    'allow without auto_enroll': 'server_error',
    'list: two': [
      { course: demo, autoEnroll: true, used: false, usedBy: null, other: null },
      { course: python, autoEnroll: false, used: false, usedBy: null, other: null },
    ],
    'allow again with auto_enroll true: not upgraded': 'exists',
    delete: true,
    'delete again': false,
    'allow after delete': 'created',
    'other letter case of the same address': 'exists',
    'no such course is not noticed': 'created',
    'malformed key': 'server_error',
    'not an e-mail': 'created',
    'no email': 'server_error',
    'no trailing slash': 'misconfigured',
    'non-staff application': 'misconfigured',
    'of an active registered person': 'created',
    'no email in a list': [],
  })
})

test('retired.json, registration.json, modes-and-inactive.json: every recorded answer about an allowance is judged', () => {
  assert.equal(judged(exchangeOf('retired', 'retired person, allowance')), 'created')
  assert.equal(judged(exchangeOf('registration', 'allow with auto_enroll false')), 'server_error')
  for (const used of [false, true]) {
    const name = `allowances after ${used ? 'activation' : 'registration'}`
    const usedBy = used ? 17 : null
    assert.deepEqual(judged(exchangeOf('registration', name)), [
      { course: demo, autoEnroll: true, used, usedBy, other: null },
      { course: python, autoEnroll: true, used, usedBy, other: null },
      { course: 'course-v1:CodeTherapy+CS101011+2025_T1', autoEnroll: false, used: false, usedBy: null, other: null },
    ])
  }
  assert.equal(judged(exchangeOf('modes-and-inactive', 'the allowance that bulk left is deleted')), true)
})

test('sequence.json: every recorded answer about an allowance is judged', () => {
  const counts: Record<string, number> = {}
  for (const one of calls('sequence')) {
    const result = judged(one)
    const key = `${one.request.method} ${one.response.status} ${typeof result === 'object' ? 'list' : result}`
    counts[key] = (counts[key] ?? 0) + 1
  }
  assert.deepEqual(counts, {
    'POST 201 created': 17,
    // Made without auto_enroll, which this service never does.
    'POST 201 server_error': 6,
    'POST 409 exists': 17,
    'POST 400 server_error': 2,
    'POST 403 misconfigured': 1,
    'GET 200 list': 22,
    'GET 403 misconfigured': 1,
    'DELETE 204 true': 8,
    'DELETE 404 false': 10,
  })
})

test('the requests for allowances are as recorded', () => {
  const of = { email: 'new@example.com', course: python }
  const again = exchangeOf('enrollment-allowed', 'allow after delete').request
  assert.deepEqual(asked(allowCall(of)), asked(again))
  assert.deepEqual(asked(disallowCall(of)), asked(exchangeOf('enrollment-allowed', 'delete').request))
  assert.deepEqual(asked(allowancesCall(of)), asked(exchangeOf('enrollment-allowed', 'list').request))
})

test('an answer of another shape, or about another course, is no success', () => {
  const made = { email: 'new@example.com', course_id: python, auto_enroll: true }
  assert.equal(verdict(allowCall({ email: 'a@x.com', course: demo }).judge(answer(201, made))), 'server_error')
  assert.equal(verdict(allowCall({ email: 'a@x.com', course: python }).judge(answer(200, made))), 'server_error')
  assert.equal(verdict(allowCall({ email: 'a@x.com', course: demo }).judge(answer(409, '<html>'))), 'misconfigured')
  assert.equal(
    verdict(
      disallowCall({ email: 'a@x.com', course: 'course-v1:a+b+c' }).judge(answer(404, '<html>Page not found</html>')),
    ),
    'misconfigured',
  )
  assert.equal(verdict(allowancesCall({ email: 'a@x.com' }).judge(answer(200, [{ course_id: demo }]))), 'server_error')
})

test('an allowance for another address, which the database takes for this one, is marked as such', () => {
  const row = { email: 'user@example.com', course_id: demo, auto_enroll: true, user: null }
  const read = (email: string) => verdict(allowancesCall({ email }).judge(answer(200, [row])))
  const seen = { course: demo, autoEnroll: true, used: false, usedBy: null }
  assert.deepEqual(read('user@exämple.com'), [{ ...seen, other: 'u***@example.com' }])
  assert.deepEqual(read('User@Example.com'), [{ ...seen, other: null }])
})
