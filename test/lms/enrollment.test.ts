import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { changeModeCall, enrollCall, enrollmentCall, unenrollCall } from '../../src/lms/apis/enrollment.ts'
import { answer, answerOf, asked, type Exchange, exchangeOf, recorded, verdict } from './recorded.ts'

const DEMO = 'course-v1:edX+DemoX+Demo_Course'
const PATH = '/api/enrollment/v1/enrollment'

const named = z.object({
  user: z.string().optional(),
  email: z.string().optional(),
  course_details: z.object({ course_id: z.string() }).optional(),
})
const answered = z.object({ user: z.string() })

/** The person and course that a recorded request names; for an address, the user that the LMS found for it. */
function meant({ request, response }: Exchange): { username: string; course: string } {
  if (request.method === 'GET') {
    const [username = '', course = ''] = decodeURIComponent(request.path.slice(PATH.length + 1)).split(',')
    return { username, course }
  }
  const { user, email, course_details: course } = named.parse(request.json ?? {})
  const found = email === undefined ? undefined : answered.safeParse(response.body).data?.user
  return { username: user ?? found ?? 'nobody', course: course?.course_id ?? '' }
}

function judged(exchange: Exchange) {
  const of = meant(exchange)
  if (exchange.request.method === 'GET') return verdict<object | null>(enrollmentCall(of).judge(answerOf(exchange)))
  const { is_active: active } = exchange.request.json ?? {}
  const change = { ...of, mode: 'audit' }
  const call = active === false ? unenrollCall(of) : active ? enrollCall(change) : changeModeCall(change)
  return verdict<object | null>(call.judge(answerOf(exchange)))
}

/** The recorded calls of the two endpoints, without those for course details and the list, which are not used. */
function calls(file: string): Exchange[] {
  return recorded(file).filter(({ request: { path } }) => path === PATH || path.startsWith(`${PATH}/`))
}

const enrolled = { active: true, mode: 'audit' }
const expected = {
  'read, not enrolled': null,
  'enrol an active person': enrolled,
  'enrol again: the same answer': enrolled,
  'read, enrolled': { ...enrolled, courseModes: ['audit'], created: Date.parse('2026-11-24T15:12:51.825Z') },
  'unenrol (is_active false)': { active: false, mode: 'audit' },
  'enrol again without is_active': enrolled,
  'read after that': { ...enrolled, courseModes: ['audit'], created: Date.parse('2026-11-24T15:12:51.825Z') },
  'enrol again with is_active true': enrolled,
  'enrol a person who has not activated': enrolled,
  'enrol by e-mail address': enrolled,
  'enrol by an unknown e-mail address': 'refused',
  'neither user nor e-mail: the caller is enrolled': 'misconfigured',
  'unknown user': 'refused',
  'no such course': 'refused',
  'malformed key': 'refused',
  'no course at all': 'refused',
  'enrolment closed': 'refused',
  'enrolment closed, force_enrollment': enrolled,
  'course full': 'refused',
  'course full, force_enrollment': 'refused',
  'invitation only': enrolled,
  'only a professional mode': 'refused',
  'only a professional mode, named': { active: true, mode: 'professional' },
  'honor and verified modes': { active: true, mode: 'honor' },
  'mode the course does not have': 'refused',
  'enrol another person as a non-staff application': 'misconfigured',
  'broken JSON': 'server_error',
  'no authorization': 'unauthorized',
}

test('enrollment-v1.json: every recorded answer of the enrollment endpoint is judged', () => {
  assert.deepEqual(Object.fromEntries(calls('enrollment-v1').map((one) => [one.name, judged(one)])), expected)
})

test('modes-and-inactive.json: every recorded answer of the enrollment endpoint is judged', () => {
  assert.deepEqual(Object.fromEntries(calls('modes-and-inactive').map((one) => [one.name, judged(one)])), {
    'unenrolled from verified, enrolled singly without a mode: comes back as verified': {
      active: true,
      mode: 'verified',
    },
    'the same with the mode named': { active: true, mode: 'honor' },
    'active in verified, enrolled singly with mode honor': { active: true, mode: 'honor' },
    'active in verified, read first': {
      active: true,
      mode: 'honor',
      courseModes: ['honor', 'verified'],
      created: 1_795_533_204_638,
    },
    'inactive enrollment, read': null,
    'the inactive person singly': enrolled,
  })
})

test('sequence.json: every recorded answer of the enrollment endpoint is judged', () => {
  const counts: Record<string, number> = {}
  for (const one of calls('sequence')) {
    const result = judged(one)
    const said =
      typeof result === 'string'
        ? result
        : result === null
          ? 'none'
          : 'active' in result && result.active
            ? 'active'
            : 'inactive'
    const key = `${one.request.method} ${one.response.status} ${said}`
    counts[key] = (counts[key] ?? 0) + 1
  }
  assert.deepEqual(counts, {
    'GET 200 active': 8,
    'GET 200 inactive': 3,
    'GET 200 none': 16,
    'POST 200 active': 46,
    'POST 200 inactive': 17,
    'POST 400 refused': 31,
    'POST 404 misconfigured': 7,
    'POST 406 refused': 9,
  })
})

