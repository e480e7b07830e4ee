import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { LMS_CAUSES } from '../../src/doctor/causes-lms.ts'
import type { Result } from '../../src/doctor/examine.ts'
import { exchange } from '../harness.ts'
import { json, startScriptedLms } from '../openedx/scripted-lms.ts'
import { getToken } from '../sandbox/recording.ts'
import { startHoldingLms, startLms } from '../service/serving.ts'
import {
  answering,
  type Case,
  envFor,
  examined,
  inWorld,
  NO_OPENSSL,
  nobody,
  resultOf,
  selfSigned,
  silent,
  standIn,
  testCauses,
} from './examining.ts'

const ACCOUNTS = '/api/user/v1/accounts'
const TOKEN = '/oauth2/access_token'
const COURSES = '/api/courses/v1/courses/'

/** Something other than an LMS at LERNITO_LMS_URL. */
const lmsAt = (url: string): Case['broken'] => {
  return async (t) => examined({ env: envFor({ t, lmsUrl: url }) })
}

/** A throttle of one call a minute, which somebody else has just made as the same user. */
async function throttled(t: TestContext): Promise<Result[]> {
  const lms = await startLms(t, { throttle: 1 })
  const token = await getToken({ url: lms.url, client: 'lernito' })
  const url = `${lms.url}/api/enrollment/v1/enrollment_allowed/?email=x%40example.com`
  const first = await exchange({ url, method: 'GET', headers: { authorization: `JWT ${token}` } })
  assert.equal(first.status, 200)
  return examined({ env: envFor({ t, lmsUrl: lms.url }) })
}

