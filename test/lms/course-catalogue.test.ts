import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { z } from 'zod'
import { CATALOGUE_COURSE, courseListCall } from '../../src/lms/apis/course-catalogue.ts'
import { addedModesCall } from '../../src/lms/apis/course-modes.ts'
import { courseCall } from '../../src/lms/apis/courses.ts'
import { answer, answerOf, asked, exchangeOf, recorded, verdict } from './recorded.ts'

const judgePage = courseListCall({ username: 'lernito_service', pageSize: 3 }).judge
const judgeModes = addedModesCall({ course: 'course-v1:a+b+c' }).judge
const judgeCourse = courseCall({ key: 'course-v1:a+b+c', username: 'u', shape: CATALOGUE_COURSE }).judge

const demo = {
  key: 'course-v1:edX+DemoX+Demo_Course',
  name: 'Demonstration Course',
  organization: 'edX',
  start: Date.UTC(2020, 0, 1),
  end: null,
  enrollmentStart: null,
  enrollmentEnd: null,
  invitationOnly: false,
}

test('courses.json: a page of the list and a course are read as recorded', () => {
  const list = exchangeOf('courses', 'course list')
  assert.deepEqual(asked(courseListCall({ username: 'lernito_service', pageSize: 3 })), asked(list.request))
  const page = verdict(judgePage(answerOf(list)))
  assert.ok(typeof page === 'object')
  assert.deepEqual([page.count, page.rows], [11, 3])
  assert.deepEqual(page.courses[1], { ...demo, hidden: false })
  const closed = page.courses[2]
  assert.deepEqual([closed?.name, closed?.enrollmentEnd], ['Closed for enrolment', Date.UTC(2021, 0, 1)])
  assert.deepEqual(verdict(judgeCourse(answerOf(exchangeOf('courses', 'a course')))), demo)
  assert.equal(verdict(judgeCourse(answerOf(exchangeOf('courses', 'no such course')))), null)
})

test('courses.json: no other answer counts as a page', () => {
  for (const exchange of recorded('courses').filter(({ name }) => name !== 'course list')) {
    assert.equal(typeof verdict(judgePage(answerOf(exchange))), 'string', exchange.name)
  }
})

test('a course that no webhook can name is counted but not listed', () => {
  const { response } = exchangeOf('courses', 'course list')
  const body = z.object({ results: z.array(z.looseObject({})) }).parse(response.body)
  const results = ['library-v1:a+b', 'a/b/c'].map((course_id) => ({ ...body.results[0], course_id }))
  const page = verdict(judgePage(answer(200, { results, pagination: { count: 2 } })))
  assert.ok(typeof page === 'object')
  assert.deepEqual([page.count, page.rows, page.courses.map(({ key }) => key)], [2, 2, ['a/b/c']])
})

test('a start that nobody has set is none, and a name has its angle brackets again', () => {
  const { response } = exchangeOf('courses', 'a course')
  const body = z.looseObject({}).parse(response.body)
  const course = verdict(
    judgeCourse(
      answer(200, { ...body, start: '2030-01-01T00:00:00Z', start_type: 'empty', name: '&lt;b&gt; &amp;lt;' }),
    ),
  )
  assert.deepEqual(course, { ...demo, start: null, name: '<b> &amp;lt;' })
})

test('paid-modes.json: the request for the modes of a course is as recorded, and its answer is judged', () => {
  const text = readFileSync(new URL('../recordings/lms-newer/paid-modes.json', import.meta.url), 'utf8')
  const shape = z.object({
    exchanges: z.array(
      z.object({
        name: z.string(),
        request: z
          .object({ method: z.string(), path: z.string(), headers: z.record(z.string(), z.string()) })
          .optional(),
        response: z.object({ status: z.number(), body: z.unknown() }).optional(),
      }),
    ),
  })
  const list = shape.parse(JSON.parse(text)).exchanges.find(({ name }) => name === 'course modes API: list')
  assert.ok(list?.request && list.response)
  const course = 'course-v1:Lernito+AuditVerified+2026'
  assert.deepEqual(asked(addedModesCall({ course })), asked(list.request))
  const common = { currency: 'usd', until: null }
  assert.deepEqual(verdict(judgeModes(answer(list.response.status, list.response.body))), [
    { slug: 'audit', name: 'audit', price: 0, ...common },
    { slug: 'verified', name: 'verified', price: 50, ...common },
  ])
  assert.deepEqual(verdict(judgeModes(answer(200, []))), [])
})
