import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { allowancesCall, allowCall, disallowCall } from '../../src/lms/apis/enrollment-allowed.ts'
import { unlimitedBudget } from '../../src/lms/client/budget.ts'
import type { Judged } from '../../src/lms/client/failure.ts'
import { neverSent } from '../../src/lms/client/failure.ts'
import { CLIENT_CREDENTIALS, tokenRequest } from '../../src/lms/client/token.ts'
import { createTransport, type LmsRequest } from '../../src/lms/client/transport.ts'
import { createLms, type Lms } from '../../src/lms/lms.ts'
import { ENROLL, lmsSettings } from './calls.ts'
import { NO_OPENSSL, selfSigned, startTls } from './certificates.ts'
import { cut, hang, json, page, type Reply, startScriptedLms } from './scripted-lms.ts'

const of = { email: 'new@example.com', course: 'course-v1:edX+DemoX+Demo_Course' }
const ALLOWED = '/api/enrollment/v1/enrollment_allowed/'
const ENROLLMENT = '/api/enrollment/v1/enrollment'
const BULK = '/api/bulk_enroll/v1/bulk_enroll'
const MODIFY = `/api/instructor/v2/courses/${encodeURIComponent(of.course)}/enrollments/modify`

/** Every call that changes something, with its route. */
const CHANGES = {
  [`POST ${ALLOWED}`]: async (lms: Lms) => lms.allow(await permit(), of),
  [`DELETE ${ALLOWED}`]: async (lms: Lms) => lms.disallow(await permit(), of),
  [`POST ${ENROLLMENT}`]: async (lms: Lms) =>
    lms.enroll(await permit(), { username: 'new', course: of.course, mode: null }),
  [`POST ${MODIFY}`]: async (lms: Lms) => lms.modify({ ...ENROLL, course: of.course, emails: [of.email] }),
  [`POST ${BULK}`]: async (lms: Lms) =>
    lms.bulkEnroll(await permit(), { ...ENROLL, courses: [of.course], emails: [of.email] }),
} as const

const permit = () => unlimitedBudget().acquire(new AbortController().signal)

const inDoubt = (judged: Judged<unknown>): boolean => {
  assert.ok(!judged.ok)
  return judged.failure.mayHaveTakenEffect
}

function lmsAt(t: TestContext, url: string): Lms {
  const lms = createLms({ settings: lmsSettings(url), concurrency: () => 2 })
  t.after(() => lms.close())
  return lms
}

/** Whether each call that changes something may have taken effect after this answer. */
async function doubts(t: TestContext, reply: Reply): Promise<Record<string, boolean>> {
  const scripted = await startScriptedLms(t)
  const lms = lmsAt(t, scripted.url)
  const entries = Object.entries(CHANGES).map(async ([route, call]) => {
    scripted.on(route, reply)
    return [route, inDoubt(await call(lms))] as const
  })
  return Object.fromEntries(await Promise.all(entries))
}

const all = (value: boolean) => Object.fromEntries(Object.keys(CHANGES).map((route) => [route, value]))

for (const [what, reply] of [
  ['a connection that is cut after the request', cut],
  ['500', page(500, 'Server error')],
  ['501', page(501, 'Not implemented')],
  ['502', page(502, 'Bad gateway')],
  ['503', page(503, 'Unavailable')],
  ['504', page(504, 'Timeout')],
  ['200 with an answer of another shape', json(200, { ok: true })],
  ['400 with an answer of another shape', json(400, { odd: true })],
] as const satisfies readonly (readonly [string, Reply])[]) {
  test(`a call that changes something may have taken effect after ${what}`, async (t) => {
    assert.deepEqual(await doubts(t, reply), all(true))
  })
}

for (const [what, reply] of [
  ['429', json(429, { detail: 'Expected available in 3 seconds.' })],
  ['401', json(401, { detail: 'no' })],
  ['403', json(403, { detail: 'no' })],
  ['a redirect', page(302, '', { location: 'https://other.example/' })],
  ['404 in HTML', page(404, 'Page not found')],
] as const satisfies readonly (readonly [string, Reply])[]) {
  test(`a call that changes something has not taken effect after ${what}`, async (t) => {
    assert.deepEqual(await doubts(t, reply), all(false))
  })
}

