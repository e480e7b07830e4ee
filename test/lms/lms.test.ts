import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Permit, unlimitedBudget } from '../../src/lms/client/budget.ts'
import { createLms } from '../../src/lms/lms.ts'
import { ENROLL, lmsSettings } from './calls.ts'
import { exchangeOf, verdict } from './recorded.ts'
import { cut, json, jwt, page, type Reply, startScriptedLms, token } from './scripted-lms.ts'

const DEMO = 'course-v1:edX+DemoX+Demo_Course'
const BULK = '/api/bulk_enroll/v1/bulk_enroll'
const COURSE = `GET /api/courses/v1/courses/${encodeURIComponent(DEMO)}`
const ACCOUNT = 'GET /api/user/v1/accounts'

async function start(t: TestContext) {
  const scripted = await startScriptedLms(t)
  const at = { ms: Date.UTC(2026, 10, 24) }
  const lms = createLms({
    settings: lmsSettings(scripted.url),
    concurrency: () => 2,
    now: () => at.ms,
  })
  t.after(() => lms.close())
  return { scripted, lms, at }
}

/** The recorded answer as a reply. */
function replay(file: string, name: string): Reply {
  const { status, headers, body } = exchangeOf(file, name).response
  const { 'content-type': type, ...rest } = headers
  return type?.startsWith('text/html') ? page(status, 'Page not found', rest) : json(status, body, rest)
}

function permit(): Promise<Permit> {
  return unlimitedBudget().acquire(new AbortController().signal)
}

test('a call carries the token as a JWT, and a course is requested as the service user', async (t) => {
  const { scripted, lms } = await start(t)
  scripted.on(COURSE, replay('courses', 'a course'))
  assert.deepEqual(verdict(await lms.course(DEMO)), { key: DEMO })
  const [seen] = scripted.seenAt(COURSE)
  assert.equal(seen?.headers.authorization, `JWT ${jwt('first')}`)
  assert.match(seen?.url ?? '', /\?username=lernito_service$/)
  assert.deepEqual(verdict(await lms.serviceUser()), { username: 'lernito_service', administrator: true })
  assert.equal(scripted.seenAt('POST /oauth2/access_token').length, 1)
})

test('a course is kept for 30 s and requested again on demand; a missing course is never remembered', async (t) => {
  const { scripted, lms, at } = await start(t)
  scripted.on(COURSE, replay('courses', 'no such course'), replay('courses', 'a course'))
  const asked = async (since = 0) => {
    const found = verdict(await lms.course(DEMO, since))
    return [found, scripted.seenAt(COURSE).length]
  }
  assert.deepEqual(await asked(), [null, 1])
  assert.deepEqual(await asked(), [{ key: DEMO }, 2])
  at.ms += 29_999
  assert.deepEqual(await asked(), [{ key: DEMO }, 2])
  assert.deepEqual(await asked(at.ms), [{ key: DEMO }, 3])
  at.ms += 30_000
  assert.deepEqual(await asked(), [{ key: DEMO }, 4])
})

test('a course whose key is impossible is missing, and the LMS is not asked', async (t) => {
  const { scripted, lms } = await start(t)
  for (const key of ['../../..', 'nonsense', 'a/b/c?d']) assert.equal(verdict(await lms.course(key)), null)
  assert.deepEqual(scripted.seen, [])
})

const CCX = 'ccx-v1:edX+DemoX+Demo_Course+ccx@1'
const ccxRoute = `GET /api/courses/v1/courses/${encodeURIComponent(CCX)}`

test('a CCX key at which the LMS fails is a missing course if the LMS answers for the course that it was made from', async (t) => {
  const { scripted, lms } = await start(t)
  scripted.on(ccxRoute, page(500, 'Server error'))
  for (const beside of ['a course', 'no such course']) {
    scripted.on(COURSE, replay('courses', beside))
    assert.equal(verdict(await lms.course(CCX)), null, beside)
    assert.equal(verdict(await lms.catalogueCourse(CCX)), null, 'for the catalogue too')
  }
  assert.equal(scripted.seenAt(COURSE)[0]?.url.startsWith(COURSE.slice(4)), true)
})

