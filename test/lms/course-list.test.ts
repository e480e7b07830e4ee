import assert from 'node:assert/strict'
import { test } from 'node:test'
import { courseListRequest, judgeCourseList } from '../../src/lms/apis/courses.ts'
import { answer, answerOf, asked, exchangeOf, recorded, verdict } from './recorded.ts'

const username = 'lernito_service'
const list = exchangeOf('courses', 'course list')

test('courses.json: the request for the list is as recorded, and its answer is judged', () => {
  assert.deepEqual(asked(courseListRequest({ username, pageSize: 3 })), asked(list.request))
  assert.deepEqual(verdict(judgeCourseList(answerOf(list), { username })), {
    count: 11,
    courses: [
      { key: 'course-v1:CodeTherapy+CS101011+2025_T1', open: true },
      { key: 'course-v1:edX+DemoX+Demo_Course', open: true },
      { key: 'course-v1:Lernito+Closed+2026', open: false },
    ],
  })
})

test('courses.json: no other answer counts as a list', () => {
  for (const exchange of recorded('courses').filter(({ name }) => name !== 'course list')) {
    assert.equal(typeof verdict(judgeCourseList(answerOf(exchange), { username })), 'string', exchange.name)
  }
})

test('a course is open during its enrollment period, unless it is hidden or invitation-only', () => {
  const row = {
    course_id: 'course-v1:a+b+c',
    enrollment_start: null,
    enrollment_end: null,
    invitation_only: false,
    hidden: false,
  }
  const isOpen = (changes: Partial<Record<keyof typeof row, unknown>>): boolean | undefined => {
    const said = answer(200, { results: [{ ...row, ...changes }], pagination: { count: 1 } })
    const judged = judgeCourseList(said, { username })
    return judged.ok ? judged.value.courses[0]?.open : undefined
  }
  const [before, after] = ['2026-11-23T00:00:00Z', '2026-11-25T00:00:00Z']
  assert.equal(isOpen({}), true)
  assert.equal(isOpen({ enrollment_start: before, enrollment_end: after }), true)
  assert.equal(isOpen({ enrollment_start: after }), false)
  assert.equal(isOpen({ enrollment_end: before }), false)
  assert.equal(isOpen({ invitation_only: true }), false)
  assert.equal(isOpen({ hidden: true }), false)
})

test('a course that no webhook can name is counted but not listed', () => {
  const row = { enrollment_start: null, enrollment_end: null, invitation_only: false, hidden: false }
  const results = [
    { ...row, course_id: 'library-v1:a+b' },
    { ...row, course_id: 'a/b/c' },
  ]
  const judged = judgeCourseList(answer(200, { results, pagination: { count: 2 } }), { username })
  assert.deepEqual(verdict(judged), { count: 2, courses: [{ key: 'a/b/c', open: true }] })
})
