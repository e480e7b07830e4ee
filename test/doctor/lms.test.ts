import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { openDatabase } from '../../src/database/database.ts'
import { migrate } from '../../src/database/migrations/migrations.ts'
import { CAUSE_GROUPS } from '../../src/doctor/check.ts'
import type { Result } from '../../src/doctor/examine.ts'
import { DEMO } from '../harness.ts'
import { NO_OPENSSL } from '../lms/certificates.ts'
import { waitingForHttp } from '../lms/waiting-for-http.ts'
import { accepted, arrival, joined, settled, succeeded } from '../queue/harness.ts'
import { startHoldingLms, startLms } from '../service/serving.ts'
import {
  answering,
  type Case,
  enrolledBefore,
  envFor,
  examined,
  inWorld,
  lmsAt,
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

const CERTIFICATES = '/api/certificates/v0/certificates/{username}/courses/{course_id}/'
const OUTCOMES_ON = {
  LERNITO_OUTCOMES: 'on',
  LERNITO_EVENTS_URL: 'http://127.0.0.1:9/',
  LERNITO_EVENTS_SECRET: `whsec_${Buffer.alloc(24, 1).toString('base64')}`,
}

const throttled = (t: TestContext): Promise<Result[]> => enrolledBefore(t, 1, 1)

/** Buyers wait for these courses. */
async function waitingFor(t: TestContext, courses: readonly string[]): Promise<Result[]> {
  const { url } = await startLms(t)
  const env = envFor({ t, lmsUrl: url })
  const database = openDatabase({ url: env.LERNITO_DATABASE_URL ?? '', serve: false })
  await migrate({ database, now: Date.now })
  const { store } = await joined({ database, me: 'replica-1', now: Date.now })
  for (const course of courses) {
    const [sale] = await store.write([accepted(arrival({ email: `${course.length}@x.example`, courseIds: [course] }))])
    const outcome = { courses: { [course]: 'allowed' }, reason: null } as const
    await store.write([settled({ ...succeeded(sale?.id ?? ''), outcome })])
  }
  await database.close()
  return examined({ env })
}

const CASES: Readonly<Record<keyof typeof CAUSE_GROUPS.lms, Case>> = {
  'lms.dns': { rule: 'a host that does not resolve', found: 'lms', broken: lmsAt('http://no-such-host.invalid') },
  'lms.refused': {
    rule: 'a port where nothing listens',
    found: 'lms',
    broken: async (t) => lmsAt(`http://${await nobody(t)}`)(t),
  },
  'lms.tls': {
    rule: 'a self-signed certificate',
    found: 'lms',
    broken: async (t) => lmsAt(`https://${await selfSigned(t)}`)(t),
    skip: NO_OPENSSL,
  },
  'lms.plain_http': {
    rule: 'https:// to a port that speaks plain HTTP',
    found: 'lms',
    broken: async (t) => {
      const env = envFor({ t, lmsUrl: `https://${await waitingForHttp(t)}` })
      return examined({ env, deadlines: { callMs: 1_000, totalMs: 10_000 } })
    },
  },
  'lms.timeout': {
    rule: 'a port that accepts the connection and sends nothing',
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
    rule: 'an LMS whose database is down',
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
  'lms.barred': {
    rule: 'a proxy that asks for a password of its own, whatever is called',
    found: 'lms',
    broken: standIn({ faults: [{ status: 401, body: '<html>401 Authorization Required</html>' }] }),
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
    rule: 'too many token requests from this address',
    found: 'lms.token',
    broken: async (t) => {
      // The limit counts by the minute of the clock, which does not move here.
      const lms = await startLms(t, { throttle: 120, now: () => Date.UTC(2026, 10, 24) })
      for (let call = 0; call < 120; call++) await fetch(`${lms.url}${TOKEN}`, { method: 'POST' })
      return examined({ env: envFor({ t, lmsUrl: lms.url }) })
    },
  },
  'token.barred': {
    rule: 'a proxy that asks token requests for a password of its own',
    found: 'lms.token',
    broken: standIn({ faults: [{ path: TOKEN, status: 401 }] }),
  },
  'token.not_jwt': {
    rule: 'an LMS that issues no JWT',
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
  'token.no_user': {
    rule: 'an application without a user',
    found: 'lms.token',
    broken: inWorld(({ applications }) => ({ applications: applications.map(({ user: _user, ...rest }) => rest) })),
  },
  'token.refused': {
    rule: 'an application without the usual scopes',
    found: 'lms.token',
    broken: standIn({ faults: [{ path: TOKEN, status: 400, body: { error: 'invalid_scope' } }] }),
  },
  'staff.not_staff': {
    rule: 'an application whose user is not staff',
    found: 'lms.staff',
    broken: standIn({
      env: { LERNITO_LMS_CLIENT_ID: 'plain-client', LERNITO_LMS_CLIENT_SECRET: 'plain-client-secret' },
    }),
  },
  'staff.inactive': {
    rule: 'an application whose user is inactive',
    found: 'lms.staff',
    broken: inWorld(({ people }) => ({
      people: [
        ...people,
        { username: 'lernito_service', email: 'lernito@example.com', active: false, staff: true, superuser: false },
      ],
    })),
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
  'enrollment.only_version_2': {
    rule: 'an LMS that has removed version 1 of the enrollment API',
    found: 'lms.enrollment_version',
    broken: standIn({ lms: { enrollment: 'v2' } }),
  },
  'call.token_refused': {
    rule: 'an API that refuses the token that the LMS issued',
    found: 'lms.accounts',
    broken: standIn({ faults: [{ path: ACCOUNTS, status: 401, body: { detail: 'Token has expired.' } }] }),
  },
  'call.throttled': {
    rule: 'a throttle that other programs have used up',
    found: 'lms.enrollment_list',
    broken: throttled,
  },
  'call.timeout': {
    rule: 'an API that hangs while the heartbeat answers',
    found: 'lms.accounts',
    broken: async (t) => {
      const lms = await startHoldingLms(t)
      await lms.faults([{ path: ACCOUNTS, delayMs: 1 }])
      return examined({ env: envFor({ t, lmsUrl: lms.url }), deadlines: { callMs: 2_000, totalMs: 8_000 } })
    },
  },
  'call.failed': {
    rule: 'an API that fails',
    found: 'lms.accounts',
    broken: standIn({ faults: [{ path: ACCOUNTS, status: 500 }] }),
  },
  'courses.throttled': {
    rule: 'a course list whose own limit is used up by enrolling calls',
    found: 'lms.courses',
    broken: async (t) => enrolledBefore(t, 45),
  },
  'courses.none': {
    rule: 'an LMS without courses',
    found: 'lms.courses',
    broken: inWorld(() => ({ courses: [], enrollments: [] })),
  },
  'courses.none_open': {
    rule: 'an LMS whose only course is by invitation only',
    found: 'lms.courses',
    broken: inWorld(({ courses }) => ({
      courses: courses.filter((course) => course.invitation_only),
      enrollments: [],
    })),
  },
  'courses.unseen': {
    rule: 'a course that is listed but can’t be read',
    found: 'lms.courses',
    broken: standIn({
      faults: [{ path: '/api/courses/v1/courses/{id}', status: 404, body: { developer_message: 'Course not found.' } }],
    }),
  },
  'outcomes.forbidden': {
    rule: 'a service user who may read no certificates',
    found: 'lms.outcomes',
    broken: standIn({ faults: [{ path: CERTIFICATES, status: 403, body: { detail: 'no' } }], env: OUTCOMES_ON }),
  },
  'outcomes.missing': {
    rule: 'an LMS without the list of grades',
    found: 'lms.outcomes',
    broken: standIn({ faults: [{ path: '/api/grades/v1/section_grades_breakdown/', status: 404 }], env: OUTCOMES_ON }),
  },
  'allowances.dangling': {
    rule: 'a course that buyers wait for, and that the LMS does not have',
    found: 'lms.allowances',
    broken: async (t) => waitingFor(t, [DEMO, 'course-v1:No+Such+Course']),
  },
}

testCauses(CAUSE_GROUPS.lms, CASES)

test('courses that buyers wait for and that the LMS has are no problem', async (t) => {
  const { status, detail } = resultOf(await waitingFor(t, [DEMO]), 'lms.allowances')
  assert.deepEqual([status, detail], ['ok', 'looked up: 1'])
})

test('doctor says which versions of the enrollment API the LMS has, and the checks of its calls need version 1', async (t) => {
  for (const [enrollment, detail] of [
    ['v1', 'version 1, which the service uses'],
    ['v1 and v2', 'versions 1 and 2, of which the service uses 1'],
  ] as const) {
    const results = await standIn({ lms: { enrollment } })(t)
    assert.equal(resultOf(results, 'lms.enrollment_version').detail, detail)
    assert.equal(resultOf(results, 'lms.enrollment').status, 'ok')
  }
  const gone = await standIn({ lms: { enrollment: 'v2' } })(t)
  for (const id of ['lms.enrollment', 'lms.enrollment_list', 'lms.enrollment_allowed'] as const) {
    assert.equal(resultOf(gone, id).detail, 'needs lms.enrollment_version first')
  }
})

test('grades and certificates are asked for only if the shop is told of them', async (t) => {
  const { url, calls } = await startLms(t)
  const env = envFor({ t, lmsUrl: url })
  const learning = async () => (await calls()).filter(({ path }) => /grades|certificates/.test(path)).length
  const off = resultOf(await examined({ env }), 'lms.outcomes')
  assert.deepEqual([off.status, await learning()], ['skipped', 0])
  const on = resultOf(await examined({ env: { ...env, ...OUTCOMES_ON } }), 'lms.outcomes')
  assert.deepEqual([on.status, await learning()], ['ok', 3])
})
