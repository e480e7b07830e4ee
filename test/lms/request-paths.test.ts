import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { accountByIdCall, accountCall, namesakeCalls, searchEmailsCall } from '../../src/lms/apis/accounts.ts'
import {
  certificateCall,
  certificateCanNameUser,
  gradeCall,
  gradesCall,
  shownCertificatesCall,
} from '../../src/lms/apis/achievements.ts'
import { batchCanName } from '../../src/lms/apis/batch-answer.ts'
import { BULK_AVAILABLE, bulkEnrollCall } from '../../src/lms/apis/bulk-enroll.ts'
import { courseListCall } from '../../src/lms/apis/course-catalogue.ts'
import { addedModesCall, defaultModeCall, modesOnSaleCall } from '../../src/lms/apis/course-modes.ts'
import { COURSE, courseCall } from '../../src/lms/apis/courses.ts'
import {
  changeModeCall,
  courseEnrollmentListCall,
  enrollCall,
  enrollmentCall,
  enrollmentVersionCall,
  unenrollCall,
} from '../../src/lms/apis/enrollment.ts'
import { allowancesCall, allowCall, disallowCall } from '../../src/lms/apis/enrollment-allowed.ts'
import { HEARTBEAT } from '../../src/lms/apis/heartbeat.ts'
import { MODIFY_AVAILABLE, modifyCall, modifyCanName } from '../../src/lms/apis/instructor-enrollments.ts'
import { listCanNameUser } from '../../src/lms/apis/people-lists.ts'
import { tokenRequest } from '../../src/lms/client/token.ts'
import type { LmsRequest } from '../../src/lms/client/transport.ts'
import { canBeCourse } from '../../src/sale/course-key.ts'
import { ENROLL } from './calls.ts'
import { answer } from './recorded.ts'

const ORIGIN = 'https://lms.test'
const PREFIX = '/lms'
const RUNS = { numRuns: 3_000 }

/** Texts that are known to break out of a path, a query or a list, combined at random around a valid key. */
const PIECES = [
  ...['.', '..', '/', '//', '/../', '\\', '\\..\\', '%2e%2e', '%2E%2e', '%2f', '%5c', '%252e', '%00', '%', '..;/'],
  ...['?', '#', '&', '=', 'username=', '@', ':', ';', ',', '+', '|', '"', "'", '<', '>', '{', '}', '[', ']', '^', '`'],
  ...[' ', '\t', '\r\n', '\0', '\u0085', '\u2028', '\ufeff', '\u202e', '\ud800', 'é', '٣', '／', '．．', '🎓'],
  ...[
    'a',
    'B',
    '7',
    '_',
    '-',
    '~',
    'evil.example',
    'https://evil.example/',
    '//evil.example',
    'HTTP/1.1',
    'x'.repeat(99),
  ],
  ...['course-v1:', 'library-v1:', 'edX+DemoX+Demo', 'edX/DemoX/Demo', '+branch@draft', 'alice@example.com'],
]
const hostile = fc.string({ unit: fc.constantFrom(...PIECES), maxLength: 8 })
const part = fc.string({
  unit: fc.constantFrom('.', '..', '%2e', '%2f', '-', '_', 'a', '~', ':', 'é'),
  minLength: 1,
  maxLength: 3,
})
const key = fc.oneof(
  hostile,
  fc.tuple(part, part, part).map((parts) => parts.join('/')),
  fc.tuple(part, part, part).map((parts) => `course-v1:${parts.join('+')}`),
)

/** Keys and names that the client accepts from an answer, whichever server sent it. */
const isTakenKey = (text: string): boolean =>
  courseCall({ key: 'course-v1:a+b+c', username: 'u', shape: COURSE }).judge(answer(200, { course_id: text })).ok
const isTakenName = (text: string): boolean => {
  const account = { username: text, id: 6, email: 'a@x.com', is_active: true }
  return accountCall(account).judge(answer(200, [account])).ok
}
const takenKey = key.filter(isTakenKey)
const takenName = fc.oneof(hostile, part).filter(isTakenName)

