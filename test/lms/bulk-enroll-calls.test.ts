import assert from 'node:assert/strict'
import { test } from 'node:test'
import { batchCanName } from '../../src/lms/apis/batch-answer.ts'
import { BULK_AVAILABLE, bulkEnrollCall } from '../../src/lms/apis/bulk-enroll.ts'
import { ENROLL } from './calls.ts'
import { answer, answerOf, asked, exchangeOf, verdict } from './recorded.ts'

const DEMO = 'course-v1:edX+DemoX+Demo_Course'

test('a request without authorization shows whether the LMS has bulk_enroll', () => {
  const on = exchangeOf('bulk-enroll', 'GET, no authorization')
  const off = exchangeOf('bulk-enroll-off', 'GET, when the flag is off, no authorization')
  assert.deepEqual(asked(BULK_AVAILABLE), asked(on.request))
  assert.equal(verdict(BULK_AVAILABLE.judge(answerOf(on))), true)
  assert.equal(verdict(BULK_AVAILABLE.judge(answerOf(off))), false)
  assert.equal(verdict(BULK_AVAILABLE.judge(answerOf(exchangeOf('bulk-enroll', 'GET')))), 'server_error')
  assert.equal(verdict(BULK_AVAILABLE.judge(answer(503, ''))), 'unreachable')
  assert.equal(verdict(BULK_AVAILABLE.judge(answer(404, { detail: 'Not found.' }))), 'server_error')
})

test('a bulk call is as recorded, with each address once and in sorted order', () => {
  const emails = ['grace@example.com', 'fresh@example.com', 'alice@example.com', 'fresh@example.com']
  const courses = [DEMO, 'course-v1:Lernito+PY101+2026']
  const like = exchangeOf('bulk-enroll', 'two courses').request
  const identifiers = 'alice@example.com,fresh@example.com,grace@example.com'
  const request = bulkEnrollCall({ ...ENROLL, courses, emails })
  assert.deepEqual(asked(request), asked({ ...like, json: { ...like.json, identifiers, reason: ENROLL.reason } }))
  const body = asked(bulkEnrollCall({ ...ENROLL, courses, emails: ['b@x.com', 'A@x.com', 'C@x.com'] })).body
  assert.equal(body.identifiers, 'A@x.com,b@x.com,C@x.com')
})

test('an address that bulk_enroll would split, or take for a username or another person, is not sent there', () => {
  const bad = [
    'josé@example.com',
    'alice@ｅxample.com',
    '"a b"@x.com',
    '"a,victim@x.com,b"@x.com',
    'a\u00a0b@x.com',
    'a\u001cb@x.com',
    'a\u0085b@x.com',
    'frank',
  ]
  assert.deepEqual(bad.filter(batchCanName), [])
  for (const email of bad)
    assert.throws(() => bulkEnrollCall({ ...ENROLL, courses: [DEMO], emails: [email] }), /singly/)
  assert.ok(["o'neil@example.com", 'a+b@example.com', 'new@xn--exmple-cua.com'].every(batchCanName))
})

const row = { user: true, enrollment: true, allowed: false, auto_enroll: false }
function made(results: object[], action = 'enroll') {
  return answer(200, { courses: { [DEMO]: { action, auto_enroll: true, results } } })
}
const call = { ...ENROLL, courses: [DEMO], emails: ['a@x.com', 'b@x.com'] }

test('if any result is an error, the answer proves nothing', () => {
  const found = bulkEnrollCall(call).judge(
    made([
      { identifier: 'a@x.com', before: row, after: row },
      { identifier: 'b@x.com', error: true },
    ]),
  )
  assert.ok(found.ok)
  assert.equal(found.value.proof, false)
  assert.deepEqual(
    [...(found.value.results.get(DEMO) ?? [])],
    [
      ['a@x.com', 'enrolled'],
      ['b@x.com', 'error'],
    ],
  )
  const stranger = [...call.emails, 'c@x.com'].map((identifier) => ({ identifier, before: row, after: row }))
  const withStranger = bulkEnrollCall(call).judge(made(stranger))
  assert.ok(withStranger.ok)
  assert.deepEqual([...(withStranger.value.results.get(DEMO)?.keys() ?? [])], call.emails)
})

const next = (name: string) => {
  const { body } = exchangeOf('../lms-next/next', name).response
  return Object([Object(body).results].flat()[0])
}

test('next.json: an error with words is the error of one person, and the others keep their results', () => {
  const enrolled = { ...next('batch: a person enrolled'), identifier: 'a@x.com' }
  const failing = [
    [next('batch: a person for whom it failed'), /^Something went wrong while processing this learner/],
    [
      { error: 'Enrollment not allowed: c@y.org has no contract\n' },
      /^Enrollment not allowed: c\*\*\*@y.org .*\\u000a$/,
    ],
    [{ error: true, error_message: '' }, null],
    [{ success: false, error_type: 'validation_error' }, /^validation_error$/],
    [{ success: false, error: { code: 1 }, error_message: 7 }, null],
  ] as const
  for (const [fields, words] of failing) {
    const found = bulkEnrollCall(call).judge(made([enrolled, { ...fields, identifier: 'b@x.com' }]))
    assert.ok(found.ok, JSON.stringify(fields))
    assert.equal(found.value.proof, false)
    assert.deepEqual([...(found.value.results.get(DEMO)?.values() ?? [])], ['enrolled', 'error'])
    if (words === null) assert.equal(found.value.words.size, 0)
    else assert.match(found.value.words.get('b@x.com') ?? '', words)
  }
  const invalid = { ...next('batch: an invalid address'), identifier: 'b@x.com' }
  const found = bulkEnrollCall(call).judge(made([enrolled, invalid]))
  assert.ok(found.ok && found.value.proof)
  assert.deepEqual([...(found.value.results.get(DEMO)?.values() ?? [])], ['enrolled', 'invalid'])
})

test('the results tell an earlier allowance from a new one, and an inactive person without one from a retired person', () => {
  const none = { user: false, enrollment: false, allowed: false, auto_enroll: false }
  const open = { ...none, allowed: true, auto_enroll: true }
  const found = bulkEnrollCall(call).judge(
    made([
      { identifier: 'a@x.com', before: open, after: open },
      { identifier: 'b@x.com', before: { ...none, user: true }, after: { ...none, user: true } },
    ]),
  )
  assert.ok(found.ok)
  assert.deepEqual(Object.fromEntries(found.value.results.get(DEMO) ?? []), {
    'a@x.com': 'allowed_before',
    'b@x.com': 'inactive_not_allowed',
  })
})

test('an answer that leaves out a person or a course, or has another shape, is no success', () => {
  const both = call.emails.map((identifier) => ({ identifier, before: row, after: row }))
  const bad = [
    made(both.slice(0, 1)),
    made(both, 'unenroll'),
    made([...both.slice(0, 1), { identifier: 'b@x.com' }]),
    made([...both.slice(0, 1), { identifier: 'b@x.com', before: row, after: { ...row, enrollment: 'yes' } }]),
    made([
      ...both.slice(0, 1),
      { identifier: 'b@x.com', before: row, after: { ...row, enrollment: false, allowed: true } },
    ]),
    answer(200, { courses: {} }),
    answer(200, '<html>'),
    answer(200, ''),
  ]
  for (const one of bad) assert.equal(verdict(bulkEnrollCall(call).judge(one)), 'server_error')
})