const CASES: Readonly<Record<keyof typeof LMS_CAUSES, Case>> = {
  'lms.dns': { rule: 'a host that does not resolve', found: 'lms', broken: lmsAt('http://no-such-host.invalid') },
  'lms.refused': {
    rule: 'a port at which nothing listens',
    found: 'lms',
    broken: async (t) => lmsAt(`http://${await nobody(t)}`)(t),
  },
  'lms.tls': {
    rule: 'a certificate that nobody vouches for',
    found: 'lms',
    broken: async (t) => lmsAt(`https://${await selfSigned(t)}`)(t),
    ...(NO_OPENSSL === undefined ? {} : { skip: NO_OPENSSL }),
  },
  'lms.timeout': {
    rule: 'a port that takes the connection and says nothing',
    found: 'lms',
    broken: async (t) => {
      const env = envFor({ t, lmsUrl: `http://${await silent(t)}` })
      return examined({ env, deadlines: { callMs: 300, totalMs: 3_000 } })
    },
  },
  'lms.cut': {
    rule: 'a port that cuts every connection',
    found: 'lms',
    broken: async (t) => lmsAt(`http://${await silent(t, (socket) => socket.destroy())}`)(t),
  },
  'lms.redirects': {
    rule: 'an address that redirects to https',
    found: 'lms',
    broken: async (t) => {
      const host = await answering(t, 301, { location: 'https://lms.example.com/heartbeat' })
      return lmsAt(`http://${host}`)(t)
    },
  },
  'lms.refuses_host': {
    rule: 'a host that is not in ALLOWED_HOSTS',
    found: 'lms',
    broken: standIn({ faults: [{ path: '/heartbeat', status: 400 }] }),
  },
  'lms.unavailable': {
    rule: 'a proxy without an LMS behind it',
    found: 'lms',
    broken: standIn({ faults: [{ status: 502 }] }),
  },
  'lms.broken': {
    rule: 'an LMS whose database is away',
    found: 'lms',
    broken: standIn({
      faults: [
        {
          path: '/heartbeat',
          status: 503,
          body: { sql: { status: false, message: 'x' }, modulestore: { status: true } },
        },
      ],
    }),
  },
  'lms.not_lms': {
    rule: 'a site that has no heartbeat',
    found: 'lms',
    broken: standIn({ faults: [{ path: '/heartbeat', status: 200, body: '<html>Welcome</html>' }] }),
  },
  'token.invalid_client': {
    rule: 'a wrong client secret',
    found: 'lms.token',
    broken: standIn({ env: { LERNITO_LMS_CLIENT_SECRET: 'another' } }),
  },
  'token.grant_type': {
    rule: 'the application of the console instead of that of the service',
    found: 'lms.token',
    broken: standIn({
      env: { LERNITO_LMS_CLIENT_ID: 'console-client', LERNITO_LMS_CLIENT_SECRET: 'console-client-secret' },
    }),
  },
  'token.rate_limited': {
    rule: 'too many tokens asked for from this address',
    found: 'lms.token',
    broken: standIn({ faults: [{ path: TOKEN, status: 403 }] }),
  },
  'token.not_jwt': {
    rule: 'an LMS that knows no JWT',
    found: 'lms.token',
    broken: standIn({
      faults: [
        {
          path: TOKEN,
          body: { access_token: 'opaque', expires_in: 36000, token_type: 'Bearer', scope: 'read write email profile' },
        },
      ],
    }),
  },
  'token.refused': {
    rule: 'an application without a user',
    found: 'lms.token',
    broken: inWorld(({ applications }) => ({ applications: applications.map(({ user: _user, ...rest }) => rest) })),
  },
  'staff.not_staff': {
    rule: 'an application whose user is not staff',
    found: 'lms.staff',
    broken: standIn({
      env: { LERNITO_LMS_CLIENT_ID: 'plain-client', LERNITO_LMS_CLIENT_SECRET: 'plain-client-secret' },
    }),
  },
  'call.forbidden': {
    rule: 'an API that refuses the service user',
    found: 'lms.accounts',
    broken: standIn({ faults: [{ path: ACCOUNTS, status: 403, body: { detail: 'You do not have permission' } }] }),
  },
  'call.missing': {
    rule: 'a site without this API, such as Studio',
    found: 'lms.courses',
    broken: standIn({ faults: [{ path: COURSES, status: 404 }] }),
  },
  'call.token_refused': {
    rule: 'an API that refuses the token that the LMS gave',
    found: 'lms.accounts',
    broken: standIn({ faults: [{ path: ACCOUNTS, status: 401, body: { detail: 'Token has expired.' } }] }),
  },
  'call.throttled': {
    rule: 'a throttle that others have used up',
    found: 'lms.enrollment',
    broken: throttled,
  },
  'call.timeout': {
    rule: 'an API that hangs while the heartbeat is well',
    found: 'lms.accounts',
    broken: async (t) => {
      const lms = await startHoldingLms(t)
      await lms.faults([{ path: ACCOUNTS, delayMs: 1 }])
      return examined({ env: envFor({ t, lmsUrl: lms.url }), deadlines: { callMs: 2_000, totalMs: 8_000 } })
    },
  },
  'call.failed': {
    rule: 'an API that breaks',
    found: 'lms.accounts',
    broken: standIn({ faults: [{ path: ACCOUNTS, status: 500 }] }),
  },
  'courses.none': {
    rule: 'an LMS without courses',
    found: 'lms.courses',
    broken: inWorld(() => ({ courses: [], enrollments: [] })),
  },
  'courses.none_open': {
    rule: 'an LMS whose only course is by invitation',
    found: 'lms.courses',
    broken: inWorld(({ courses }) => ({
      courses: courses.filter((course) => course.invitation_only),
      enrollments: [],
    })),
  },
  'courses.unseen': {
    rule: 'a course that is listed and then not there',
    found: 'lms.courses',
    broken: standIn({
      faults: [{ path: '/api/courses/v1/courses/{id}', status: 404, body: { developer_message: 'Course not found.' } }],
    }),
  },
  'bulk.off': {
    rule: 'an LMS without ENABLE_BULK_ENROLLMENT_VIEW',
    found: 'lms.bulk_enroll',
    broken: standIn({ lms: { bulk: false } }),
  },
  'throttle.above_stock': {
    rule: 'more calls a minute than a stock LMS allows',
    found: 'lms.throttle',
    broken: standIn({ env: { LERNITO_LMS_CALLS_PER_MINUTE: '121' } }),
  },
  'throttle.unlimited': {
    rule: 'no limit of calls',
    found: 'lms.throttle',
    broken: standIn({ env: { LERNITO_LMS_CALLS_PER_MINUTE: '0' } }),
  },
}

