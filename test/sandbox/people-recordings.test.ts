import assert from 'node:assert/strict'
import { test } from 'node:test'
import { challengeOf, compare, readRecording, startRecordedWorld } from './recording.ts'

type Lms = Awaited<ReturnType<typeof startRecordedWorld>>

async function signIn(lms: Lms, login: string): Promise<string> {
  const body = new URLSearchParams({ login, password: 'pw-Test-123' })
  const response = await fetch(`${lms.url}/login`, { method: 'POST', body, redirect: 'manual' })
  assert.equal(response.status, 302)
  return response.headers.get('set-cookie')?.split(';')[0] ?? ''
}

test('answers as recorded in registration.json: an allowance enrolls on activation, not on registration', async () => {
  await using lms = await startRecordedWorld()
  const { exchanges, state_after } = await readRecording('registration.json')
  assert.ok(state_after && 'before_activation' in state_after)
  for (const exchange of exchanges) {
    const { request, effect } = exchange
    if (request) {
      const { form } = request
      const whole = form ? { ...request, form: { ...form, password: 'a good password' } } : request
      await compare({ response: await lms.send(whole), exchange, url: lms.url })
      continue
    }
    assert.equal(exchange.name, 'the person follows the activation link')
    assert.deepEqual(await lms.state(), state_after.before_activation)
    const accounts = await lms.send({
      method: 'GET',
      path: '/api/user/v1/accounts?email=newcomer%40example.com',
      headers: { authorization: '<token of the staff application>' },
    })
    const key = /"activation_key":"(\w+)"/.exec(await accounts.text())?.[1]
    assert.equal((await fetch(`${lms.url}/activate/${key}`)).status, 200)
    assert.deepEqual(await lms.state(), effect)
  }
  assert.deepEqual(await lms.state(), state_after.after_activation)
})

test('answers as recorded in sign-in.json: authorization code with PKCE', async () => {
  await using lms = await startRecordedWorld()
  const { exchanges } = await readRecording('sign-in.json')
  const verifier = 'a-verifier-that-is-long-enough-for-the-standard-1234'
  const redirect = 'http://127.0.0.1:8080/console/callback'
  let code = ''
  let token = ''
  for (const exchange of exchanges) {
    const { name, request, jwt_header, jwt_claims } = exchange
    assert.ok(request)
    const headers: Record<string, string> = {}
    if (name === 'authorize, signed in as staff') headers.cookie = await signIn(lms, 'admin')
    if (name === 'authorize with an unregistered redirect') headers.cookie = await signIn(lms, 'admin')
    if (name === 'authorize, signed in as a learner') headers.cookie = await signIn(lms, 'alice@example.com')
    if (name === 'who am I') headers.authorization = `JWT ${token}`
    // The verifier of the recorded challenge is unknown. Signed out, the challenge only has to be in the redirect.
    const mine = /code_challenge=[\w-]+/
    const path = headers.cookie ? request.path.replace(mine, `code_challenge=${challengeOf(verifier)}`) : request.path
    const fields = {
      grant_type: 'authorization_code',
      code,
      redirect_uri: redirect,
      client_id: 'console-client',
      client_secret: 'console-client-secret',
      token_type: 'jwt',
      code_verifier: verifier,
    }
    const form = request.path === '/oauth2/access_token' ? { form: fields } : {}
    const response = await lms.send({ method: request.method, path, headers, ...form })
    const text = await compare({ response, exchange, url: lms.url })

    const location = response.headers.get('location')
    code = /[?&]code=(\w+)/.exec(location ?? '')?.[1] ?? code
    token = /"access_token":"([^"]+)"/.exec(text)?.[1] ?? token
    const [head, claims] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString())
    if (jwt_header) assert.deepEqual(JSON.parse(head ?? ''), jwt_header)
    if (jwt_claims) assertClaims(JSON.parse(claims ?? ''), jwt_claims, lms.url)
  }
})

function assertClaims(claims: Record<string, unknown>, recorded: Record<string, unknown>, url: string): void {
  const { exp, iat, sub, ...rest } = claims
  const { exp: recordedExp, iat: recordedIat, sub: recordedSub, ...recordedRest } = recorded
  assert.equal(Number(exp) - Number(iat), Number(recordedExp) - Number(recordedIat))
  assert.equal(String(sub).length, String(recordedSub).length)
  assert.deepEqual({ ...rest, iss: String(rest.iss).replace(url, 'http://lms.test') }, recordedRest)
}

test('client credentials give a JWT with the recorded claims', async () => {
  await using lms = await startRecordedWorld()
  const { exchanges } = await readRecording('oauth.json')
  const { jwt_claims } = exchanges.find(({ name }) => name === 'client credentials, JWT') ?? {}
  assert.ok(jwt_claims)
  const claims = JSON.parse(Buffer.from(lms.staff.split('.')[1] ?? '', 'base64url').toString())
  assertClaims(claims, jwt_claims, lms.url)
})

test('answers as recorded in throttle.json: 120 calls a minute over all throttled views', async () => {
  let now = Date.UTC(2026, 10, 24)
  await using lms = await startRecordedWorld({ throttle: 120, now: () => now })
  const { exchanges } = await readRecording('throttle.json')
  const [bulk] = exchanges
  assert.ok(bulk?.request)
  for (let call = 1; call < 120; call += 1) assert.equal((await lms.send(bulk.request)).status, 200)
  now += 2000
  for (const exchange of exchanges) {
    assert.ok(exchange.request)
    if (exchange.name === 'non-staff: the 41st call within a minute') {
      for (let call = 1; call <= 40; call += 1) assert.equal((await lms.send(exchange.request)).status, 403)
    }
    await compare({ response: await lms.send(exchange.request), exchange, url: lms.url })
  }
})

test('answers as quoted in account-by-id.json', async () => {
  await using lms = await startRecordedWorld()
  const { exchanges } = await readRecording('account-by-id.json')
  const path = '/api/user/v1/accounts?username=alice'
  const headers = { authorization: '<token of the staff application>' }
  const [, id] = /"id":(\d+)/.exec(await (await lms.send({ method: 'GET', path, headers })).text()) ?? []
  for (const exchange of exchanges) {
    const { request } = exchange
    assert.ok(request)
    const asked = { ...request, path: request.path.replace(/=6$/, `=${id}`) }
    await compare({ response: await lms.send(asked), exchange, url: lms.url })
  }
})
