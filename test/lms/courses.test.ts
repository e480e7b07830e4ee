import assert from 'node:assert/strict'
import { test } from 'node:test'
import { COURSE, courseCall, courseInPath } from '../../src/lms/apis/courses.ts'
import { canBeCourse } from '../../src/sale/course-key.ts'
import { answer, answerOf, asked, exchangeOf, recorded, verdict } from './recorded.ts'

const demo = { key: 'course-v1:edX+DemoX+Demo_Course' }
const hidden = { key: 'course-v1:Lernito+Hidden+2026' }
const username = 'lernito_service'
const { judge } = courseCall({ ...demo, username, shape: COURSE })

const expected = {
  'a course': demo,
  'a course, key percent-encoded': demo,
  'a course, trailing slash': demo,
  'an old-style key': { key: 'edX/Old/2014' },
  'no such course': null,
  // The same page as for a wrong address, so the client doesn't ask for such keys: see below.
  'a malformed key': 'misconfigured',
  'a library key': 'misconfigured',
  'staff-only course, as staff': hidden,
  'staff-only course, as a non-staff application': hidden,
  'a course, no username': demo,
  'staff-only course, no username': hidden,
  'another username, as a non-staff application': 'misconfigured',
  'course list': 'server_error',
  'no authorization': 'misconfigured',
}

test('courses.json: every recorded answer is judged', () => {
  const judged = recorded('courses').map((exchange) => [exchange.name, verdict(judge(answerOf(exchange)))])
  assert.deepEqual(Object.fromEntries(judged), expected)
})

test('sequence.json: every recorded answer about a course is judged', () => {
  const calls = recorded('sequence').filter(({ request }) => request.path.startsWith('/api/courses/v1/courses/'))
  assert.equal(calls.length, 21)
  for (const call of calls) {
    const key = decodeURIComponent(call.request.path.split('/')[5]?.split('?')[0] ?? '')
    const missing = { 200: { key }, 404: null, 403: 'misconfigured' }[call.response.status]
    assert.deepEqual(verdict(judge(answerOf(call))), missing, call.name)
  }
})

test('a course request is as recorded', () => {
  for (const [name, key] of [
    ['a course', demo.key],
    ['a course, key percent-encoded', demo.key],
    ['an old-style key', 'edX/Old/2014'],
    ['no such course', 'course-v1:No+Such+Course'],
  ] as const) {
    assert.deepEqual(asked(courseCall({ key, username, shape: COURSE })), asked(exchangeOf('courses', name).request))
  }
})

test('a key that no course can have is missing without a call', () => {
  const keys = [
    'nonsense',
    'library-v1:edX+Lib',
    'course-v1:version@519665f6223ebd6980884f2b',
    'a/b/',
    '../../..',
    'a/../c',
    './b/c',
    'course-v1:a+b+c?d',
    'course-v1:a+b+c#d',
    'course-v1:a+b+c\n',
    `course-v1:a+b+${'c'.repeat(300)}`,
  ]
  assert.deepEqual(keys.filter(canBeCourse), [])
})

test('no key can change the host, the path or the query', () => {
  for (const key of ['%2e%2e/%2e%2e/c', 'é/b/c', 'course-v1:..+..+..', 'course-v1:٣+b+c', 'course-v1:a:b+c+d']) {
    const request = courseCall({ key, username: 'x&y=z?#', shape: COURSE })
    const url = new URL(request.path, 'http://lms.test')
    assert.equal(url.host, 'lms.test')
    assert.equal(url.hash, '')
    assert.equal(decodeURIComponent(url.pathname), `/api/courses/v1/courses/${key}`)
    assert.equal(url.pathname.split('/').length, 5 + key.split('/').length)
    assert.deepEqual(Object.fromEntries(url.searchParams), { username: 'x&y=z?#' })
  }
  assert.equal(courseInPath('a%b/é/c'), 'a%25b/%C3%A9/c')
  for (const key of ['a b/c/d', 'a/../c', 'a/b/c?d', 'nonsense']) assert.throws(() => courseInPath(key), /no course/)
})

test('an answer whose course key is invalid is not understood', () => {
  for (const key of ['a,b', '../../..', 'a/../c', 'library-v1:edX+Lib', `a/b/${'c'.repeat(300)}`]) {
    assert.equal(verdict(judge(answer(200, { course_id: key }))), 'server_error', key)
  }
  assert.equal(verdict(judge(answer(200, { id: demo.key }))), 'server_error')
  assert.equal(verdict(judge(answer(200, '<html>maintenance</html>'))), 'server_error')
  assert.equal(verdict(judge(answer(404, { detail: 'Not found.' }))), 'server_error')
})
