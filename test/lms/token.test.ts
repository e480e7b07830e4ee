import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Failure, Judged } from '../../src/lms/client/failure.ts'
import { createTokens, judgeToken, type Token } from '../../src/lms/client/token.ts'
import type { LmsRequest } from '../../src/lms/client/transport.ts'
import { answer, answerWithJwt, exchangeOf, recorded, verdict } from './recorded.ts'
import { jwt } from './scripted-lms.ts'

const good = { access_token: jwt('first'), expires_in: 3600, token_type: 'JWT', scope: 'read' }
const type = { 'content-type': 'application/json' }

function clock(replies: (() => Judged<ReturnType<typeof answer>>)[]) {
  const at = { ms: 1_000_000 }
  const sent: LmsRequest[] = []
  const tokens = createTokens({
    clientId: 'lernito-client',
    clientSecret: 'lernito-client-secret',
    now: () => at.ms,
    async ask(call) {
      sent.push(call)
      const reply = replies.length > 1 ? replies.shift() : replies[0]
      assert.ok(reply)
      const answered = reply()
      return answered.ok ? call.judge(answered.value) : answered
    },
  })
  return { at, sent, tokens }
}

const granting =
  (name: string, expiresIn = 3600) =>
  () => {
    return { ok: true as const, value: answer(200, { ...good, access_token: jwt(name), expires_in: expiresIn }, type) }
  }
const nameOf = (judged: Judged<Token> | null) => (judged?.ok ? judged.value.value.split('.')[2] : judged?.failure.kind)

test('oauth.json: every recorded answer of the token endpoint is judged', async () => {
  const verdicts: Record<string, unknown> = {}
  for (const exchange of recorded('oauth').filter(({ request }) => request.path === '/oauth2/access_token')) {
    const judged = verdict(await judgeToken(answerWithJwt(exchange)))
    verdicts[exchange.name] =
      typeof judged === 'string' ? judged : [judged.username, judged.administrator, judged.lifeMs]
  }
  const token = ['lernito_service', true, 3_600_000]
  assert.deepEqual(verdicts, {
    'client credentials, JWT': token,
    'client credentials, no token_type': 'misconfigured',
    'client credentials, token_type bearer': 'misconfigured',
    'wrong client secret': 'misconfigured',
    'unknown client': 'misconfigured',
    'no grant type': 'misconfigured',
    'password grant with a client-credentials application': 'misconfigured',
    'client secret by HTTP Basic': token,
  })
})

test('a token request is as recorded', async () => {
  const { sent, tokens } = clock([granting('first')])
  await tokens.get()
  const { request } = exchangeOf('oauth', 'client credentials, JWT')
  assert.deepEqual(Object.fromEntries(new URLSearchParams(sent[0]?.body?.text)), request.form)
  assert.deepEqual([sent[0]?.method, sent[0]?.path], [request.method, request.path])
  assert.match(sent[0]?.body?.contentType ?? '', /^application\/x-www-form-urlencoded/)
})

test('a refusal names the setting, and never the secret or the token', async () => {
  const messages = async (status: number, body: unknown) => {
    const judged = await judgeToken(answer(status, body, type))
    assert.ok(!judged.ok)
    return judged.failure
  }
  const wrong = await messages(401, { error: 'invalid_client' })
  assert.match(wrong.message, /LERNITO_LMS_CLIENT_ID with LERNITO_LMS_CLIENT_SECRET/)
  assert.match((await messages(400, { error: 'unauthorized_client' })).message, /grant type 'client credentials'/)
  assert.match((await messages(200, { ...good, token_type: 'Bearer' })).message, /not a JWT/)
  const page = await messages(404, '<html>Page not found</html>')
  assert.deepEqual([page.kind, /LERNITO_LMS_URL/.test(page.message)], ['misconfigured', true])
  for (const status of [401, 403]) {
    const barred = await messages(status, '<html>Not for you</html>')
    assert.deepEqual([barred.kind, /proxy/.test(barred.message)], ['misconfigured', true])
  }
  for (const status of [500, 502]) assert.equal((await messages(status, '<html>')).kind, 'unreachable')
})