test('a call that the LMS refuses has not taken effect', async (t) => {
  const scripted = await startScriptedLms(t)
  scripted.on(`POST ${ENROLLMENT}`, json(400, { message: 'The [None] course mode is expired' }))
  scripted.on(`POST ${BULK}`, json(400, { courses: ['Course key not valid: x'] }))
  const lms = lmsAt(t, scripted.url)
  assert.equal(inDoubt(await CHANGES[`POST ${ENROLLMENT}`](lms)), false)
  assert.equal(inDoubt(await CHANGES[`POST ${BULK}`](lms)), false)
})

test('a call that changes something has not taken effect if it got no token', async (t) => {
  const scripted = await startScriptedLms(t)
  scripted.on('POST /oauth2/access_token', cut)
  assert.equal(inDoubt(await CHANGES[`POST ${ALLOWED}`](lmsAt(t, scripted.url))), false)
})

test('a read never takes effect, whatever the answer is', async (t) => {
  const scripted = await startScriptedLms(t)
  const lms = lmsAt(t, scripted.url)
  for (const reply of [cut, page(500, 'Server error'), json(200, 'odd')]) {
    scripted.on(`GET ${ALLOWED}`, reply)
    scripted.on('GET /api/user/v1/accounts', reply)
    scripted.on('POST /api/user/v1/accounts/search_emails', reply)
    scripted.on(`POST ${MODIFY.replace('edX%2BDemoX%2BDemo_Course', 'x%2By%2Bz')}`, reply)
    assert.equal(inDoubt(await lms.allowances(await permit(), of)), false)
    assert.equal(inDoubt(await lms.account(of.email)), false)
    assert.equal(inDoubt(await lms.searchEmails([of.email])), false)
    assert.equal(inDoubt(await lms.modifyAvailable()), false)
  }
})

function sendTo(t: TestContext, url: string, request: LmsRequest) {
  const transport = createTransport({
    url: new URL(url),
    concurrency: () => 2,
    timeoutMs: 300,
    now: Date.now,
    onCall: () => {},
  })
  t.after(() => transport.close())
  return transport.send(request, { authorization: null, queued: true })
}

test('a call that changes something may have taken effect after a timeout; a read and a token request have not', async (t) => {
  const scripted = await startScriptedLms(t)
  for (const route of [`POST ${ALLOWED}`, `DELETE ${ALLOWED}`, `GET ${ALLOWED}`, 'POST /oauth2/access_token']) {
    scripted.on(route, hang)
  }
  const requests = [
    allowCall(of),
    disallowCall(of),
    allowancesCall(of),
    tokenRequest({ clientId: 'a', clientSecret: 'b' }, CLIENT_CREDENTIALS),
  ]
  const sent = await Promise.all(requests.map((request) => sendTo(t, scripted.url, request)))
  assert.deepEqual(sent.map(inDoubt), [true, true, false, false])
})

test('a call that changes something has not taken effect if there was no connection', async (t) => {
  const refused = await startScriptedLms(t)
  const tls = refused.url.replace('http:', 'https:') // this server doesn't use TLS
  const urls = ['http://127.0.0.1:1', 'http://localhost:1', 'http://lms.invalid', tls]
  const sent = await Promise.all(urls.map((url) => sendTo(t, url, allowCall(of))))
  assert.deepEqual(sent.map(inDoubt), [false, false, false, false])
})

test('an error that any system call may give came before sending only if connecting gave it', () => {
  const error = (syscall: string) => Object.assign(new Error('no'), { code: 'EHOSTUNREACH', syscall })
  assert.equal(neverSent(error('connect')), true)
  assert.equal(neverSent(error('read')), false)
  const both = (second: string) => new AggregateError([error('connect'), error(second)])
  assert.equal(neverSent(both('connect')), true)
  assert.equal(neverSent(both('write')), false)
  assert.equal(neverSent(new AggregateError([])), false)
})

test('a call that changes something has not taken effect if the certificate is refused', {
  skip: NO_OPENSSL,
}, async (t) => {
  const scripted = await startScriptedLms(t)
  for (const certificate of [{ name: 'localhost' }, { name: 'localhost', to: '2020-01-02' }]) {
    const { url } = await startTls(t, { ...selfSigned(t, certificate), to: scripted.url })
    assert.equal(inDoubt(await sendTo(t, url, allowCall(of))), false)
  }
})