/** The URL as a server or a proxy reads it. Fails if it isn't below `route`, or differs from what was written. */
function parsed(request: LmsRequest, route: string): URL {
  const path = PREFIX + request.path
  assert.match(path, /^[\x21-\x7e]+$/)
  const url = new URL(path, ORIGIN)
  assert.deepEqual([url.origin, url.username, url.password, url.hash], [ORIGIN, '', '', ''])
  assert.equal(url.pathname, path.split('?')[0], 'dot segments or the like were resolved')
  assert.ok(url.pathname.startsWith(PREFIX + route), url.pathname)
  for (const segment of url.pathname.slice(PREFIX.length + route.length).split('/')) {
    const decoded = decodeURIComponent(segment)
    assert.ok(decoded !== '.' && decoded !== '..' && !/[/\\\p{Cc}]/u.test(decoded), url.pathname)
  }
  return url
}

function assertQuery(url: URL, query: Record<string, string>): void {
  const sent = Object.entries(query).map(([name, value]) => [name, value.toWellFormed()])
  assert.deepEqual([...url.searchParams], sent)
}

const jsonIn = ({ body }: LmsRequest): unknown => JSON.parse(body?.text ?? 'null')

test('any course key that a shop can send stays within its segment of the path', () => {
  let asked = 0
  const property = fc.property(key, hostile, (sent, username) => {
    if (!canBeCourse(sent)) return
    const request = courseCall({ key: sent, username, shape: COURSE })
    asked++
    const url = parsed(request, '/api/courses/v1/courses/')
    assertQuery(url, { username })
    const segments = url.pathname.split('/').slice(6)
    assert.equal(segments.map(decodeURIComponent).join('/'), sent)
  })
  fc.assert(property, RUNS)
  assert.ok(asked > 100, `only ${asked} keys were asked for`)
})

test('any name of the service user stays within its query parameter', () => {
  const property = fc.property(hostile, (username) => {
    const url = parsed(courseListCall({ username, pageSize: 9 }), '/api/courses/v1/courses/')
    assertQuery(url, { username, page_size: '9' })
  })
  fc.assert(property, RUNS)
})

test('any address stays within its query parameter', () => {
  const property = fc.property(hostile, (email) => {
    assertQuery(parsed(accountCall({ email }), '/api/user/v1/accounts'), { email })
    assertQuery(parsed(allowancesCall({ email }), '/api/enrollment/v1/enrollment_allowed/'), { email })
  })
  fc.assert(property, RUNS)
})

test('a key and a username from an answer of the LMS stay within their segments of the path', () => {
  const property = fc.property(takenName, takenKey, (username, course) => {
    const url = parsed(enrollmentCall({ username, course }), '/api/enrollment/v1/enrollment/')
    assertQuery(url, {})
    const [person = '', ...rest] = url.pathname.slice(`${PREFIX}/api/enrollment/v1/enrollment/`.length).split(',')
    assert.equal(decodeURIComponent(person), username)
    assert.equal(rest.join(',').split('/').map(decodeURIComponent).join('/'), course)
  })
  fc.assert(property, RUNS)
})

test('a key of the settings or of the catalogue stays within its segment of the path of the course modes', () => {
  const property = fc.property(takenKey, (course) => {
    const url = parsed(modesOnSaleCall({ course }), '/api/enrollment/v1/course/')
    assert.equal(defaultModeCall({ course }).path, modesOnSaleCall({ course }).path)
    assertQuery(url, {})
    const rest = url.pathname.slice(`${PREFIX}/api/enrollment/v1/course/`.length)
    assert.equal(rest.split('/').map(decodeURIComponent).join('/'), course)
    const added = parsed(addedModesCall({ course }), '/api/course_modes/v1/courses/')
    assertQuery(added, {})
    const segments = added.pathname.slice(`${PREFIX}/api/course_modes/v1/courses/`.length, -1).split('/')
    assert.equal(segments.map(decodeURIComponent).join('/'), course)
  })
  fc.assert(property, RUNS)
})

