import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exchangeOf } from '../lms/recorded.ts'
import { createClock } from './clock.ts'
import { startRecordedWorld } from './recording.ts'
import { bulk, bulkPath, control, demo, get, modify } from './requests.ts'

test('a fault with a status answers instead of the LMS, as many times as set, with Retry-After', async () => {
  await using lms = await startRecordedWorld()
  const fault = { method: 'post', path: bulkPath, status: 503, times: 2, retryAfter: 5 }
  assert.equal((await control(lms, 'faults', { faults: [fault] })).status, 200)
  assert.equal((await get(lms, bulkPath)).status, 405)
  for (let time = 1; time <= 2; time += 1) {
    const response = await bulk(lms, ['new@example.com'])
    assert.equal(response.status, 503)
    assert.equal(response.headers.get('retry-after'), '5')
    assert.match(await response.text(), /Service Unavailable/)
  }
  assert.deepEqual((await lms.state()).allowances, [])
  assert.equal((await bulk(lms, ['new@example.com'])).status, 200)
})

test('a fault without times lasts until it is deleted; without a path it applies to every call except /sandbox', async () => {
  await using lms = await startRecordedWorld()
  await control(lms, 'faults', { faults: [{ status: 500 }] })
  for (const path of ['/heartbeat', '/', '/login', '/api/user/v1/me', '/no/such/path', '/heartbeat']) {
    assert.equal((await get(lms, path)).status, 500, path)
  }
  assert.equal((await control(lms, 'state', undefined, 'GET')).status, 200)
  await control(lms, 'faults', undefined, 'DELETE')
  assert.equal((await get(lms, '/heartbeat')).status, 200)
})

test('a fault names a path or a route’s pattern', async () => {
  await using lms = await startRecordedWorld()
  const pattern = '/api/courses/v1/courses/{id}'
  const path = '/api/courses/v1/courses/edX/Old/2014'
  await control(lms, 'faults', {
    faults: [
      { path: pattern, status: 502, times: 1 },
      { path, status: 504 },
    ],
  })
  assert.equal((await get(lms, `/api/courses/v1/courses/${demo}?username=alice`)).status, 502)
  assert.equal((await get(lms, `/api/courses/v1/courses/${demo}`)).status, 200)
  assert.equal((await get(lms, `${path}?username=alice`)).status, 504)
})

test('a fault that names no route of the stand-in is refused with the routes, because it would never apply', async () => {
  await using lms = await startRecordedWorld()
  const path = '/api/courses/v1/courses/{course_id}'
  const refused = await control(lms, 'faults', { faults: [{ status: 500 }, { path, status: 502 }] })
  assert.equal(refused.status, 400)
  assert.match(await refused.text(), /\{course_id\} is none of the routes: .*\/api\/courses\/v1\/courses\/\{id\}/)
  assert.equal((await get(lms, '/heartbeat')).status, 200)
})

test('a fault may name a route that only this LMS lacks', async () => {
  await using lms = await startRecordedWorld({ modify: false })
  const path = '/api/instructor/v2/courses/{course_id}/enrollments/modify'
  assert.equal((await control(lms, 'faults', { faults: [{ path, status: 500 }] })).status, 200)
})

test('a fault may have its own body: HTML instead of JSON, or the wrong JSON', async () => {
  await using lms = await startRecordedWorld()
  const html = { path: '/heartbeat', body: '<p>maintenance</p>', times: 1 }
  const json = { path: '/heartbeat', status: 201, body: { odd: [1] }, times: 1 }
  const broken = { path: '/heartbeat', body: '{"half":', contentType: 'application/json', times: 1 }
  await control(lms, 'faults', { faults: [html, json, broken] })
  const first = await get(lms, '/heartbeat')
  assert.deepEqual([first.status, first.headers.get('content-type')], [200, 'text/html; charset=utf-8'])
  assert.equal(await first.text(), '<p>maintenance</p>')
  const second = await get(lms, '/heartbeat')
  assert.deepEqual([second.status, await second.json()], [201, { odd: [1] }])
  const third = await get(lms, '/heartbeat')
  assert.equal(third.headers.get('content-type'), 'application/json')
  assert.equal(await third.text(), '{"half":')
})

test('drop before closes the connection, and the call changes nothing', async () => {
  await using lms = await startRecordedWorld()
  await control(lms, 'faults', { faults: [{ path: bulkPath, drop: 'before', times: 1 }] })
  await assert.rejects(bulk(lms, ['new@example.com']))
  assert.deepEqual((await lms.state()).allowances, [])
  assert.equal((await bulk(lms, ['new@example.com'])).status, 200)
})

test('drop after closes the connection once the call has made its changes', async () => {
  await using lms = await startRecordedWorld()
  await control(lms, 'faults', { faults: [{ path: bulkPath, drop: 'after', times: 1 }] })
  await assert.rejects(bulk(lms, ['new@example.com']))
  assert.equal((await lms.state()).allowances.length, 1)
  await control(lms, 'faults', { faults: [{ path: '/', drop: 'after', times: 1 }] })
  await assert.rejects(get(lms, '/'))
  const { calls } = Object(await (await control(lms, 'calls', undefined, 'GET')).json())
  assert.deepEqual(calls.at(-2), { method: 'POST', path: bulkPath, status: 0, count: 1 })
  assert.deepEqual(calls.at(-1), { method: 'GET', path: '/', status: 0, count: 1 })
})

