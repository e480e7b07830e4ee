import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CAUSE_GROUPS } from '../../src/doctor/check.ts'
import { DEMO } from '../harness.ts'
import { startLms } from '../service/serving.ts'
import { type Case, envFor, examined, inWorld, problemOf, resultOf, standIn, testCauses } from './examining.ts'

const HONOR = 'course-v1:Lernito+Honor+2026'

const CASES: Readonly<Record<keyof typeof CAUSE_GROUPS.enrolling, Case>> = {
  'bulk.off': {
    rule: 'an LMS without ENABLE_BULK_ENROLLMENT_VIEW and without enrollments/modify',
    found: 'lms.bulk_enroll',
    broken: standIn({ lms: { bulk: false, modify: false }, env: { LERNITO_LMS_CALLS_PER_MINUTE: '110' } }),
  },
  'bulk.off_without_budget': {
    rule: 'an LMS without bulk_enroll and enrollments/modify, and no call budget',
    found: 'lms.bulk_enroll',
    broken: standIn({ lms: { bulk: false, modify: false }, env: { LERNITO_LMS_CALLS_PER_MINUTE: '0' } }),
  },
  'throttle.above_stock': {
    rule: 'more calls a minute than a stock LMS allows',
    found: 'lms.throttle',
    broken: standIn({ env: { LERNITO_LMS_CALLS_PER_MINUTE: '121' } }),
  },
  'throttle.unlimited': {
    rule: 'no limit on calls',
    found: 'lms.throttle',
    broken: standIn({ env: { LERNITO_LMS_CALLS_PER_MINUTE: '0' } }),
  },
  'mode.missing': {
    rule: 'a course that lacks the mode of LERNITO_COURSE_MODE',
    found: 'lms.course_mode',
    broken: standIn({ env: { LERNITO_COURSE_MODE: `${HONOR}=verified,${DEMO}=verified` } }),
  },
  'mode.no_course': {
    rule: 'a course of LERNITO_COURSE_MODE that the LMS does not have',
    found: 'lms.course_mode',
    broken: standIn({ env: { LERNITO_COURSE_MODE: 'course-v1:No+Such+Course=verified' } }),
  },
  'mode.throttled': {
    rule: 'an LMS that tells no more modes now',
    found: 'lms.course_mode',
    broken: standIn({
      faults: [{ path: '/api/enrollment/v1/course/{course_id}', status: 429 }],
      env: { LERNITO_COURSE_MODE: `${HONOR}=verified,${DEMO}=audit` },
    }),
  },
  'mails.without_batches': {
    rule: 'LERNITO_EMAIL_STUDENTS at an LMS that has only the single APIs',
    found: 'lms.email_students',
    broken: standIn({ lms: { bulk: false, modify: false }, env: { LERNITO_EMAIL_STUDENTS: 'on' } }),
  },
}

testCauses(CAUSE_GROUPS.enrolling, CASES)

test('with modes that the courses have, and mails that the LMS can be asked for, both checks pass', async (t) => {
  const env = { LERNITO_COURSE_MODE: `${HONOR}=verified`, LERNITO_EMAIL_STUDENTS: 'on' }
  const results = await standIn({ env })(t)
  assert.deepEqual(resultOf(results, 'lms.course_mode').detail, '1 of 1 courses checked')
  assert.match(resultOf(results, 'lms.email_students').detail ?? '', /whether the LMS can send them cannot be checked/)
})

/** Checks one mode for all courses at an LMS with these courses, each with its modes. */
const oneModeAt = (modes: readonly (readonly string[])[]): Case['broken'] =>
  inWorld(
    () => ({ courses: modes.map((of, i) => ({ id: `course-v1:Lernito+M${i}+2026`, name: `${i}`, modes: [...of] })) }),
    { LERNITO_COURSE_MODE: 'verified' },
  )

test('one mode for all courses is checked at each course that the LMS lists', async (t) => {
  const results = await oneModeAt([['audit', 'verified'], ['audit'], ['verified'], ['honor']])(t)
  assert.match(
    problemOf(results, 'lms.course_mode'),
    /^mode\.missing: [^:]*course-v1:Lernito\+M1\+.*mode\.missing: .*M3\+/,
  )
  const good = await oneModeAt([['audit', 'verified'], ['verified']])(t)
  assert.equal(resultOf(good, 'lms.course_mode').detail, '2 of 2 courses checked')
})

test('of more than 20 courses, the check says how many it has seen, and that the others may lack the mode', async (t) => {
  const results = await oneModeAt(Array.from({ length: 25 }, () => ['audit', 'verified']))(t)
  assert.equal(resultOf(results, 'lms.course_mode').detail, '20 of 25 courses checked; the others may lack the mode')
})

test('an LMS with enrollments/modify needs no bulk_enroll', async (t) => {
  const results = await standIn({ lms: { bulk: false } })(t)
  assert.equal(resultOf(results, 'lms.bulk_enroll').detail, 'one call of enrollments/modify enrolls up to 50 people')
})

test('an LMS whose course modes can’t be read is asked once, not for each course, and the problem is shown once', async (t) => {
  const faults = [{ path: '/api/enrollment/v1/course/{course_id}', status: 500 }]
  const results = await standIn({ faults, env: { LERNITO_COURSE_MODE: `${DEMO}=audit,${HONOR}=verified` } })(t)
  assert.match(problemOf(results, 'lms.course_mode'), /^call\.failed: [^:]*$/)
})

test('the modes of courses are read without the service user, so a service that runs the checks pays nothing for them', async (t) => {
  const { url } = await startLms(t)
  const env = { ...envFor({ t, lmsUrl: url }), LERNITO_COURSE_MODE: `${HONOR}=verified,${DEMO}=audit` }
  const results = await examined({ env, acquire: async () => false })
  assert.equal(resultOf(results, 'lms.course_mode').detail, '2 of 2 courses checked')
})
