import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createClock } from './clock.ts'
import { challengeOf, startRecordedWorld } from './recording.ts'
import { control, type Lms } from './requests.ts'

const redirect = 'http://127.0.0.1:8080/console/callback'
const verifier = 'a-verifier-that-is-long-enough-for-the-standard-1234'

async function signIn(lms: Lms): Promise<string> {
  const body = new URLSearchParams({ login: 'admin', password: 'pw-Test-123' })
  const response = await fetch(`${lms.url}/login`, { method: 'POST', body, redirect: 'manual' })
  return response.headers.get('set-cookie') ?? ''
}

/** Requests a code as the admin; `changes` replaces parameters. Returns the parameters of the redirect. */
async function authorize(lms: Lms, changes: Record<string, string> = {}): Promise<URLSearchParams> {
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: 'console-client',
    redirect_uri: redirect,
    state: 'xyz',
    code_challenge: challengeOf(verifier),
    code_challenge_method: 'S256',
    ...changes,
  })
  const headers = { cookie: await signIn(lms) }
  const response = await fetch(`${lms.url}/oauth2/authorize?${query}`, { headers, redirect: 'manual' })
  return new URL(response.headers.get('location') ?? '').searchParams
}

async function redeem(lms: Lms, code: string | null, changes: Record<string, string> = {}) {
  const body = new URLSearchParams({
    grant_type: 'authorization_code',
    client_id: 'console-client',
    client_secret: 'console-client-secret',
    code: code ?? '',
    redirect_uri: redirect,
    code_verifier: verifier,
    ...changes,
  })
  const response = await fetch(`${lms.url}/oauth2/access_token`, { method: 'POST', body })
  return { status: response.status, error: Object(await response.json()).error }
}

test('a code is valid only with the verifier and the redirect URI of its request', async () => {
  await using lms = await startRecordedWorld()
  const code = async () => (await authorize(lms)).get('code')
  assert.deepEqual(await redeem(lms, await code()), { status: 200, error: undefined })
  const other = await redeem(lms, await code(), { code_verifier: `${verifier}x` })
  assert.deepEqual(other, { status: 400, error: 'invalid_grant' })
  assert.equal((await redeem(lms, await code(), { code_verifier: '' })).error, 'invalid_request')
  assert.equal((await redeem(lms, await code(), { redirect_uri: 'http://evil.test/' })).error, 'invalid_request')
  assert.equal((await redeem(lms, '')).error, 'invalid_request')
  const spent = await code()
  await redeem(lms, spent, { code_verifier: 'wrong' })
  assert.equal((await redeem(lms, spent)).error, 'invalid_grant')
})

test('a code is valid for ten minutes', async () => {
  const clock = createClock()
  await using lms = await startRecordedWorld({ now: clock.now })
  const code = (await authorize(lms)).get('code')
  clock.advance(600_000)
  assert.equal((await redeem(lms, code)).error, 'invalid_grant')
})

test('an unsupported request is redirected with an error and its state', async () => {
  await using lms = await startRecordedWorld()
  const token = await authorize(lms, { response_type: 'token' })
  assert.deepEqual(Object.fromEntries(token), { error: 'unsupported_response_type', state: 'xyz' })
  const method = await authorize(lms, { code_challenge_method: 'S1' })
  assert.deepEqual(Object.fromEntries(method), { error: 'invalid_request', state: 'xyz' })
})

test('an application gets tokens only by its own grant', async () => {
  await using lms = await startRecordedWorld()
  const console = await redeem(lms, '', { grant_type: 'client_credentials' })
  assert.deepEqual(console, { status: 400, error: 'unauthorized_client' })
  const service = { client_id: 'lernito-client', client_secret: 'lernito-client-secret' }
  const code = (await authorize(lms)).get('code')
  assert.deepEqual(await redeem(lms, code, service), { status: 400, error: 'unauthorized_client' })
})

test('a refresh token is valid once, and gives a token with the current flags of the person', async () => {
  await using lms = await startRecordedWorld()
  const answerOf = async (fields: Record<string, string>) => {
    const client = { client_id: 'console-client', client_secret: 'console-client-secret', token_type: 'jwt' }
    const body = new URLSearchParams({ ...client, ...fields })
    const response = await fetch(`${lms.url}/oauth2/access_token`, { method: 'POST', body })
    return { status: response.status, json: Object(await response.json()) }
  }
  const staffOf = (token: string): unknown =>
    JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).administrator
  const code = (await authorize(lms, { scope: 'profile email' })).get('code') ?? ''
  const grant = { grant_type: 'authorization_code', code, redirect_uri: redirect, code_verifier: verifier }
  const first = await answerOf(grant)
  assert.equal(staffOf(first.json.access_token), true)
  await control(lms, 'people', { email: 'admin@lms.test', username: 'admin', active: true, staff: false })
  const refresh = { grant_type: 'refresh_token', refresh_token: first.json.refresh_token }
  const second = await answerOf(refresh)
  assert.deepEqual([second.status, second.json.scope, second.json.token_type], [200, 'profile email', 'JWT'])
  assert.equal(staffOf(second.json.access_token), false)
  assert.notEqual(second.json.refresh_token, first.json.refresh_token)
  assert.deepEqual(await answerOf(refresh), { status: 400, json: { error: 'invalid_grant' } })
  const other = { client_id: 'lernito-client', client_secret: 'lernito-client-secret' }
  const stolen = await answerOf({ ...refresh, refresh_token: second.json.refresh_token, ...other })
  assert.deepEqual(stolen, { status: 400, json: { error: 'unauthorized_client' } })
})