test('delayMs delays the LMS, which still makes the changes and then answers', async () => {
  const clock = createClock()
  await using lms = await startRecordedWorld({ now: clock.now, sleep: clock.sleep })
  await control(lms, 'faults', { faults: [{ path: bulkPath, delayMs: 700, times: 1 }] })
  const gaveUp = new AbortController()
  const answer = fetch(lms.url + bulkPath, {
    method: 'POST',
    headers: { authorization: `JWT ${lms.staff}`, 'content-type': 'application/json' },
    body: JSON.stringify({ action: 'enroll', courses: demo, identifiers: 'new@example.com' }),
    signal: gaveUp.signal,
  })
  await clock.slept(1)
  assert.deepEqual(clock.durations, [700])
  gaveUp.abort()
  await assert.rejects(answer)
  assert.deepEqual((await lms.state()).allowances, [])
  clock.advance(700)
  // A caller that stops waiting doesn't stop the LMS.
  assert.equal((await lms.state()).allowances.length, 1)
})

test('a fault may name a course or a person: it applies only to calls with them in the URL or the body', async () => {
  await using lms = await startRecordedWorld()
  const bad = 'bad@example.com'
  const faults = [
    { path: bulkPath, naming: bad, status: 502 },
    { path: '/api/user/v1/accounts', naming: bad, status: 500 },
  ]
  await control(lms, 'faults', { faults })
  assert.equal((await bulk(lms, ['new@example.com', bad])).status, 502)
  assert.deepEqual((await lms.state()).allowances, [])
  assert.equal((await bulk(lms, ['new@example.com'])).status, 200)
  assert.equal((await get(lms, `/api/user/v1/accounts?email=${encodeURIComponent(bad)}`)).status, 500)
  assert.equal((await get(lms, '/api/user/v1/accounts?email=alice%40example.com')).status, 200)
})

test('a fault makes bulk_enroll answer `error` for every person in one course', async () => {
  await using lms = await startRecordedWorld()
  await control(lms, 'faults', { faults: [{ path: bulkPath, naming: demo, error: true }] })
  const response = await bulk(lms, ['new@example.com'])
  assert.equal(response.status, 200)
  const { courses } = Object(await response.json())
  assert.deepEqual(courses[demo].results, [{ identifier: 'new@example.com', error: true }])
  assert.deepEqual((await lms.state()).allowances, [])
})

test('a fault makes modify answer `error` for every person in one course', async () => {
  await using lms = await startRecordedWorld()
  const path = '/api/instructor/v2/courses/{course_id}/enrollments/modify'
  await control(lms, 'faults', { faults: [{ path, naming: demo, error: true }] })
  const { results } = Object(await (await modify(lms, ['new@example.com'])).json())
  assert.deepEqual(results, [{ identifier: 'new@example.com', error: true }])
  assert.equal((await modify(lms, ['new@example.com'], 'course-v1:Lernito+PY101+2026')).status, 200)
  assert.equal((await lms.state()).allowances.length, 1)
})

test('wrong faults are refused with 400 and a reason', async () => {
  await using lms = await startRecordedWorld()
  for (const [fault, reason] of [
    [{}, /does nothing/],
    [{ status: 99 }, /status/],
    [{ status: 503, times: 0 }, /times/],
    [{ status: 503, drop: 'before' }, /drop together with status/],
    [{ retryAfter: 5, delayMs: 1 }, /retryAfter, which needs a status/],
    [{ path: 'heartbeat', status: 500 }, /path/],
    [{ status: 500, tmies: 1 }, /tmies/],
  ] as const) {
    const response = await control(lms, 'faults', { faults: [fault] })
    assert.equal(response.status, 400)
    assert.match(await response.text(), reason)
  }
  assert.equal((await get(lms, '/heartbeat')).status, 200)
})

test('with a text, the fault answers with the fields of the next releases', async () => {
  await using lms = await startRecordedWorld()
  const error = 'Something went wrong while processing this learner. Please try again or contact support.'
  await control(lms, 'faults', { faults: [{ path: bulkPath, naming: demo, error }] })
  const { courses } = Object(await (await bulk(lms, ['new@example.com'])).json())
  const next = exchangeOf('../lms-next/next', 'batch: a person for whom it failed').response.body
  assert.deepEqual(courses[demo].results, Object(next).results)
})

test('version 2 of the enrollment API answers as next.json says, if the stand-in has it', async () => {
  await using lms = await startRecordedWorld({ enrollment: 'v1 and v2' })
  const path = '/api/enrollment/v2/enrollment/'
  assert.equal((await fetch(`${lms.url}${path}`)).status, 401)
  const next = exchangeOf('../lms-next/next', 'v2: the list of a person without enrollments').response.body
  assert.deepEqual(await (await get(lms, path)).json(), next)
})
