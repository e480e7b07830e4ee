import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createThrottle } from '../../src/sandbox/throttle.ts'
import { createClock } from './clock.ts'
import { startRecordedWorld } from './recording.ts'
import { bulk, control, demo, get, post } from './requests.ts'

test('staff have the rate, others a third of it, each for themselves', () => {
  const throttle = createThrottle({ rate: 9, now: () => 0 })
  const admitted = (user: string, staff: boolean) => {
    return Array.from({ length: 12 }, () => throttle.admit({ user, staff })).filter((wait) => wait === null).length
  }
  assert.equal(admitted('staff', true), 9)
  assert.equal(admitted('other', false), 3)
  assert.equal(admitted('third', false), 3)
})

test('the minute slides: each call is forgotten after 60 s, and refused calls are never counted', () => {
  const clock = createClock()
  const throttle = createThrottle({ rate: 2, now: clock.now })
  const admit = () => throttle.admit({ user: 'staff', staff: true })
  assert.equal(admit(), null)
  clock.advance(10_000)
  assert.equal(admit(), null)
  assert.equal(admit(), 50)
  clock.advance(49_500)
  assert.equal(admit(), 1)
  clock.advance(500)
  assert.equal(admit(), null)
  assert.equal(admit(), 10)
})

test('all enrollment views and bulk share one count; courses and accounts have none', async () => {
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
