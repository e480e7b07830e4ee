import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { unlimitedBudget } from '../../src/lms/client/budget.ts'
import { createLms } from '../../src/lms/lms.ts'
import { startProduct } from '../harness.ts'
import { ENROLL, lmsSettings } from './calls.ts'
import { json, page, type ScriptedLms, startScriptedLms } from './scripted-lms.ts'

const COURSE = 'course-v1:edX+DemoX+Demo_Course'
const SECRET = 'lernito-client-secret'

function lmsAt(t: TestContext, scripted: ScriptedLms) {
  const lms = createLms({ settings: lmsSettings(scripted.url), concurrency: () => 2 })
  t.after(() => lms.close())
  return lms
}

/** All calls of the client, one after another. */
async function askAll(lms: ReturnType<typeof createLms>): Promise<boolean[]> {
  const permit = () => unlimitedBudget().acquire(new AbortController().signal)
  const person = { email: 'alice@example.com', username: 'alice', course: COURSE, mode: 'audit' }
  const answers = [
    await lms.serviceUser(),
    await lms.heartbeat(),
    await lms.bulkAvailable(),
    await lms.course(COURSE),
    await lms.account(person.email),
    await lms.bulkEnroll(await permit(), { ...ENROLL, courses: [COURSE], emails: [person.email] }),
    await lms.enrollment(await permit(), person),
    await lms.enroll(await permit(), person),
    await lms.allow(await permit(), person),
    await lms.allowances(await permit(), person),
    await lms.disallow(await permit(), person),
    await lms.enrollmentsOfCourse(await permit(), { course: COURSE, usernames: ['alice'] }),
    await lms.unenroll(await permit(), person),
    await lms.changeMode(await permit(), person),
    await lms.modifyAvailable(),
    await lms.modify({ ...ENROLL, course: COURSE, emails: [person.email] }),
    await lms.searchEmails([person.email]),
    await lms.takenAsUsernames([person.email]),
    await lms.accountById({ id: 1, username: 'alice' }),
    await lms.coursePage(await permit(), 1),
    await lms.catalogueCourse(COURSE),
    await lms.addedModes(COURSE),
    await lms.defaultMode(COURSE),
    await lms.grades({ course: COURSE, usernames: ['alice'] }),
    await lms.grade(person),
    await lms.certificate(person),
    await lms.shownCertificates(person),
  ]
  assert.equal(Object.keys(lms).length, answers.length + 1, 'the client has a call that is not asked here')
  return answers.map(({ ok }) => ok)
}

const modifyPath = (course: string): string =>
  `/api/instructor/v2/courses/${encodeURIComponent(course)}/enrollments/modify`

const ROUTES = [
  'GET /heartbeat',
  'GET /api/bulk_enroll/v1/bulk_enroll',
  'POST /api/bulk_enroll/v1/bulk_enroll',
  `GET /api/courses/v1/courses/${encodeURIComponent(COURSE)}`,
  'GET /api/user/v1/accounts',
  `GET /api/enrollment/v1/enrollment/alice,${encodeURIComponent(COURSE)}`,
  'POST /api/enrollment/v1/enrollment',
  'POST /api/enrollment/v1/enrollment_allowed/',
  'GET /api/enrollment/v1/enrollment_allowed/',
  'DELETE /api/enrollment/v1/enrollment_allowed/',
  'GET /api/enrollment/v1/enrollments',
  'POST /api/enrollment/v1/enrollment', // to unenroll
  'POST /api/enrollment/v1/enrollment', // to change the mode
  `POST ${modifyPath('course-v1:x+y+z')}`,
  `POST ${modifyPath(COURSE)}`,
  'POST /api/user/v1/accounts/search_emails',
  'GET /api/user/v1/accounts', // by user name
  'GET /api/user/v1/accounts', // by id
  'GET /api/courses/v1/courses/', // a page of the catalogue
  `GET /api/courses/v1/courses/${encodeURIComponent(COURSE)}`, // a course of the catalogue
  `GET /api/course_modes/v1/courses/${encodeURIComponent(COURSE)}/`,
  `GET /api/enrollment/v1/course/${encodeURIComponent(COURSE)}`, // for the default mode
  'GET /api/grades/v1/section_grades_breakdown/',
  `GET /api/grades/v1/courses/${encodeURIComponent(COURSE)}/`,
  `GET /api/certificates/v0/certificates/alice/courses/${encodeURIComponent(COURSE)}/`,
  'GET /api/certificates/v0/certificates/alice/',
]