test('a key and a username that are asked about a grade or a certificate stay within their places', () => {
  const [GRADE, CERTIFICATE] = ['/api/grades/v1/courses/', '/api/certificates/v0/certificates/']
  let named = 0
  const property = fc.property(takenName, takenKey, (username, course) => {
    const grade = parsed(gradeCall({ username, course }), GRADE)
    assertQuery(grade, { username })
    const segments = grade.pathname.slice(PREFIX.length + GRADE.length, -1).split('/')
    assert.equal(segments.map(decodeURIComponent).join('/'), course)
    if (listCanNameUser(username)) {
      const list = parsed(gradesCall({ usernames: [username], course }), '/api/grades/v1/section_grades_breakdown/')
      assertQuery(list, { course_id: course, username })
    }
    if (!certificateCanNameUser(username)) return
    named++
    const certificate = parsed(certificateCall({ username, course }), CERTIFICATE)
    assertQuery(certificate, {})
    const [person, word, ...rest] = certificate.pathname.slice(PREFIX.length + CERTIFICATE.length, -1).split('/')
    assert.deepEqual([decodeURIComponent(person ?? ''), word], [username, 'courses'])
    assert.equal(rest.map(decodeURIComponent).join('/'), course)
    const all = parsed(shownCertificatesCall({ username }), CERTIFICATE)
    assertQuery(all, {})
    assert.equal(decodeURIComponent(all.pathname.slice(PREFIX.length + CERTIFICATE.length, -1)), username)
  })
  fc.assert(property, RUNS)
  assert.ok(named > 100, `only ${named} names were asked for`)
})

test('no value in a body changes the path or the fields', () => {
  const property = fc.property(hostile, takenKey, fc.option(hostile), (text, course, mode) => {
    const allow = allowCall({ email: text, course })
    assert.equal(parsed(allow, '/api/enrollment/v1/enrollment_allowed/').search, '')
    assert.deepEqual(jsonIn(allow), { email: text, course_id: course, auto_enroll: true })
    const disallow = disallowCall({ email: text, course })
    assert.equal(parsed(disallow, '/api/enrollment/v1/enrollment_allowed/').search, '')
    assert.deepEqual(jsonIn(disallow), { email: text, course_id: course })
    const enroll = enrollCall({ username: text, course, mode })
    assert.equal(parsed(enroll, '/api/enrollment/v1/enrollment').search, '')
    const fields = { user: text, is_active: true, force_enrollment: true, course_details: { course_id: course } }
    assert.deepEqual(jsonIn(enroll), mode === null ? fields : { ...fields, mode })
    const changeMode = changeModeCall({ username: text, course, mode: mode ?? '' })
    assert.equal(parsed(changeMode, '/api/enrollment/v1/enrollment').search, '')
    assert.deepEqual(jsonIn(changeMode), { user: text, mode: mode ?? '', course_details: { course_id: course } })
  })
  fc.assert(property, RUNS)
})

test('no code from a browser changes the path or the other fields of the form', () => {
  const property = fc.property(hostile, hostile, (code, secret) => {
    const grant = { grant_type: 'authorization_code', code }
    const request = tokenRequest({ clientId: 'console', clientSecret: secret }, grant)
    const sent = { ...grant, client_id: 'console', client_secret: secret, token_type: 'jwt' }
    assert.equal(parsed(request, '/oauth2/access_token').search, '')
    const read = Object.entries(sent).map(([name, value]) => [name, value.toWellFormed()])
    assert.deepEqual([...new URLSearchParams(request.body?.text)], read)
  })
  fc.assert(property, RUNS)
})

test('no address and no key adds a person or a course to a bulk call, which has both in lists with commas', () => {
  const name = fc.tuple(hostile, hostile).map(([a, b]) => `${a}@${b}`)
  const emails = fc.uniqueArray(name.filter(batchCanName), { minLength: 1, maxLength: 5 })
  const property = fc.property(emails, fc.uniqueArray(takenKey, { minLength: 1, maxLength: 3 }), (people, courses) => {
    const request = bulkEnrollCall({ ...ENROLL, courses, emails: people })
    assert.equal(parsed(request, '/api/bulk_enroll/v1/bulk_enroll').search, '')
    const body = Object(jsonIn(request))
    assert.deepEqual(Object.keys(body).sort(), [
      'action',
      'auto_enroll',
      'courses',
      'email_students',
      'identifiers',
      'reason',
    ])
    // The LMS splits both at commas, and the people also at white space (recorded: bulk-enroll.json).
    assert.deepEqual(new Set(body.identifiers.split(/[\s,]+/)), new Set(people))
    assert.deepEqual(body.courses.split(','), courses)
  })
  fc.assert(property, RUNS)
})

