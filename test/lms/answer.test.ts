import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HEARTBEAT } from '../../src/lms/apis/heartbeat.ts'
import { judgeOther, notUnderstood } from '../../src/lms/client/answer.ts'
import { failed, oneLine } from '../../src/lms/client/failure.ts'
import { answer, answerOf, asked, exchangeOf, verdict } from './recorded.ts'

const judge = (...made: Parameters<typeof answer>) => judgeOther(answer(...made)).failure
const SECOND = 1_000

test('throttle.json: the wait after a throttled call comes from the header or the text', () => {
  for (const name of ['the 121st call within a minute', 'another view, while throttled']) {
    const { failure } = judgeOther(answerOf(exchangeOf('throttle', name)))
    assert.deepEqual([failure.kind, failure.status, failure.retryAfterMs], ['throttled', 429, 58 * SECOND], name)
  }
})

test('a wait is at least a second and at most a minute, also if it can’t be read', () => {
  const wait = (header: string, body: unknown = '') => judge(429, body, { 'retry-after': header }).retryAfterMs
  assert.equal(wait('7'), 7 * SECOND)
  assert.equal(wait('0'), SECOND)
  assert.equal(wait('99999999999999999999'), 60 * SECOND)
  assert.equal(wait('Wed, 24 Nov 2027 00:00:00 GMT'), 60 * SECOND)
  assert.equal(wait('Tue, 24 Nov 2026 00:00:30 GMT'), 30 * SECOND)
  assert.equal(wait('Mon, 23 Nov 2026 23:00:00 GMT'), SECOND)
  for (const garbage of ['', '-5', '1.5', 'soon', '2026']) {
    assert.equal(wait(garbage), 60 * SECOND, garbage)
  }
  assert.equal(wait('soon', { detail: 'Expected available in 9 seconds.' }), 9 * SECOND)
  assert.equal(judge(429, { developer_message: 'Se espera en 12 segundos.' }).retryAfterMs, 12 * SECOND)
  assert.equal(judge(429, '<html>Too many requests</html>').retryAfterMs, 60 * SECOND)
})

test('the answer of a gateway without an answer from the LMS counts as no answer', () => {
  for (const status of [502, 503, 504]) assert.equal(judge(status, '<html>').kind, 'unreachable')
  assert.equal(judge(503, '', { 'retry-after': '5' }).retryAfterMs, 5 * SECOND)
  assert.equal(judge(503, '').retryAfterMs, null)
})

test('other 5xx answers are failures of the LMS itself', () => {
  assert.equal(judgeOther(answerOf(exchangeOf('enrollment-allowed', 'malformed key'))).failure.status, 500)
  for (const status of [500, 501, 505, 599]) assert.equal(judge(status, '<html>').kind, 'server_error')
  for (const status of [200, 204, 418]) assert.equal(judge(status, { any: 'thing' }).kind, 'server_error')
})

test('if a page answers instead of an API, the message names the setting', () => {
  const unknown = judgeOther(answerOf(exchangeOf('bulk-enroll-off', 'an unknown API path'))).failure
  assert.equal(unknown.kind, 'misconfigured')
  assert.match(unknown.message, /^There is no .*\(404\): LERNITO_LMS_URL must be the LMS's address, not Studio's$/)
  // Django's answer to a host that isn't in ALLOWED_HOSTS.
  const host = judge(400, '<h1>Bad Request (400)</h1>', { 'content-type': 'text/html' })
  assert.equal(host.kind, 'misconfigured')
  assert.match(host.message, /ALLOWED_HOSTS/)
  // A web application firewall: to make a user staff, who is staff already, doesn't help.
  const firewall = judge(403, '<html>Request blocked</html>', { 'content-type': 'text/html' })
  assert.equal(firewall.kind, 'misconfigured')
  assert.match(firewall.message, /did not get through .*\(403 from .*firewall in front of it$/)
})

test('a redirect is not followed, and the message names its target', () => {
  const recorded = judgeOther(answerOf(exchangeOf('enrollment-allowed', 'no trailing slash'))).failure
  assert.equal(recorded.kind, 'misconfigured')
  assert.doesNotMatch(recorded.message, / to http/)
  const secure = judge(301, '', { location: 'https://user:pw@lms.example.org/api/x?token=1' })
  assert.match(secure.message, /redirects our calls to https:\/\/lms\.example\.org \(301\).*LERNITO_LMS_URL/)
})

test('a 401 is about the token, and a 403 about the permissions of the service user', () => {
  assert.equal(judgeOther(answerOf(exchangeOf('oauth', 'call with a garbage JWT'))).failure.kind, 'unauthorized')
  assert.equal(judgeOther(answerOf(exchangeOf('oauth', 'call with no authorization'))).failure.kind, 'unauthorized')
  const plain = judgeOther(answerOf(exchangeOf('throttle', 'non-staff: the 41st call within a minute'))).failure
  assert.equal(plain.kind, 'misconfigured')
  assert.match(plain.message, /LERNITO_LMS_CLIENT_ID a staff user/)
})

test('a heartbeat succeeds only in its recorded shape', () => {
  const recorded = exchangeOf('bulk-enroll-off', 'heartbeat')
  assert.deepEqual(asked(HEARTBEAT), asked(recorded.request))
  assert.equal(verdict(HEARTBEAT.judge(answerOf(recorded))), true)
  assert.equal(verdict(HEARTBEAT.judge(answer(200, { sql: { status: false, message: 'down' } }))), 'server_error')
  assert.equal(verdict(HEARTBEAT.judge(answer(200, '<html>Welcome</html>'))), 'server_error')
  assert.equal(verdict(HEARTBEAT.judge(answer(503, ''))), 'unreachable')
})

test('the message of a failure is one safe line of at most 300 characters', () => {
  assert.equal(
    oneLine('a\r\nb\u202ec\u2028d\ud800 \u{e0001}'),
    'a\\u000d\\u000ab\\u202ec\\u2028d\\ud800 \\udb40\\udc01',
  )
  for (const text of ['x'.repeat(10_000), '\n'.repeat(10_000), '😀'.repeat(10_000)]) {
    const { message } = failed({ kind: 'refused', endpoint: '/heartbeat', status: 400, message: text }).failure
    assert.ok(message.length <= 300 && message.isWellFormed())
    assert.match(message, /^\P{C}*$/u)
  }
  assert.match(notUnderstood(answer(200, '<secret>')).failure.message, /^[^<]*200[^<]*$/)
})
