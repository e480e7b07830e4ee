import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultWorld } from '../../sandbox/default-world.ts'
import { SandboxError } from '../../sandbox/lms/error.ts'
import { readWorld } from '../../sandbox/lms/world.ts'
import { startStandIn } from '../../sandbox/stand-in.ts'
import { recordedWorld, startRecordedWorld } from './recording.ts'
import { modifyPath } from './requests.ts'

const refusal = (code: string, words: RegExp) => (error: unknown) => {
  return error instanceof SandboxError && error.code === code && words.test(error.message)
}

test('the stand-in refuses to listen where other machines can reach it', async () => {
  for (const host of ['0.0.0.0', '::', '192.168.1.2', 'lms.example.com', '127.0.0.1.evil.test']) {
    await assert.rejects(startStandIn({ host }), refusal('sandbox.not_loopback', /loopback only/))
  }
  await using lms = await startRecordedWorld()
  assert.equal(new URL(lms.url).hostname, '127.0.0.1')
})

test('the error for a port in use names the port', async () => {
  await using lms = await startRecordedWorld()
  const port = Number(new URL(lms.url).port)
  await assert.rejects(startStandIn({ port }), refusal('address.in_use', new RegExp(`Port ${port}`)))
})

test('the default world is the recorded one', async () => {
  const { about, ...world } = await recordedWorld()
  assert.ok(about)
  assert.deepEqual(defaultWorld, world)
})

test('a wrong world is refused with the problem and its place', async () => {
  const world = await recordedWorld()
  for (const [wrong, words] of [
    [null, /the world/],
    [{ ...world, people: [{ username: 'x', email: 'x@example.com' }] }, /people\.0\.active/],
    [{ ...world, courses: [{ id: 'nonsense', name: 'X' }] }, /courses\.0\.id: must be a course key/],
    [{ ...world, peple: [] }, /peple/],
    [
      { ...world, people: [...world.people, { username: 'x', email: 'ALICE@example.com', active: true }] },
      /ALICE.*twice/,
    ],
    [
      { ...world, allowances: [{ email: 'x@example.com', course: 'a/b/c', auto_enroll: true, used: true }] },
      /x@example/,
    ],
    [{ ...world, people: [] }, /heidi@example.com, who is not among its people/],
  ] as const) {
    assert.throws(() => readWorld(wrong), refusal('sandbox.world_invalid', words))
  }
})

test('an unknown path answers the LMS’s HTML 404, whatever the method', async () => {
  await using lms = await startRecordedWorld()
  for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
    const response = await fetch(`${lms.url}/api/instructor/v2/nothing`, { method })
    assert.equal(response.status, 404)
    assert.equal(response.headers.get('content-type'), 'text/html; charset=utf-8')
    assert.match(await response.text(), /<h1>Page not found<\/h1>/)
  }
})

test('the options may add redirect URIs for an application', async () => {
  const mine = 'http://127.0.0.1:8790/lernito/console/callback'
  await using lms = await startRecordedWorld({ redirectUris: { 'console-client': [mine] } })
  const body = new URLSearchParams({ login: 'admin', password: 'pw-Test-123' })
  const signedIn = await fetch(`${lms.url}/login`, { method: 'POST', body, redirect: 'manual' })
  const cookie = signedIn.headers.get('set-cookie') ?? ''
  for (const redirect of [mine, 'http://127.0.0.1:8080/console/callback']) {
    const query = new URLSearchParams({ response_type: 'code', client_id: 'console-client', redirect_uri: redirect })
    const response = await fetch(`${lms.url}/oauth2/authorize?${query}`, { headers: { cookie }, redirect: 'manual' })
    assert.ok(response.headers.get('location')?.startsWith(`${redirect}?code=`))
  }
})

test('no wrong input makes the stand-in fail', async () => {
  await using lms = await startRecordedWorld()
  const bodies = [
    '',
    '[]',
    '"text"',
    '7',
    'null',
    '{',
    '\u0000',
    '{"a":NaN}',
    '{"__proto__":1}',
    `${'['.repeat(3000)}`,
    '\ufeff{}',
  ]
  const odd = [null, 7, true, [], {}, ['x'], { a: 1 }, '', ' ', 'x'.repeat(3000), '\u0000', '\ud800', 'é']
  for (const name of [
    'user',
    'email',
    'mode',
    'is_active',
    'course_details',
    'identifiers',
    'courses',
    'action',
    'auto_enroll',
  ]) {
    for (const value of odd) {
      const usual = {
        user: 'alice',
        email: 'alice@example.com',
        action: 'enroll',
        identifiers: 'alice',
        courses: 'a/b/c',
        course_id: 'a/b/c',
      }
      bodies.push(JSON.stringify({ ...usual, course_details: { course_id: 'edX/Old/2014' }, [name]: value }))
    }
  }
  const paths = [
    '/api/bulk_enroll/v1/bulk_enroll',
    '/api/enrollment/v1/enrollment',
    '/api/enrollment/v1/enrollment_allowed/',
    '/oauth2/access_token',
    '/login',
    '/register',
    '/api/user/v2/account/registration/',
    '/sandbox/seed',
    '/sandbox/faults',
    '/sandbox/people',
  ]
  async function isFine(path: string, type: string, body: string): Promise<void> {
    const headers = { authorization: `JWT ${lms.staff}`, 'content-type': type }
    const response = await fetch(lms.url + path, { method: 'POST', headers, body })
    await response.arrayBuffer()
    assert.ok(response.status < 500, `${path} ${type} ${body.slice(0, 200)}: ${response.status}`)
  }
  for (const path of paths) {
    for (const body of bodies) await isFine(path, 'application/json', body)
    for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'odd']) await isFine(path, type, '{"a":1}')
  }
  const queries = [
    '?page=x',
    '?page_size=0',
    '?cursor=%00',
    '?username=%00',
    '?email=%FF',
    '?course_id=nonsense',
    '?%',
    '?a[b]=c',
  ]
  for (const path of [
    '/api/courses/v1/courses/',
    '/api/courses/v1/courses/%',
    '/api/courses/v1/courses/a+b+(c)',
    '/api/enrollment/v1/enrollments',
    '/api/user/v1/accounts',
    '/api/enrollment/v1/enrollment/a,b',
    '/api/enrollment/v1/enrollment/a,b+c+(d)',
    '/api/enrollment/v1/course/a+b+c',
    '/login',
    '/register',
    '/activate/%00',
    '/dashboard',
  ]) {
    for (const query of ['', ...queries]) {
      const response = await fetch(lms.url + path + query, {
        headers: { authorization: `JWT ${lms.staff}` },
        redirect: 'manual',
      })
      await response.arrayBuffer()
      assert.ok(response.status < 500, `${path}${query}: ${response.status}`)
    }
  }
})

test('without modify its path gives the 404 page', async () => {
  await using lms = await startRecordedWorld({ modify: false })
  const missing = await fetch(lms.url + modifyPath(), { method: 'POST' })
  assert.deepEqual([missing.status, missing.headers.get('content-type')], [404, 'text/html; charset=utf-8'])
})

test('a request that has no room in the buffer of uWSGI, which names the query twice, is cut', async () => {
  await using lms = await startRecordedWorld()
  const headers = { authorization: `JWT ${'x'.repeat(950)}` }
  const ask = (length: number) =>
    fetch(`${lms.url}/api/user/v1/accounts?username=`.padEnd(lms.url.length + length, 'a'), { headers })
  assert.equal((await ask(3300)).status, 401)
  await assert.rejects(ask(3500))
  assert.equal((await ask(4094)).status, 400)
})