test('a CCX key is a failure while the LMS fails elsewhere too, and a course once the LMS answers for it', async (t) => {
  const { scripted, lms } = await start(t)
  scripted.on(ccxRoute, page(500, 'Server error'))
  scripted.on(COURSE, page(500, 'Server error'))
  assert.equal(verdict(await lms.course(CCX)), 'server_error')
  scripted.on(COURSE, replay('courses', 'a course'))
  scripted.on(ccxRoute, page(500, 'Server error'), json(200, { course_id: CCX }))
  assert.deepEqual(verdict(await lms.course(CCX)), { key: CCX })
})

test('a failure at any other key doesn’t mean a missing course', async (t) => {
  const { scripted, lms } = await start(t)
  scripted.on(COURSE, page(500, 'Server error'))
  assert.equal(verdict(await lms.course(DEMO)), 'server_error')
  assert.equal(scripted.seenAt(COURSE).length, 1)
})

test('a refused token is renewed once, and the call is sent again with the new one', async (t) => {
  const { scripted, lms } = await start(t)
  scripted.on('POST /oauth2/access_token', token('first'), token('second'))
  scripted.on(ACCOUNT, replay('accounts', 'no authorization'), replay('accounts', 'active person'))
  assert.deepEqual(verdict(await lms.account('alice@example.com')), { status: 'active', username: 'alice', id: 6 })
  assert.deepEqual(
    scripted.seenAt(ACCOUNT).map(({ headers }) => headers.authorization),
    [`JWT ${jwt('first')}`, `JWT ${jwt('second')}`],
  )
})

test('calls refused with the same token share one renewal', async (t) => {
  const { scripted, lms } = await start(t)
  scripted.on('POST /oauth2/access_token', token('first'), token('second'), token('third'))
  const answers = replay('accounts', 'active person')
  scripted.on(ACCOUNT, (response, seen) => {
    const refused = seen.headers.authorization === `JWT ${jwt('first')}`
    const reply = refused ? replay('accounts', 'no authorization') : answers
    reply(response, seen)
  })
  const judged = await Promise.all([1, 2, 3, 4].map(() => lms.account('alice@example.com')))
  assert.ok(judged.every(({ ok }) => ok))
  assert.equal(scripted.seenAt('POST /oauth2/access_token').length, 2)
})

test('a refused new token is a misconfiguration', async (t) => {
  const { scripted, lms } = await start(t)
  scripted.on('POST /oauth2/access_token', token('first'), token('second'))
  scripted.on(ACCOUNT, replay('accounts', 'no authorization'))
  const judged = await lms.account('alice@example.com')
  assert.ok(!judged.ok)
  assert.deepEqual([judged.failure.kind, judged.failure.status], ['misconfigured', 401])
  assert.equal(scripted.seenAt(ACCOUNT).length, 2)
})

test('without a token, no API is called, and the result is the failure of the token endpoint', async (t) => {
  const { scripted, lms } = await start(t)
  scripted.on('POST /oauth2/access_token', replay('oauth', 'wrong client secret'), cut)
  const refused = await lms.account('alice@example.com')
  assert.ok(!refused.ok)
  assert.deepEqual([refused.failure.kind, refused.failure.endpoint], ['misconfigured', '/oauth2/access_token'])
  assert.ok(!refused.failure.message.includes('lernito-client-secret'))
  assert.equal(verdict(await lms.enroll(await permit(), { username: 'a', course: DEMO, mode: null })), 'unreachable')
  assert.ok(scripted.seen.every(({ url }) => url === '/oauth2/access_token'))
})