testCauses(LMS_CAUSES, CASES)

const problemOf = (results: readonly Result[], id: Result['id']) => {
  const { problems } = resultOf(results, id)
  return problems.map(({ cause, says }) => `${cause}: ${says}`).join()
}

test('https:// to a port that speaks plain HTTP is told as a fault of TLS', async (t) => {
  const { url } = await startLms(t)
  assert.match(problemOf(await lmsAt(url.replace('http:', 'https:'))(t), 'lms'), /^lms\.tls: .*SSL|^lms\.tls: .*EPROTO/)
})

test('certificates are checked even where NODE_TLS_REJECT_UNAUTHORIZED turns that off', {
  skip: NO_OPENSSL ?? false,
}, async (t) => {
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  t.after(() => delete process.env.NODE_TLS_REJECT_UNAUTHORIZED)
  assert.match(
    problemOf(await lmsAt(`https://${await selfSigned(t)}`)(t), 'lms'),
    /^lms\.tls: .*DEPTH_ZERO_SELF_SIGNED_CERT/,
  )
})

test('what fails in the LMS is named', async (t) => {
  const body = { sql: { status: false }, modulestore: { status: false } }
  const results = await standIn({ faults: [{ path: '/heartbeat', status: 503, body }] })(t)
  assert.match(problemOf(results, 'lms'), /sql and modulestore fails/)
})

test('an API that cuts the connection is told with its path', async (t) => {
  const results = await standIn({ faults: [{ path: ACCOUNTS, drop: 'before' }] })(t)
  assert.match(problemOf(results, 'lms.accounts'), /^call\.failed: .*\/api\/user\/v1\/accounts/)
})

test('a throttle is told for each API that it hits, and is no failure', async (t) => {
  const results = await throttled(t)
  assert.deepEqual(
    results.flatMap(({ id, problems }) => (problems.some(({ cause }) => cause === 'call.throttled') ? [id] : [])),
    ['lms.enrollment', 'lms.enrollment_list', 'lms.enrollment_allowed'],
  )
  assert.ok(results.every(({ status }) => status !== 'failure'))
})

test('the course list names ids that can be sold now, and not those that are closed, hidden or by invitation', async (t) => {
  const { detail } = resultOf(await standIn({})(t), 'lms.courses')
  assert.match(detail ?? '', /^11 in all; .*course-v1:edX\+DemoX\+Demo_Course/)
  assert.doesNotMatch(detail ?? '', /Closed|Hidden|Invite|edX\/Old/)
})

test('one open course is enough, wherever it stands in the list', async (t) => {
  const ids = ['course-v1:Lernito+Closed+2026', 'course-v1:Lernito+PY101+2026']
  const some = inWorld(({ courses }) => ({ courses: courses.filter(({ id }) => ids.includes(id)), enrollments: [] }))
  const { status, detail } = resultOf(await some(t), 'lms.courses')
  assert.deepEqual([status, detail], ['ok', `2 in all; courseIds that the shop can send: ${ids[1]}`])
})

test('where the token does not say whether its user is staff, the calls tell', async (t) => {
  const scripted = await startScriptedLms(t)
  const claims = Buffer.from(JSON.stringify({ preferred_username: 'lernito' })).toString('base64url')
  scripted.on('GET /heartbeat', json(200, { sql: { status: true } }))
  scripted.on(
    'POST /oauth2/access_token',
    json(200, { access_token: `x.${claims}.x`, expires_in: 1, token_type: 'JWT' }),
  )
  scripted.on(`GET ${ACCOUNTS}`, json(403, { detail: 'You do not have permission to perform this action.' }))
  const results = await lmsAt(scripted.url)(t)
  assert.deepEqual(
    [resultOf(results, 'lms.staff').status, problemOf(results, 'lms.accounts').split(':')[0]],
    ['ok', 'call.forbidden'],
  )
})

test('a path in LERNITO_LMS_URL is kept', async (t) => {
  const scripted = await startScriptedLms(t)
  scripted.on('GET /lms/heartbeat', json(200, { sql: { status: true } }))
  assert.equal(resultOf(await lmsAt(`${scripted.url}/lms/`)(t), 'lms').status, 'ok')
})