test('the rate limit of the token endpoint, a page with 429 and without Retry-After, makes the client wait a minute', async () => {
  const page = { 'content-type': 'text/html; charset=utf-8' }
  const limited = await judgeToken(answer(429, '<html><title>Too Many Requests in 3 seconds</title></html>', page))
  assert.ok(!limited.ok)
  assert.deepEqual(
    [limited.failure.kind, limited.failure.status, limited.failure.retryAfterMs],
    ['throttled', 429, 60_000],
  )
  assert.match(limited.failure.message, /limits the token requests from this address \(429\)/)
  const proxy = await judgeToken(answer(429, '', { 'retry-after': '7' }))
  assert.equal(proxy.ok || proxy.failure.retryAfterMs, 7_000)
})

test('a token says whether its user is active, or null if the LMS doesn’t say', async () => {
  const active = async (email_verified: boolean | undefined) => {
    const judged = await judgeToken(answer(200, { ...good, access_token: jwt('x', { email_verified }) }, type))
    return judged.ok && judged.value.active
  }
  assert.deepEqual([await active(true), await active(false), await active(undefined)], [true, false, null])
})

test('an answer of another shape is no token', async () => {
  const bad = [
    answer(200, '<html>', { 'content-type': 'text/html' }),
    answer(200, { ...good, access_token: 'no-jwt' }, type),
    answer(200, { ...good, access_token: 'a.b\r\nc.d' }, type),
    answer(200, { ...good, access_token: jwt('x', { preferred_username: '' }) }, type),
    answer(200, { ...good, expires_in: undefined }, type),
    answer(200, { ...good, token_type: 'mac' }, type),
  ]
  for (const one of bad) assert.equal(verdict(await judgeToken(one)), 'unreachable')
  const silent = await judgeToken(answer(200, { ...good, access_token: jwt('x', { administrator: undefined }) }, type))
  assert.equal(silent.ok && silent.value.administrator, null)
})

test('all calls share one token, and callers that ask at the same time share one request', async () => {
  const { sent, tokens } = clock([granting('first'), granting('second')])
  const names = (await Promise.all([tokens.get(), tokens.get(), tokens.get()])).map(nameOf)
  assert.deepEqual([...names, nameOf(await tokens.get())], ['first', 'first', 'first', 'first'])
  assert.equal(sent.length, 1)
})

test('a token is renewed a minute before it expires, or a tenth of its life before', async () => {
  for (const [life, early] of [
    [3600, 60],
    [100, 10],
  ] as const) {
    const { at, tokens } = clock([granting('first', life), granting('second', life)])
    await tokens.get()
    at.ms += (life - early) * 1000 - 1
    assert.equal(nameOf(await tokens.get()), 'first')
    at.ms += 1
    assert.equal(nameOf(await tokens.get()), 'second')
  }
})

test('a refused token is renewed once, however many calls were refused with it', async () => {
  const { sent, tokens } = clock([granting('first'), granting('second'), granting('third')])
  const first = await tokens.get()
  assert.ok(first.ok)
  const renewed = await Promise.all([tokens.renew(first.value.value), tokens.renew(first.value.value)])
  assert.deepEqual(renewed.map(nameOf), ['second', 'second'])
  assert.equal(nameOf(await tokens.renew(first.value.value)), 'second')
  assert.equal(sent.length, 2)
})

test('a new token that is refused at once is not renewed in turn, and one that worked for a while is', async () => {
  const { at, sent, tokens } = clock([granting('first'), granting('second'), granting('third')])
  const first = await tokens.get()
  assert.ok(first.ok)
  const second = await tokens.renew(first.value.value)
  assert.ok(second?.ok)
  assert.equal(await tokens.renew(second.value.value), null)
  assert.equal(sent.length, 2)
  at.ms += 5_000
  assert.equal(nameOf(await tokens.renew(second.value.value)), 'third')
})

test('a token that is refused after the clock was set back is renewed, too', async () => {
  const { at, tokens } = clock([granting('first'), granting('second'), granting('third')])
  const first = await tokens.get()
  assert.ok(first.ok)
  const second = await tokens.renew(first.value.value)
  assert.ok(second?.ok)
  at.ms -= 3_600_000
  assert.equal(nameOf(await tokens.renew(second.value.value)), 'third')
})

test('a failure is not kept: the next call requests a token again', async () => {
  const failure: Failure = {
    kind: 'unreachable',
    endpoint: '/heartbeat',
    status: null,
    message: 'x',
    retryAfterMs: null,
    mayHaveTakenEffect: false,
  }
  const { sent, tokens } = clock([() => ({ ok: false, failure }), granting('first')])
  assert.equal(nameOf(await tokens.get()), 'unreachable')
  assert.equal(nameOf(await tokens.get()), 'first')
  assert.equal(sent.length, 2)
})
