import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { courseEnrollmentListCall, groupsForCourseList } from '../../src/lms/apis/enrollment.ts'
import { listCanNameUser } from '../../src/lms/apis/people-lists.ts'
import { answer, answerOf, asked, type Exchange, exchangeOf, recorded, verdict } from './recorded.ts'

const PATH = '/api/enrollment/v1/enrollments?'
const LISTS = '../lms-newer/people-lists'
const DEMO = 'course-v1:edX+DemoX+Demo_Course'

const list = z.object({ results: z.array(z.looseObject({ course_id: z.string(), user: z.string() })) })

/** What a recorded list says of each of its courses, as if these people had been asked for there alone. */
function byCourse(exchange: Exchange) {
  const { results } = list.parse(exchange.response.body)
  return [...Map.groupBy(results, (row) => row.course_id)].map(([course, rows]) => {
    const body = { ...Object(exchange.response.body), next: null, results: rows }
    return courseEnrollmentListCall({ course, usernames: rows.map(({ user }) => user) }).judge(answer(200, body))
  })
}

test('every recorded list of enrollments is judged, with active and inactive rows', () => {
  const lists = ['enrollment-v1', 'registration', 'throttle', 'sequence']
    .flatMap(recorded)
    .filter(({ request }) => request.path.startsWith(PATH))
  const kinds = lists.flatMap((exchange) => {
    const { status } = exchange.response
    const call = courseEnrollmentListCall({ course: DEMO, usernames: ['alice'] })
    const all = status === 200 ? byCourse(exchange) : [call.judge(answerOf(exchange))]
    return all.map((judged) => (judged.ok ? 'list' : judged.failure.kind))
  })
  assert.ok(kinds.length > 20)
  assert.deepEqual(new Set(kinds), new Set(['list', 'throttled', 'unauthorized', 'misconfigured']))
  const jose = { username: 'jose', active: true, mode: 'audit' }
  assert.deepEqual(
    byCourse(exchangeOf('sequence', '397')).flatMap((judged) => (judged.ok ? judged.value : [])),
    [
      { ...jose, course: 'edX/Old/2014' },
      { ...jose, course: 'course-v1:Lernito+Invite+2026', active: false },
      { ...jose, course: 'course-v1:Lernito+PY101+2026' },
      { ...jose, course: 'course-v1:CodeTherapy+CS101011+2025_T1' },
      { ...jose, course: 'course-v1:Lernito+Future+2026' },
    ],
  )
})

test('a list that is no page is no success', () => {
  const call = courseEnrollmentListCall({ course: DEMO, usernames: ['alice'] })
  const row = { created: '2026-11-24T16:48:50.520803+02:00', mode: 'audit', is_active: true, user: 'alice' }
  const rows = [{ ...row, course_id: DEMO }]
  assert.deepEqual(verdict(call.judge(answer(200, { next: null, results: rows }))), [
    { username: 'alice', course: DEMO, active: true, mode: 'audit' },
  ])
  assert.equal(verdict(call.judge(answer(200, rows))), 'server_error')
  assert.equal(verdict(call.judge(answer(403, { developer_message: 'no' }))), 'misconfigured')
})

test('people-lists.json: the enrollments of some people in a course are read, and those who were never enrolled have none', () => {
  const exchange = exchangeOf(LISTS, 'enrollments by user names and course')
  const call = { course: DEMO, usernames: ['alice', 'erin', 'karl'] }
  const { query, path } = asked(courseEnrollmentListCall(call))
  const { page_size: size, ...others } = query
  assert.deepEqual([path, others, size], [asked(exchange.request).path, asked(exchange.request).query, '100'])
  const judged = courseEnrollmentListCall(call).judge(answerOf(exchange))
  assert.ok(judged.ok)
  assert.deepEqual(
    judged.value.map(({ username, active, mode }) => [username, active, mode]),
    [
      ['erin', true, 'audit'],
      ['alice', true, 'audit'],
    ],
  )
})

test('a list that names another person or another course, or has a next page, is no success', () => {
  const exchange = exchangeOf(LISTS, 'enrollments by user names and course')
  const call = { course: DEMO, usernames: ['alice', 'erin'] }
  const of = (change: Partial<typeof call>) =>
    verdict(courseEnrollmentListCall({ ...call, ...change }).judge(answerOf(exchange)))
  assert.equal(of({ usernames: ['alice'] }), 'server_error')
  assert.equal(of({ course: 'edX/Old/2014' }), 'server_error')
  const page = { ...Object(exchange.response.body), next: 'http://lms.test/more' }
  assert.equal(verdict(courseEnrollmentListCall(call).judge(answer(200, page))), 'server_error')
})

test('a user name for which the LMS refuses the whole call is not requested', () => {
  const refused = exchangeOf(LISTS, 'enrollments: an invalid user name among them: the whole call is refused')
  assert.equal(refused.response.status, 400)
  const names = ['a b', '', 'a,b', 'josé', 'a.b', 'a@b']
  assert.deepEqual(names.filter(listCanNameUser), [])
  for (const name of names) assert.throws(() => courseEnrollmentListCall({ course: DEMO, usernames: [name] }))
})

test('the people of a course are divided into groups of at most 100 whose request the LMS takes', () => {
  const short = Array.from({ length: 250 }, (_, i) => `user${i}`)
  const long = Array.from({ length: 250 }, (_, i) => `${'u'.repeat(140)}${i}`)
  for (const usernames of [short, long]) {
    const groups = groupsForCourseList({ course: DEMO, usernames })
    assert.deepEqual(groups.flat(), usernames)
    assert.ok(groups.every((group) => group.length <= 100))
    for (const group of groups) {
      assert.ok(courseEnrollmentListCall({ course: DEMO, usernames: group }).path.length <= 2800)
    }
    const first = groups[0] ?? []
    assert.throws(() => courseEnrollmentListCall({ course: DEMO, usernames: usernames.slice(0, first.length + 1) }))
  }
  assert.equal(groupsForCourseList({ course: DEMO, usernames: short }).length, 3)
  assert.deepEqual(groupsForCourseList({ course: DEMO, usernames: [] }), [])
})