test('bulk_enroll is detected without a token, and the result is kept until a call finds it gone', async (t) => {
  const { scripted, lms, at } = await start(t)
  const off = replay('bulk-enroll-off', 'GET, when the flag is off, no authorization')
  scripted.on(`GET ${BULK}`, replay('bulk-enroll', 'GET, no authorization'), off)
  assert.equal(verdict(await lms.bulkAvailable()), true)
  at.ms += 299_999
  assert.equal(verdict(await lms.bulkAvailable()), true)
  assert.equal(scripted.seenAt(`GET ${BULK}`)[0]?.headers.authorization, undefined)
  scripted.on(`POST ${BULK}`, replay('bulk-enroll-off', 'bulk enrolment when the flag is off'))
  const call = { ...ENROLL, courses: [DEMO], emails: ['alice@example.com'] }
  assert.equal(verdict(await lms.bulkEnroll(await permit(), call)), 'misconfigured')
  assert.equal(verdict(await lms.bulkAvailable()), false)
})

const MODIFY = (course: string): string =>
  `POST /api/instructor/v2/courses/${encodeURIComponent(course)}/enrollments/modify`
const NEWER = '../lms-newer/enrollments-modify'

test('modify is detected without a token, and looked for again after 5 min, or when a call finds it gone', async (t) => {
  const { scripted, lms, at } = await start(t)
  const probe = MODIFY('course-v1:x+y+z')
  const there = replay(NEWER, 'no authorization, a placeholder key (probe without knowing a course)')
  const gone = replay(NEWER, 'a path that does not exist below it, no authorization')
  scripted.on(probe, gone, there, there, gone)
  assert.equal(verdict(await lms.modifyAvailable()), false)
  at.ms += 299_999
  assert.equal(verdict(await lms.modifyAvailable()), false)
  at.ms += 1
  assert.equal(verdict(await lms.modifyAvailable()), true)
  assert.ok(scripted.seenAt(probe).every(({ headers }) => headers.authorization === undefined))

  const call = { ...ENROLL, course: DEMO, emails: ['n1@example.com'] }
  scripted.on(MODIFY(DEMO), replay(NEWER, 'an unknown address'), page(404, 'Page not found'))
  assert.equal((await lms.modify(call)).ok, true)
  assert.equal(verdict(await lms.modify(call)), 'misconfigured')
  await lms.modifyAvailable()
  assert.equal(verdict(await lms.modifyAvailable()), true)
  assert.equal(scripted.seenAt(probe).length, 3)
})

test('a missing course says nothing about whether the LMS has modify', async (t) => {
  const { scripted, lms } = await start(t)
  const probe = MODIFY('course-v1:x+y+z')
  scripted.on(probe, replay(NEWER, 'no authorization, a placeholder key (probe without knowing a course)'))
  scripted.on(MODIFY(DEMO), replay(NEWER, 'no such course'))
  await lms.modifyAvailable()
  assert.equal(verdict(await lms.modify({ ...ENROLL, course: DEMO, emails: ['n1@example.com'] })), null)
  await lms.modifyAvailable()
  assert.equal(scripted.seenAt(probe).length, 1)
})

test('a call that the LMS throttles spends its permit, which is good for one call', async (t) => {
  const { scripted, lms } = await start(t)
  scripted.on(`POST ${BULK}`, replay('throttle', 'the 121st call within a minute'))
  const once = await permit()
  const call = { ...ENROLL, courses: [DEMO], emails: ['alice@example.com'] }
  const judged = await lms.bulkEnroll(once, call)
  assert.ok(!judged.ok)
  assert.deepEqual([judged.failure.kind, judged.failure.retryAfterMs], ['throttled', 58_000])
  await assert.rejects(lms.bulkEnroll(once, call), /one call/)
  assert.equal(scripted.seenAt(`POST ${BULK}`).length, 1)
})

test('the heartbeat needs no token', async (t) => {
  const { scripted, lms } = await start(t)
  scripted.on('GET /heartbeat', replay('bulk-enroll-off', 'heartbeat'), page(503, 'down'))
  assert.equal(verdict(await lms.heartbeat()), true)
  assert.equal(verdict(await lms.heartbeat()), 'unreachable')
  assert.ok(scripted.seen.every(({ headers }) => headers.authorization === undefined))
})
