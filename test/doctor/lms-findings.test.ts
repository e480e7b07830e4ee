import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { plainUrl } from '../../src/doctor/checks/lms.ts'
import { readDocument } from '../docs/documents.ts'
import { selfSigned as certificateFor, NO_OPENSSL, startTls } from '../lms/certificates.ts'
import { json, startScriptedLms } from '../lms/scripted-lms.ts'
import { waitingForHttp } from '../lms/waiting-for-http.ts'
import { run, temporaryFolder } from '../service/process.ts'
import { startLms } from '../service/serving.ts'
import {
  enrolledBefore,
  envFor,
  examined,
  inWorld,
  lmsAt,
  problemOf,
  resultOf,
  selfSigned,
  silent,
  standIn,
} from './examining.ts'

const ACCOUNTS = '/api/user/v1/accounts'

test('https:// to a port that speaks plain HTTP is reported as such, whether the port answers the handshake or cuts it', async (t) => {
  const { url } = await startLms(t)
  const host = await waitingForHttp(t, 'cuts a handshake')
  for (const lmsUrl of [url.replace('http:', 'https:'), `https://${host}`]) {
    assert.match(problemOf(await lmsAt(lmsUrl)(t), 'lms'), /^lms\.plain_http: /)
  }
})

test('a port that accepts the connection but finishes no TLS handshake is not reported as refused', async (t) => {
  const env = envFor({ t, lmsUrl: `https://${await silent(t)}` })
  const results = await examined({ env, deadlines: { callMs: 1_200, totalMs: 5_000 } })
  assert.match(problemOf(results, 'lms'), /^lms\.tls: /)
})

test('plain HTTP is tried at the port of https://, not at that of http://', () => {
  assert.deepEqual(['https://lms.example.com', 'https://lms.example.com:8443/lms/', 'https://[::1]'].map(plainUrl), [
    'http://lms.example.com:443',
    'http://lms.example.com:8443/lms',
    'http://[::1]:443',
  ])
})

test('an LMS that speaks TLS and hangs is reported as not answering', {
  skip: NO_OPENSSL,
}, async (t) => {
  const certificate = certificateFor(t, { name: 'localhost' })
  const tls = await startTls(t, { ...certificate, to: `http://${await silent(t)}` })
  // In a process of its own, because Node.js reads NODE_EXTRA_CA_CERTS at its start.
  const env = { ...envFor({ t, lmsUrl: tls.url }), NODE_EXTRA_CA_CERTS: certificate.file }
  const { stdout } = await run({ args: ['doctor'], env, cwd: temporaryFolder(t) })
  assert.match(stdout, /The LMS at localhost:\d+ does not answer in time\./)
})

test('a bad certificate is not reported as plain HTTP', { skip: NO_OPENSSL }, async (t) => {
  assert.match(problemOf(await lmsAt(`https://${await selfSigned(t)}`)(t), 'lms'), /^lms\.tls: /)
})

test('doctor makes four calls that the LMS throttles, as the guide says', async (t) => {
  const lms = await startLms(t, { throttle: 120 })
  await examined({ env: envFor({ t, lmsUrl: lms.url }) })
  const { calls } = z
    .object({ calls: z.array(z.object({ path: z.string(), count: z.number(), status: z.number() })) })
    .parse(await (await fetch(`${lms.url}/sandbox/calls`)).json())
  const counted = calls.filter(
    ({ path, status }) => status === 200 && /\/enrollment\/v1\/|bulk|\/courses\/$/.test(path),
  )
  assert.equal(
    counted.reduce((sum, { count }) => sum + count, 0),
    4,
    JSON.stringify(calls),
  )
  assert.match(readDocument('docs/reference/doctor.md'), /four\s+throttled\s+calls/)
})

test('a throttled course list is reported, and the enrolling calls still pass', async (t) => {
  const results = await enrolledBefore(t, 45)
  const causes = results.flatMap(({ problems }) => problems.map(({ cause }) => cause))
  assert.deepEqual(
    causes.filter((cause) => cause.includes('throttled')),
    ['courses.throttled'],
  )
  assert.deepEqual(
    (['lms.enrollment_list', 'lms.enrollment_allowed'] as const).map((id) => resultOf(results, id).status),
    ['ok', 'ok'],
  )
  const enrollment = resultOf(results, 'lms.enrollment')
  assert.deepEqual([enrollment.status, enrollment.detail], ['skipped', 'no course is known'])
})

test('certificates are checked even if NODE_TLS_REJECT_UNAUTHORIZED turns that off', {
  skip: NO_OPENSSL,
}, async (t) => {
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  t.after(() => delete process.env.NODE_TLS_REJECT_UNAUTHORIZED)
  assert.match(
    problemOf(await lmsAt(`https://${await selfSigned(t)}`)(t), 'lms'),
    /^lms\.tls: .*DEPTH_ZERO_SELF_SIGNED_CERT/,
  )
})

test('the failing parts of the LMS are named', async (t) => {
  const body = { sql: { status: false }, modulestore: { status: false } }
  const results = await standIn({ faults: [{ path: '/heartbeat', status: 503, body }] })(t)
  assert.match(problemOf(results, 'lms'), /it is not healthy: \/heartbeat reports a failure of sql and modulestore\./)
})

test('an API that cuts the connection is reported with its path', async (t) => {
  const results = await standIn({ faults: [{ path: ACCOUNTS, drop: 'before' }] })(t)
  assert.match(problemOf(results, 'lms.accounts'), /^call\.failed: .*\/api\/user\/v1\/accounts/)
})

test('a throttle is reported for each API that it hits, as a warning', async (t) => {
  const results = await enrolledBefore(t, 1, 1)
  assert.deepEqual(
    results.flatMap(({ id, problems }) => (problems.some(({ cause }) => cause === 'call.throttled') ? [id] : [])),
    ['lms.enrollment_list', 'lms.enrollment_allowed'],
  )
  assert.ok(results.every(({ status }) => status !== 'failure'))
})

test('the course list names courses that can be sold now, but none that is closed, hidden or by invitation only', async (t) => {
  const { detail } = resultOf(await standIn({})(t), 'lms.courses')
  assert.match(detail ?? '', /^11 in all; .*course-v1:edX\+DemoX\+Demo_Course/)
  assert.doesNotMatch(detail ?? '', /Closed|Hidden|Invite|edX\/Old/)
})

test('one open course is enough, wherever it is in the list', async (t) => {
  const ids = ['course-v1:Lernito+Closed+2026', 'course-v1:Lernito+PY101+2026']
  const some = inWorld(({ courses }) => ({ courses: courses.filter(({ id }) => ids.includes(id)), enrollments: [] }))
  const { status, detail } = resultOf(await some(t), 'lms.courses')
  assert.deepEqual([status, detail], ['ok', `2 in all; courseIds that the shop can send: ${ids[1]}`])
})

test('if the token does not say whether its user is staff, the checks of the APIs decide', async (t) => {
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
