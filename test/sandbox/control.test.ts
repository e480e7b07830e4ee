import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordedWorld, startRecordedWorld } from './recording.ts'
import { bulk, bulkPath, control, demo, get, type Lms, modifyPath, post } from './requests.ts'

const heidi = { email: 'heidi@example.com', course: 'course-v1:Lernito+Full+2026', mode: 'audit', active: true }

async function refused(lms: Lms, path: string, json: unknown, reason: RegExp): Promise<void> {
  const before = await lms.state()
  const response = await control(lms, path, json)
  assert.equal(response.status, 400, path)
  assert.match(Object(await response.json()).error, reason)
  assert.deepEqual(await lms.state(), before)
}

test('state shows enrollments and allowances by e-mail, then course, letter case aside', async () => {
  await using lms = await startRecordedWorld()
  assert.deepEqual(await lms.state(), { enrollments: [heidi], allowances: [] })
  const courses = ['edX/Old/2014', 'course-v1:Lernito+PY101+2026', 'course-v1:Lernito+Pro+2026', demo]
  await bulk(lms, ['Z@example.com', 'a@example.com'], courses)
  const { allowances } = await lms.state()
  assert.deepEqual(allowances[0], { email: 'a@example.com', course: demo, auto_enroll: true, used: false })
  assert.deepEqual(
    allowances.map(({ email, course }) => `${email} ${course}`),
    ['a', 'Z'].flatMap((name) => {
      return [demo, 'course-v1:Lernito+Pro+2026', 'course-v1:Lernito+PY101+2026', 'edX/Old/2014'].map((course) => {
        return `${name}@example.com ${course}`
      })
    }),
  )
})

test('an answer ends with a line break, so that the prompt of a shell starts on a line of its own', async () => {
  await using lms = await startRecordedWorld()
  for (const [path, body] of [
    ['seed', {}],
    ['seed', { nobody: 1 }],
  ] as const) {
    assert.match(await (await control(lms, path, body)).text(), /^[^\n]+\n$/)
  }
})

test('seed adds rows and replaces existing ones', async () => {
  await using lms = await startRecordedWorld()
  const alice = { email: 'ALICE@example.com', course: demo, mode: 'verified', active: false }
  const allowance = { email: 'new@example.com', course: demo, auto_enroll: false, used: false }
  assert.equal((await control(lms, 'seed', { enrollments: [alice], allowances: [allowance] })).status, 200)
  const seeded = { ...alice, email: 'alice@example.com' }
  assert.deepEqual(await lms.state(), { enrollments: [seeded, heidi], allowances: [allowance] })
  await control(lms, 'seed', {
    enrollments: [{ ...alice, active: true }],
    allowances: [{ ...allowance, auto_enroll: true }],
  })
  const replaced = {
    enrollments: [{ ...seeded, active: true }, heidi],
    allowances: [{ ...allowance, auto_enroll: true }],
  }
  assert.deepEqual(await lms.state(), replaced)
  await refused(lms, 'seed', { enrollments: [{ ...alice, email: 'no@example.com' }] }, /no@example.com has no account/)
  await refused(
    lms,
    'seed',
    { enrollments: [{ ...alice, course: 'nonsense' }] },
    /enrollments.0.course: must be a course key/,
  )
})

test('reset returns to the first world, or loads the given one; tokens stay valid', async () => {
  await using lms = await startRecordedWorld()
  await bulk(lms, ['new@example.com'])
  await control(lms, 'faults', { faults: [{ path: '/heartbeat', status: 500 }] })
  const world = await recordedWorld()
  const other = { ...world, people: [{ username: 'zoe', email: 'zoe@example.com', active: true }], enrollments: [] }
  assert.equal((await control(lms, 'reset', other)).status, 200)
  assert.deepEqual(await lms.state(), { enrollments: [], allowances: [] })
  assert.equal((await get(lms, '/api/user/v1/accounts?username=zoe')).status, 200)
  assert.equal((await get(lms, '/api/user/v1/accounts?username=alice')).status, 404)
  assert.equal((await get(lms, '/heartbeat')).status, 200)
  await refused(lms, 'reset', { ...world, courses: 'none' }, /wrong at courses/)
  await refused(lms, 'reset', [], /The world is wrong/)
  for (const nothing of [undefined, {}, null]) {
    await bulk(lms, ['zoe@example.com'])
    assert.equal((await control(lms, 'reset', nothing)).status, 200)
    assert.deepEqual(await lms.state(), { enrollments: [heidi], allowances: [] })
  }
  assert.equal((await get(lms, '/api/user/v1/accounts?username=alice')).status, 200)
})