for (const status of [301, 302, 303, 307, 308]) {
  test(`no call follows a ${status} to another host, and the other host gets nothing`, async (t) => {
    const [scripted, other] = [await startScriptedLms(t), await startScriptedLms(t)]
    for (const route of ROUTES) scripted.on(route, page(status, '', { location: `${other.url}/steal` }))
    const answers = await askAll(lmsAt(t, scripted))
    assert.deepEqual(answers, [true, ...ROUTES.map(() => false)])
    scripted.on('POST /oauth2/access_token', page(status, '', { location: `${other.url}/steal` }))
    assert.equal((await lmsAt(t, scripted).serviceUser()).ok, false)
    assert.equal(scripted.seen.length, 2 + ROUTES.length)
    assert.deepEqual(other.seen, [])
  })
}

test('the token is in one header, the client secret in one body, and neither in an address', async (t) => {
  const scripted = await startScriptedLms(t)
  await askAll(lmsAt(t, scripted))
  assert.equal(scripted.seen.length, 1 + ROUTES.length)
  for (const { url, headers, body } of scripted.seen) {
    const { authorization, ...others } = headers
    const isTokenCall = url === '/oauth2/access_token'
    assert.equal(body.includes(SECRET), isTokenCall)
    assert.doesNotMatch(url + JSON.stringify(others), /eyJ|lernito-client/)
    const anonymous = isTokenCall || url === '/heartbeat' || authorization === undefined
    assert.match(authorization ?? '', anonymous ? /^$/ : /^JWT eyJ/)
  }
})

test('an LMS that refuses every token gets two token requests, not two for each sale', async (t) => {
  const product = await startProduct({ env: { LERNITO_ANSWER_WITHIN_MS: '20000' } })
  t.after(() => product.stop())
  // The probe has to be refused too: who is refused one API only is blocked by something in front of the LMS.
  const refusing = ['/api/courses/v1/courses/{id}', '/api/enrollment/v1/enrollment_allowed/']
  await product.lms.faults(refusing.map((path) => ({ path, status: 401 })))
  const buyers = Array.from({ length: 50 }, (_, i) => ({ email: `buyer${i}@example.com`, courseIds: [`a/b/${i}`] }))
  const answers = await Promise.all(buyers.map((buyer) => product.sell(buyer)))
  assert.ok(answers.every(({ status }) => status === 500))
  const count = async (path: string): Promise<number> =>
    (await product.lms.calls()).filter((call) => call.path === path).reduce((sum, call) => sum + call.count, 0)
  const tokens = await count('/oauth2/access_token')
  assert.equal(tokens, 2)
  assert.ok((await count('/api/courses/v1/courses/{id}')) <= 2 * buyers.length)
  const { state, reason } = product.log.find(({ msg }) => String(msg).startsWith('LMS unavailable')) ?? {}
  assert.deepEqual([state, /refuses a token that it just gave/.test(String(reason))], ['misconfigured', true])
})

test('a token that comes back in the message of an error is left out', async (t) => {
  const scripted = await startScriptedLms(t)
  scripted.on('POST /api/enrollment/v1/enrollment', (response, seen) =>
    json(400, { message: `bad request with ${JSON.stringify(seen.headers)}` })(response, seen),
  )
  const lms = lmsAt(t, scripted)
  const permit = await unlimitedBudget().acquire(new AbortController().signal)
  const judged = await lms.enroll(permit, { username: 'alice', course: COURSE, mode: null })
  assert.ok(!judged.ok && judged.failure.kind === 'refused')
  assert.match(judged.failure.message, /"authorization":"JWT \(a token\)"/)
  assert.doesNotMatch(judged.failure.message, /eyJ/)
})
