import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  certificateCall,
  certificateCanNameUser,
  GRADES,
  gradeCall,
  gradesCall,
  groupsForGrades,
  shownCertificatesCall,
} from '../../src/lms/apis/achievements.ts'
import { DEMO } from '../harness.ts'
import { answer, answerOf, asked, type Exchange, exchangeOf, recorded, verdict } from './recorded.ts'

const ALICE = { course: DEMO, username: 'alice' }
const PEOPLE = { course: DEMO, usernames: ['alice', 'dave'] }

function judged(exchange: Exchange): unknown {
  const given = answerOf(exchange)
  if (exchange.name.startsWith('certificates')) {
    const found = verdict(shownCertificatesCall({ username: 'alice' }).judge(given))
    return found instanceof Set ? [...found] : found
  }
  if (exchange.name.startsWith('certificate:')) return verdict(certificateCall(ALICE).judge(given))
  if (exchange.name.startsWith('grade:')) return verdict(gradeCall(ALICE).judge(given))
  const grades = verdict(gradesCall(PEOPLE).judge(given))
  return grades instanceof Map ? Object.fromEntries(grades) : grades
}

test('outcomes.json: every quoted answer is judged', () => {
  assert.deepEqual(Object.fromEntries(recorded('outcomes').map((exchange) => [exchange.name, judged(exchange)])), {
    'grades: of two people, one of whom has passed': {
      alice: { passed: true, percent: 83 },
      dave: { passed: false, percent: 0 },
    },
    'grades: nobody in it': {},
    'grades: no such course': {},
    'grades: an invalid user name': 'server_error',
    'grades: non-staff application': 'misconfigured',
    'grade: of one person': { passed: true, percent: 83 },
    'grade: not enrolled': null,
    'grade: unknown': null,
    'certificate: issued': {
      status: 'issued',
      url: '/certificates/<uuid>',
      createdAt: Date.UTC(2026, 10, 24, 14, 19, 14),
    },
    'certificates: that can be seen': [DEMO],
    'certificates: none that can be seen': [],
    'certificates: nobody': [],
    'certificate: being made': { status: 'unclear' },
    'certificate: invalidated': { status: 'invalid' },
    'certificate: none': { status: 'none' },
    'certificate: of a deleted course': { status: 'none' },
    'certificate: the course has no active certificate': { status: 'unclear' },
    'certificates: non-staff application': 'misconfigured',
    'certificate: non-staff application': 'misconfigured',
  })
})

test('requests for grades and certificates are as quoted', () => {
  const quoted = (name: string) => asked(exchangeOf('outcomes', name).request)
  assert.deepEqual(asked(gradesCall(PEOPLE)), quoted('grades: of two people, one of whom has passed'))
  assert.deepEqual(asked(gradeCall(ALICE)), quoted('grade: of one person'))
  assert.deepEqual(asked(certificateCall(ALICE)), quoted('certificate: issued'))
  assert.deepEqual(asked(shownCertificatesCall(ALICE)), quoted('certificates: that can be seen'))
})

test('an answer about somebody else, or another course, or with more pages is not understood', () => {
  const row = { course_id: DEMO, username: 'alice', passed: true, current_grade: 83 }
  const grades = (rows: object[], next: string | null = null) =>
    verdict(gradesCall(PEOPLE).judge(answer(200, { next, results: rows })))
  assert.ok(grades([row]) instanceof Map)
  const wrong = [[{ ...row, username: 'eve' }], [{ ...row, course_id: 'course-v1:a+b+c' }], [{ ...row, passed: 'yes' }]]
  for (const rows of wrong) assert.equal(grades(rows), 'server_error')
  assert.equal(grades([row], 'http://lms.test/?cursor=x'), 'server_error')
  const one = { course_id: DEMO, username: 'eve', passed: true, percent: 0.5 }
  assert.equal(verdict(gradeCall(ALICE).judge(answer(200, [one]))), 'server_error')
  const certificate = { username: 'eve', course_id: DEMO, status: 'downloadable', is_passing: true, download_url: null }
  const full = { ...certificate, created_date: '2026-11-24T14:19:14Z' }
  assert.equal(verdict(certificateCall(ALICE).judge(answer(200, full))), 'server_error')
  assert.equal(verdict(shownCertificatesCall(ALICE).judge(answer(200, [full]))), 'server_error')
})

test('a page instead of JSON proves nothing', () => {
  const page = '<html>Page not found</html>'
  for (const [status, kind] of [
    [404, 'misconfigured'],
    [200, 'server_error'],
    [500, 'server_error'],
  ] as const) {
    assert.equal(verdict(gradesCall(PEOPLE).judge(answer(status, page))), kind)
    assert.equal(verdict(gradeCall(ALICE).judge(answer(status, page))), kind)
    assert.equal(verdict(certificateCall(ALICE).judge(answer(status, page))), kind)
    assert.equal(verdict(shownCertificatesCall(ALICE).judge(answer(status, page))), kind)
  }
})

test('people are divided by what a call holds, and a user name that the LMS refuses is never sent', () => {
  const names = Array.from({ length: 120 }, (_, n) => `buyer${n}`)
  const sizes = groupsForGrades({ course: DEMO, usernames: names }).map((group) => group.length)
  assert.deepEqual(sizes, [GRADES, GRADES, 20])
  const long = names.map((name) => name.padEnd(150, 'x'))
  for (const group of groupsForGrades({ course: DEMO, usernames: long })) gradesCall({ course: DEMO, usernames: group })
  assert.throws(() => gradesCall({ course: DEMO, usernames: ['a.b'] }))
  assert.throws(() => gradesCall({ course: DEMO, usernames: names }))
  assert.deepEqual(['a.b', 'ä b', 'a/b', 'a?b', '..', ''].map(certificateCanNameUser), [
    true,
    true,
    false,
    false,
    false,
    false,
  ])
  assert.throws(() => certificateCall({ course: DEMO, username: 'a/b' }))
})
