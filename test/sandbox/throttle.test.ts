import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAddressLimit, createThrottle } from '../../sandbox/lms/throttle.ts'
import { createClock } from './clock.ts'
import { startRecordedWorld } from './recording.ts'
import { bulk, control, demo, get, modify, post } from './requests.ts'

test('each staff user has the full rate, and each other user a third of it', () => {
  const throttle = createThrottle({ rate: 9, now: () => 0 })
  const admitted = (user: string, staff: boolean) => {
    const calls = Array.from({ length: 12 }, () => throttle.admit({ view: 'enrolling', user, staff }))
    return calls.filter((call) => call.admitted).length
  }
  assert.equal(admitted('staff', true), 9)
  assert.equal(admitted('other', false), 3)
  assert.equal(admitted('third', false), 3)
})

test('the minute slides: a call stops counting after 60 s, and refused calls never count', () => {
  const clock = createClock()
  const throttle = createThrottle({ rate: 2, now: clock.now })
  const waits = () => {
    const call = throttle.admit({ view: 'enrolling', user: 'staff', staff: true })
    return call.admitted ? 0 : call.wait
  }
  assert.equal(waits(), 0)
  clock.advance(10_000)
  assert.equal(waits(), 0)
  assert.equal(waits(), 50)
  clock.advance(49_500)
  assert.equal(waits(), 1)
  clock.advance(500)
  assert.equal(waits(), 0)
  assert.equal(waits(), 10)
})

test('all enrollment views and bulk share one count; a single course and accounts are not throttled', async () => {
  await using lms = await startRecordedWorld({ throttle: 4 })
  assert.equal((await bulk(lms, ['new@example.com'])).status, 200)
  assert.equal((await get(lms, '/api/enrollment/v1/enrollments?username=alice')).status, 200)
  assert.equal((await get(lms, `/api/enrollment/v1/enrollment/alice,${demo}`)).status, 200)
  const allowance = { email: 'b@example.com', course_id: demo }
  const path = '/api/enrollment/v1/enrollment_allowed/'
  assert.equal((await post({ url: lms.url, path, json: allowance, token: lms.staff })).status, 201)
  const refused = await post({ url: lms.url, path, json: allowance, token: lms.staff })
  assert.equal(refused.status, 429)
  assert.match(refused.headers.get('retry-after') ?? '', /^(59|60)$/)
  assert.equal((await bulk(lms, ['new@example.com'])).status, 429)
  assert.equal((await get(lms, '/api/user/v1/accounts?username=alice')).status, 200)
  assert.equal((await get(lms, `/api/courses/v1/courses/${demo}`)).status, 200)
  await control(lms, 'reset')
  assert.equal((await bulk(lms, ['new@example.com'])).status, 200)
})

test('modify and search_emails are not throttled, not even while bulk_enroll is', async () => {
  await using lms = await startRecordedWorld({ throttle: 3 })
  const search = { url: lms.url, path: '/api/user/v1/accounts/search_emails', json: { emails: [] }, token: lms.staff }
  for (let call = 0; call < 10; call++) assert.equal((await modify(lms, ['new@example.com'])).status, 200)
  for (let call = 0; call < 10; call++) assert.equal((await post(search)).status, 200)
  for (let call = 0; call < 3; call++) assert.equal((await bulk(lms, ['new@example.com'])).status, 200)
  assert.equal((await bulk(lms, ['new@example.com'])).status, 429)
  assert.equal((await modify(lms, ['new@example.com'])).status, 200)
  assert.equal((await post(search)).status, 200)
})

const COURSE_LIST = '/api/courses/v1/courses/'

test('the course list has a third of the rate, and shares its count with the enrolling calls', async () => {
  await using lms = await startRecordedWorld({ throttle: 12 })
  for (let call = 0; call < 3; call++) assert.equal((await bulk(lms, ['new@example.com'])).status, 200)
  assert.equal((await get(lms, COURSE_LIST)).status, 200)
  const refused = await get(lms, COURSE_LIST)
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [429, null])
  assert.match(
    await refused.text(),
    /^\{"developer_message":"Request was throttled\. Expected available in \d+ seconds\."\}$/,
  )
  for (let call = 4; call < 12; call++) assert.equal((await bulk(lms, ['new@example.com'])).status, 200)
  const over = await get(lms, COURSE_LIST)
  assert.deepEqual([over.status, await over.text()], [429, '{"developer_message":"Request was throttled."}'])
  assert.equal((await bulk(lms, ['new@example.com'])).status, 429)
})

test('the token endpoint accepts 120 calls a minute from an address, then answers with a page without a wait time', async () => {
  const clock = createClock()
  await using lms = await startRecordedWorld({ throttle: 120, now: clock.now })
  const ask = () => fetch(`${lms.url}/oauth2/access_token`, { method: 'POST' })
  clock.advance(60_000 - (clock.now() % 60_000))
  for (let call = 0; call < 120; call++) assert.equal((await ask()).status, 400)
  const refused = await ask()
  assert.equal(refused.status, 429)
  assert.match(refused.headers.get('content-type') ?? '', /^text\/html/)
  assert.equal(refused.headers.get('retry-after'), null)
  clock.advance(60_000)
  assert.equal((await ask()).status, 400)
})

test('each address has its own limit at the token endpoint, and without the throttle there is no limit', () => {
  const limit = createAddressLimit({ off: false, now: () => 0 })
  const admitted = (address: string) => Array.from({ length: 130 }, () => limit.admit(address)).filter(Boolean).length
  assert.deepEqual([admitted('10.0.0.1'), admitted('10.0.0.2')], [120, 120])
  const none = createAddressLimit({ off: true, now: () => 0 })
  assert.ok(Array.from({ length: 130 }, () => none.admit('10.0.0.1')).every(Boolean))
})