test('people adds an active or inactive account, or replaces the one with that address', async () => {
  await using lms = await startRecordedWorld()
  assert.equal((await control(lms, 'people', { email: 'zoe@example.com', username: 'zoe', active: false })).status, 200)
  await bulk(lms, ['zoe@example.com'])
  assert.equal((await lms.state()).allowances.length, 1)
  assert.equal((await control(lms, 'people', { email: 'zoe@example.com', username: 'zoe2', active: true })).status, 200)
  assert.equal((await get(lms, '/api/user/v1/accounts?username=zoe')).status, 404)
  await bulk(lms, ['zoe2'])
  assert.equal((await lms.state()).enrollments.length, 2)
  await refused(
    lms,
    'people',
    { email: 'y@example.com', username: 'Alice', active: true },
    /Alice is taken by alice@example.com/,
  )
  await refused(lms, 'people', { username: 'y', active: true }, /email/)
})

test('activate turns allowances with auto_enroll into enrollments, once', async () => {
  await using lms = await startRecordedWorld()
  const full = 'course-v1:Lernito+Full+2026'
  await bulk(lms, ['bob@example.com'], [demo, full, 'course-v1:Lernito+Closed+2026'])
  const off = { email: 'bob@example.com', course: 'edX/Old/2014', auto_enroll: false, used: false }
  await control(lms, 'seed', { allowances: [off] })
  assert.equal((await control(lms, 'activate', { email: 'BOB@example.com' })).status, 200)
  const { enrollments, allowances } = await lms.state()
  assert.equal(enrollments.filter(({ email }) => email === 'bob@example.com').length, 3)
  assert.deepEqual(
    allowances.map(({ used }) => used),
    [true, true, true, false],
  )
  await refused(lms, 'activate', { email: 'nobody@example.com' }, /nobody@example.com has no account/)
})

