import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { createClock } from './clock.ts'
import { getToken, startRecordedWorld } from './recording.ts'
import { control, type Lms } from './requests.ts'

const enrollments = '/api/enrollment/v1/enrollments?username=alice'
const allowances = '/api/enrollment/v1/enrollment_allowed/'

async function ask(lms: Lms, path: string, authorization: string) {
  const response = await fetch(lms.url + path, { headers: { authorization } })
  return { status: response.status, body: Object(await response.json()) }
}

test('a JWT is valid for an hour', async () => {
  const clock = createClock()
  await using lms = await startRecordedWorld({ now: clock.now })
  clock.advance(3_599_000)
  assert.equal((await ask(lms, allowances, `jwt ${lms.staff}`)).status, 200)
  clock.advance(1000)
  const expired = await ask(lms, allowances, `JWT ${lms.staff}`)
  assert.deepEqual(expired, { status: 401, body: { detail: 'Token has expired.' } })
})

test('a JWT of another key, or changed in its claims, is refused', async () => {
  await using lms = await startRecordedWorld()
  const [head = '', claims = '', signature = ''] = lms.plain.split('.')
  const other = { ...JSON.parse(Buffer.from(claims, 'base64url').toString()), preferred_username: 'lernito_service' }
  const forged = Buffer.from(JSON.stringify(other)).toString('base64url')
  const foreign = createHmac('sha256', 'another key').update(`${head}.${forged}`).digest('base64url')
  for (const token of [
    `${head}.${forged}.${signature}`,
    `${head}.${forged}.${foreign}`,
    `${head}.${forged}.`,
    `${lms.staff}.x`,
  ]) {
    assert.deepEqual(await ask(lms, enrollments, `JWT ${token}`), {
      status: 401,
      body: { developer_message: 'Invalid token.' },
    })
  }
})

test('an opaque token is valid as Bearer, a JWT is not, and the allowance API accepts no Bearer token', async () => {
  await using lms = await startRecordedWorld()
  const opaque = await getToken({ url: lms.url, client: 'lernito', type: 'bearer' })
  assert.equal((await ask(lms, enrollments, `Bearer ${opaque}`)).status, 200)
  assert.equal((await ask(lms, enrollments, `JWT ${opaque}`)).status, 401)
  const unknown = await ask(lms, enrollments, `Bearer ${lms.staff}`)
  assert.equal(unknown.status, 401)
  assert.equal(unknown.body.error_code, 'token_nonexistent')
  const refused = await ask(lms, allowances, `Bearer ${opaque}`)
  assert.deepEqual(refused, { status: 401, body: { detail: 'Authentication credentials were not provided.' } })
})

test('an opaque token is valid for ten hours', async () => {
  const clock = createClock()
  await using lms = await startRecordedWorld({ now: clock.now })
  const opaque = await getToken({ url: lms.url, client: 'lernito', type: 'bearer' })
  clock.advance(36_000_000)
  const expired = await ask(lms, '/api/user/v1/accounts', `Bearer ${opaque}`)
  assert.equal(expired.status, 401)
  assert.equal(expired.body.error_code, 'token_expired')
})

test('a header with too many parts or too few is refused', async () => {
  await using lms = await startRecordedWorld()
  assert.match((await ask(lms, allowances, 'JWT')).body.detail, /No credentials provided/)
  assert.match((await ask(lms, allowances, `JWT ${lms.staff} x`)).body.detail, /should not contain spaces/)
})

test('a token of a deleted account is refused', async () => {
  await using lms = await startRecordedWorld()
  await control(lms, 'reset', { applications: [], people: [], courses: [], password_of_people: 'x' })
  assert.equal((await ask(lms, allowances, `JWT ${lms.staff}`)).status, 401)
})