test('no address adds a name to the look-up of user names, which has them in a list with commas', () => {
  const name = fc.tuple(hostile, hostile).map(([a, b]) => `${a}@${b}`)
  const emails = fc.uniqueArray(name.filter(batchCanName), { minLength: 1, maxLength: 40 })
  const property = fc.property(emails, (people) => {
    const named = namesakeCalls({ emails: people }).flatMap((call) => {
      const url = parsed(call, '/api/user/v1/accounts')
      const names = url.searchParams.get('username') ?? ''
      assertQuery(url, { username: names })
      return names.split(',')
    })
    assert.deepEqual(named, people)
  })
  fc.assert(property, RUNS)
})

test('a course key from an answer of the LMS stays within its segment of the path of modify, and each address is one item', () => {
  const name = fc.tuple(hostile, hostile).map(([a, b]) => `${a}@${b}`)
  const emails = fc.uniqueArray(name.filter(batchCanName), { minLength: 1, maxLength: 5 })
  const property = fc.property(emails, takenKey.filter(modifyCanName), hostile, (people, course, reason) => {
    const request = modifyCall({ ...ENROLL, course, emails: people, reason })
    const url = parsed(request, '/api/instructor/v2/courses/')
    const [segment = '', ...rest] = url.pathname.slice(`${PREFIX}/api/instructor/v2/courses/`.length).split('/')
    assert.deepEqual([decodeURIComponent(segment), ...rest, url.search], [course, 'enrollments', 'modify', ''])
    const { identifier, ...others } = Object(jsonIn(request))
    assert.deepEqual(new Set(identifier), new Set(people))
    assert.deepEqual(others, { action: 'enroll', auto_enroll: true, email_students: false, reason })
  })
  fc.assert(property, RUNS)
})

test('the other requests about several people have no value in their path but those of their query', () => {
  const names = fc.array(part.filter(listCanNameUser), { minLength: 1, maxLength: 5 })
  const property = fc.property(fc.array(hostile), names, takenKey, (emails, usernames, course) => {
    const search = searchEmailsCall({ emails })
    assert.equal(parsed(search, '/api/user/v1/accounts/search_emails').search, '')
    assert.deepEqual(jsonIn(search), { emails })
    const list = parsed(courseEnrollmentListCall({ course, usernames }), '/api/enrollment/v1/enrollments')
    assertQuery(list, { course_id: course, username: usernames.join(','), page_size: '100' })
    const unenroll = unenrollCall({ username: emails[0] ?? '', course })
    assert.equal(parsed(unenroll, '/api/enrollment/v1/enrollment').search, '')
    const fields = { user: emails[0] ?? '', is_active: false, course_details: { course_id: course } }
    assert.deepEqual(jsonIn(unenroll), fields)
  })
  fc.assert(property, RUNS)
})

test('the request for an account by its id has the number alone in its query', () => {
  const property = fc.property(fc.integer(), (id) => {
    assertQuery(parsed(accountByIdCall({ id, username: 'alice' }), '/api/user/v1/accounts'), {
      lms_user_id: String(id),
    })
  })
  fc.assert(property, RUNS)
})

test('each request without input goes to its own route', () => {
  assert.equal(parsed(HEARTBEAT, '/heartbeat').search, '')
  assert.equal(parsed(BULK_AVAILABLE, '/api/bulk_enroll/v1/bulk_enroll').search, '')
  assert.equal(parsed(MODIFY_AVAILABLE, '/api/instructor/v2/courses/').search, '')
  assert.equal(parsed(enrollmentVersionCall(1), '/api/enrollment/v1/enrollment').search, '')
  assert.equal(parsed(enrollmentVersionCall(2), '/api/enrollment/v2/enrollment').search, '')
})

test('every function that builds a request is tested here', () => {
  const room = join(import.meta.dirname, '../../src/lms/apis')
  const sources = globSync('*.ts', { cwd: room }).map((file) => readFileSync(join(room, file), 'utf8'))
  const builders = sources.flatMap((source) =>
    [...source.matchAll(/export (?:function|const) (\w+Calls?)\b/g)].map(([, name = '']) => name),
  )
  const source = readFileSync(import.meta.filename, 'utf8')
  assert.ok(builders.length > 20)
  assert.deepEqual(
    builders.filter((name) => !source.includes(`${name}(`)),
    [],
    'these builders of src/lms/apis are not tested with hostile input: give each a property here',
  )
})
