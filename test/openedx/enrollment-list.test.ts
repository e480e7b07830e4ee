import assert from 'node:assert/strict'
import { test } from 'node:test'
import { enrollmentListRequest, judgeEnrollmentList } from '../../src/openedx/enrollment-list.ts'
import { answer, answerOf, asked, exchangeOf, recorded, verdict } from './recorded.ts'

const PATH = '/api/enrollment/v1/enrollments?'

test('every recorded list of enrollments is judged, with active and inactive rows', () => {
  const lists = ['enrollment-v1', 'registration', 'throttle', 'sequence']
    .flatMap(recorded)
    .filter(({ request }) => request.path.startsWith(PATH))
  const kinds = lists.map((exchange) => {
    const judged = judgeEnrollmentList(answerOf(exchange))
    return judged.ok ? 'list' : judged.failure.kind
  })
  assert.ok(kinds.length > 20)
  assert.deepEqual(new Set(kinds), new Set(['list', 'throttled', 'unauthorized', 'misconfigured']))
  assert.deepEqual(verdict(judgeEnrollmentList(answerOf(exchangeOf('sequence', '397')))), {
    rows: [
      { course: 'edX/Old/2014', active: true },
      { course: 'course-v1:Lernito+Invite+2026', active: false },
      { course: 'course-v1:Lernito+PY101+2026', active: true },
      { course: 'course-v1:CodeTherapy+CS101011+2025_T1', active: true },
      { course: 'course-v1:Lernito+Future+2026', active: true },
    ],
    whole: true,
  })
})

test('the request for the list is as recorded', () => {
  const { method, path, query } = asked(enrollmentListRequest({ email: 'N1@example.com' }))
  const as = asked(exchangeOf('sequence', '396').request)
  assert.deepEqual(
    { method, path, query: { email: query.email } },
    { method: as.method, path: as.path, query: as.query },
  )
})

test('a page with a next page is not the whole list', () => {
  const row = { created: '', mode: 'audit', is_active: true, user: 'alice', course_id: 'edX/Old/2014' }
  const body = { next: 'http://lms.test/api/enrollment/v1/enrollments?cursor=x', previous: null, results: [row] }
  const judged = verdict(judgeEnrollmentList(answer(200, body)))
  assert.deepEqual(judged, { rows: [{ course: 'edX/Old/2014', active: true }], whole: false })
  assert.equal(verdict(judgeEnrollmentList(answer(200, [row]))), 'server_error')
  assert.equal(verdict(judgeEnrollmentList(answer(403, { developer_message: 'no' }))), 'misconfigured')
})