test('an allowance for a missing course makes the activation fail, and nothing is kept', async () => {
  await using lms = await startRecordedWorld()
  await bulk(lms, ['bob@example.com'], [demo, 'course-v1:No+Such+Course'])
  await refused(lms, 'activate', { email: 'bob@example.com' }, /course-v1:No\+Such\+Course, which doesn't exist/)
})

test('calls are counted by method, pattern and status, except those of the control API', async () => {
  await using lms = await startRecordedWorld()
  const calls = async () => Object(await (await control(lms, 'calls', undefined, 'GET')).json()).calls
  assert.deepEqual(await calls(), [{ method: 'POST', path: '/oauth2/access_token', status: 200, count: 2 }])
  assert.equal((await control(lms, 'calls', undefined, 'DELETE')).status, 200)
  await bulk(lms, ['new@example.com'])
  await bulk(lms, ['new@example.com'])
  await get(lms, `/api/courses/v1/courses/${demo}?username=alice`)
  await get(lms, '/api/courses/v1/courses/edX/Old/2014')
  await get(lms, '/api/courses/v1/courses/course-v1:No+Such+Course')
  await get(lms, '/no/such/path?x=1')
  assert.deepEqual(await calls(), [
    { method: 'POST', path: bulkPath, status: 200, count: 2 },
    { method: 'GET', path: '/api/courses/v1/courses/{id}', status: 200, count: 2 },
    { method: 'GET', path: '/api/courses/v1/courses/{id}', status: 404, count: 1 },
    { method: 'GET', path: '/no/such/path', status: 404, count: 1 },
  ])
})

test('a control request that isn’t JSON, or has an unknown field, is refused with the reason', async () => {
  await using lms = await startRecordedWorld()
  const broken = await fetch(`${lms.url}/sandbox/seed`, { method: 'POST', body: '{"enrollments":' })
  assert.equal(broken.status, 400)
  assert.match(await broken.text(), /Expecting value: line 1 column 16/)
  await refused(lms, 'seed', { enrolments: [] }, /enrolments/)
})

test('mails and audit rows are listed, and a reset deletes them', async () => {
  await using lms = await startRecordedWorld()
  const list = async (path: string) => Object(await (await control(lms, path, undefined, 'GET')).json())
  const json = { action: 'enroll', identifier: ['alice@example.com'], email_students: true, reason: 'Lernito 4711' }
  const enroll = () => post({ url: lms.url, path: modifyPath(), json, token: lms.staff })
  assert.equal((await enroll()).status, 200)
  const { mails } = await list('mails')
  const [{ at, ...mail }] = mails
  assert.match(at, /^20\d\d-.*Z$/)
  const subject = 'You have been enrolled in Demonstration Course'
  assert.deepEqual([mails.length, mail], [1, { to: 'alice@example.com', kind: 'enrolled', subject, course: demo }])
  const row = {
    enrolled_by: 'lernito_service',
    enrolled_email: 'alice@example.com',
    state_transition: 'from unenrolled to enrolled',
    reason: 'Lernito 4711',
    enrollment: { user: 'alice', course: demo },
  }
  assert.deepEqual(await list('audit'), { audit: [row] })
  assert.equal((await control(lms, 'mails', undefined, 'DELETE')).status, 200)
  assert.deepEqual(await list('mails'), { mails: [] })
  await enroll()
  await control(lms, 'reset')
  assert.deepEqual([await list('mails'), await list('audit')], [{ mails: [] }, { audit: [] }])
})

test('an address turns its allowances into enrollments of an active account that gets it, also used ones of the account', async () => {
  await using lms = await startRecordedWorld()
  const [old, now] = ['mover@example.com', 'moved@example.com']
  const move = (formerly: string, email: string) => control(lms, 'address', { formerly, email })
  const activeIn = async (): Promise<string[]> =>
    (await lms.state()).enrollments.filter(({ email, active }) => email === now && active).map(({ course }) => course)
  await control(lms, 'people', { email: old, username: 'mover', active: false })
  await control(lms, 'seed', { allowances: [{ email: now, course: demo, auto_enroll: true, used: false }] })
  await move(old, now)
  assert.deepEqual(await activeIn(), [], 'the account is not active')
  await move(now, old)
  await control(lms, 'activate', { email: old })
  await move(old, now)
  assert.deepEqual(await activeIn(), [demo])
  assert.equal((await lms.state()).allowances[0]?.used, true)
  await control(lms, 'seed', { enrollments: [{ email: now, course: demo, mode: 'audit', active: false }] })
  await move(now, old)
  await move(old, now)
  assert.deepEqual(await activeIn(), [demo])
  await control(lms, 'seed', {
    allowances: [{ email: old, course: 'course-v1:no+such+course', auto_enroll: true, used: false }],
  })
  await refused(lms, 'address', { formerly: now, email: old }, /there is an allowance for course-v1:no\+such\+course/)
})

test('address moves an account to another address, and retire hashes it; neither takes one that is taken', async () => {
  await using lms = await startRecordedWorld()
  const account = async (query: string) => {
    const answer = await get(lms, `/api/user/v1/accounts?${query}`)
    const text = await answer.text()
    return answer.status === 200 ? Object(JSON.parse(text)[0]) : { status: answer.status, text }
  }
  const { id, username } = await account('email=alice@example.com')
  const moved = { formerly: 'alice@example.com', email: 'alice@example.org' }
  assert.equal((await control(lms, 'address', moved)).status, 200)
  assert.equal((await account('email=alice@example.com')).text, '')
  const { email, ...there } = await account(`lms_user_id=${id}`)
  assert.deepEqual([email, there.id, there.username], ['alice@example.org', id, username])
  await refused(lms, 'address', moved, /alice@example.com has no account/)
  const taken = { formerly: 'alice@example.org', email: 'erin@example.com' }
  await refused(lms, 'address', taken, /erin@example.com is taken by erin/)
  assert.equal((await control(lms, 'retire', { email: 'alice@example.org' })).status, 200)
  assert.match((await account('email=Alice@example.org')).text, /retired account/)
  assert.match((await account(`lms_user_id=${id}`)).email, /^retired__user_[0-9a-f]{40}@retired.invalid$/)
})