test('a refusal keeps the LMS’s message, and one that names no cause says where to find it', () => {
  const judgedFull = enrollCall({ mode: null, username: 'alice', course: 'course-v1:Lernito+Full+2026' }).judge(
    answerOf(exchangeOf('enrollment-v1', 'course full, force_enrollment')),
  )
  assert.ok(!judgedFull.ok)
  assert.match(
    judgedFull.failure.message,
    /^An error occurred while creating .* for the buyer in course .*the LMS's log/,
  )
  assert.equal(judgedFull.failure.endpoint, PATH)
  assert.equal(judgedFull.failure.status, 400)
})

test('enrollment-refused.json: a 403 that the LMS itself explains is about this person or course, and one of a gateway is not', () => {
  const { judge } = enrollCall({ mode: null, username: 'alice', course: DEMO })
  const said = recorded('enrollment-refused').map((exchange) => {
    const judged = judge(answerOf(exchange))
    return judged.ok || [judged.failure.kind, judged.failure.message]
  })
  assert.deepEqual(said, [
    ['refused', "Users from this location cannot access the course 'course-v1:edX+DemoX+Demo_Course'."],
    ['refused', 'Only employees can take this course.'],
  ])
  const nonStaff = exchangeOf('../lms-newer/paid-modes', 'verified as a non-staff application for itself')
  assert.equal(verdict(judge(answerOf(nonStaff))), 'misconfigured')
  assert.equal(verdict(judge(answer(403, { message: 'Forbidden' }))), 'misconfigured')
})

test('an enrollment that something else than the LMS stored, without a time, is read like any other', () => {
  const call = enrollmentCall({ username: 'alice', course: DEMO })
  const course_details = { course_id: DEMO, course_modes: [{ slug: 'audit' }] }
  const row = { created: null, mode: 'audit', is_active: true, user: 'alice', course_details }
  assert.deepEqual(verdict(call.judge(answer(200, row))), { ...enrolled, courseModes: ['audit'], created: null })
})

test('the message for an empty 404 says that the service user is not staff', () => {
  const recordedAnswer = answerOf(exchangeOf('enrollment-v1', 'enrol another person as a non-staff application'))
  const plain = enrollCall({ mode: null, username: 'grace', course: DEMO }).judge(recordedAnswer)
  assert.ok(!plain.ok)
  assert.match(plain.failure.message, /LERNITO_LMS_CLIENT_ID a staff user/)
})

test('the requests for enrollments are as recorded', () => {
  const of = { username: 'erin', course: 'course-v1:Lernito+Honor+2026' }
  const withMode = exchangeOf('modes-and-inactive', 'the same with the mode named').request
  assert.deepEqual(asked(enrollCall({ ...of, mode: 'honor' })), asked(withMode))
  const without = calls('modes-and-inactive')[0]?.request
  assert.ok(without)
  assert.deepEqual(asked(enrollCall({ ...of, username: 'alice', mode: null })), asked(without))
  const read = exchangeOf('enrollment-v1', 'read, enrolled').request
  assert.deepEqual(asked(enrollmentCall({ username: 'alice', course: DEMO })), asked(read))
  const old = recorded('sequence').find(({ request }) => request.path.endsWith('/alice,edX/Old/2014'))
  assert.equal(enrollmentCall({ username: 'alice', course: 'edX/Old/2014' }).path, old?.request.path)
  assert.equal(enrollmentCall({ username: 'a/,?', course: 'a/b/c' }).path, `${PATH}/a%2F%2C%3F,a/b/c`)
})

test('an answer about another person, course or state is no success', () => {
  const { response } = exchangeOf('enrollment-v1', 'enrol an active person')
  const other = answer(200, response.body)
  assert.equal(verdict(enrollCall({ mode: null, username: 'bob', course: DEMO }).judge(other)), 'misconfigured')
  assert.equal(
    verdict(enrollCall({ mode: null, username: 'alice', course: 'course-v1:a+b+c' }).judge(other)),
    'server_error',
  )
  assert.equal(verdict(enrollmentCall({ username: 'bob', course: DEMO }).judge(other)), 'server_error')
  assert.equal(verdict(enrollmentCall({ username: 'alice', course: 'course-v1:a+b+c' }).judge(other)), 'server_error')
  const inactive = answer(200, { ...Object(response.body), is_active: false })
  assert.equal(verdict(enrollCall({ mode: null, username: 'alice', course: DEMO }).judge(inactive)), 'server_error')
  assert.equal(
    verdict(enrollCall({ mode: null, username: 'alice', course: DEMO }).judge(answer(200, ''))),
    'server_error',
  )
  assert.equal(
    verdict(enrollCall({ mode: null, username: 'alice', course: DEMO }).judge(answer(200, { user: 'alice' }))),
    'server_error',
  )
})
