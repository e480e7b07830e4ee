import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type StandInOptions, startStandIn } from '../../sandbox/stand-in.ts'
import { groupsForGrades } from '../../src/lms/apis/achievements.ts'
import { groupsForCourseList } from '../../src/lms/apis/enrollment.ts'
import { type Permit, unlimitedBudget } from '../../src/lms/client/budget.ts'
import { createLms } from '../../src/lms/lms.ts'
import { control } from '../harness.ts'
import { ENROLL, lmsSettings } from './calls.ts'
import { verdict } from './recorded.ts'

const DEMO = 'course-v1:edX+DemoX+Demo_Course'
const HONOR = 'course-v1:Lernito+Honor+2026'
const FULL = 'course-v1:Lernito+Full+2026'

/** The client with the stand-in LMS over HTTP. They share no code. */
async function start(t: TestContext, options: StandInOptions = {}, client = 'lernito-client') {
  const standIn = await startStandIn(options)
  const lms = createLms({
    settings: lmsSettings(standIn.url, client),
    concurrency: () => 2,
  })
  t.after(async () => {
    await lms.close()
    await standIn.close()
  })
  return {
    lms,
    ...control(standIn.url),
  }
}

function permit(): Promise<Permit> {
  return unlimitedBudget().acquire(new AbortController().signal)
}

test('the client makes all calls of a sale, and the LMS then has its enrollments and allowances', async (t) => {
  const { lms, state } = await start(t)
  assert.equal(verdict(await lms.heartbeat()), true)
  assert.deepEqual(verdict(await lms.serviceUser()), { username: 'lernito_service', administrator: true })
  assert.deepEqual(verdict(await lms.course('course-v1:edx+demox+demo_course+branch@draft-branch')), { key: DEMO })
  assert.deepEqual(verdict(await lms.course('edX/Old/2014')), { key: 'edX/Old/2014' })
  assert.equal(verdict(await lms.course('course-v1:No+Such+Course')), null)
  assert.deepEqual(verdict(await lms.account('ALICE@example.com')), { status: 'active', username: 'alice', id: 1 })
  assert.deepEqual(verdict(await lms.account('a+b@example.com')), { status: 'unknown' })
  assert.deepEqual(verdict(await lms.account('retired@example.com')), { status: 'retired' })
  assert.equal(verdict(await lms.bulkAvailable()), true)

  const emails = ['bob@example.com', 'new@example.com', 'alice@example.com', 'retired@example.com']
  const judged = await lms.bulkEnroll(await permit(), { ...ENROLL, courses: [DEMO, FULL], emails })
  assert.ok(judged.ok)
  assert.equal(judged.value.proof, true)
  for (const course of [DEMO, FULL]) {
    assert.deepEqual(Object.fromEntries(judged.value.results.get(course) ?? []), {
      'alice@example.com': 'enrolled',
      'bob@example.com': 'inactive',
      'new@example.com': 'allowed',
      'retired@example.com': 'retired',
    })
  }
  const { enrollments } = await state()
  assert.equal(enrollments.filter(({ email, active }) => email === 'alice@example.com' && active).length, 2)
})

test('a person who has not activated is enrolled singly, and the allowance of the bulk call is deleted', async (t) => {
  const { lms, state } = await start(t)
  const bob = { username: 'bob_inactive', course: HONOR }
  const allowance = { email: 'bob@example.com', course: HONOR }
  await lms.bulkEnroll(await permit(), { ...ENROLL, courses: [HONOR], emails: [allowance.email] })
  assert.deepEqual(verdict(await lms.allowances(await permit(), allowance)), [
    { course: HONOR, autoEnroll: true, used: false, usedBy: null, other: null },
  ])
  assert.equal(verdict(await lms.enrollment(await permit(), bob)), null)
  const enrolled = { active: true, mode: 'honor' }
  assert.deepEqual(verdict(await lms.enroll(await permit(), { ...bob, mode: 'honor' })), enrolled)
  const read = await lms.enrollment(await permit(), bob)
  assert.ok(read.ok && read.value !== null)
  const { created, ...rest } = read.value
  assert.ok(Math.abs(Date.now() - (created ?? 0)) < 60_000)
  assert.deepEqual(rest, { ...enrolled, courseModes: ['honor', 'verified'] })
  assert.equal(verdict(await lms.disallow(await permit(), allowance)), true)
  assert.equal(verdict(await lms.disallow(await permit(), allowance)), false)
  assert.deepEqual((await state()).allowances, [])
})

test('without bulk_enroll, an unknown person is allowed singly, and a full course refuses', async (t) => {
  const { lms, state } = await start(t, { bulk: false })
  assert.equal(verdict(await lms.bulkAvailable()), false)
  const call = { ...ENROLL, courses: [DEMO], emails: ['new@example.com'] }
  assert.equal(verdict(await lms.bulkEnroll(await permit(), call)), 'misconfigured')
  const odd = { email: '"a, b"@example.com', course: DEMO }
  assert.equal(verdict(await lms.allow(await permit(), odd)), 'created')
  assert.equal(verdict(await lms.allow(await permit(), odd)), 'exists')
  assert.deepEqual(
    (await state()).allowances.map(({ email }) => email),
    [odd.email],
  )
  assert.equal(verdict(await lms.enroll(await permit(), { username: 'alice', course: FULL, mode: null })), 'refused')
})

test('a service user who is not staff is a misconfiguration for every call, and never a refusal of the person', async (t) => {
  const { lms } = await start(t, {}, 'plain-client')
  assert.deepEqual(verdict(await lms.serviceUser()), { username: 'plain_service', administrator: false })
  const person = { username: 'alice', course: DEMO, mode: null }
  const judged = [
    await lms.account('alice@example.com'),
    await lms.bulkEnroll(await permit(), { ...ENROLL, courses: [DEMO], emails: ['alice@example.com'] }),
    await lms.enroll(await permit(), person),
    await lms.allow(await permit(), { email: 'new@example.com', course: DEMO }),
    await lms.allowances(await permit(), { email: 'new@example.com' }),
  ]
  assert.deepEqual(
    judged.map((one) => (one.ok ? 'ok' : one.failure.kind)),
    judged.map(() => 'misconfigured'),
  )
})

test('a throttle, a server error and a cut connection are different kinds of failure', async (t) => {
  const { lms, faults } = await start(t, { throttle: 1 })
  const call = { ...ENROLL, courses: [DEMO], emails: ['alice@example.com'] }
  const path = '/api/bulk_enroll/v1/bulk_enroll'
  for (const [set, kind] of [
    [{ status: 503, retryAfter: 5 }, 'unreachable'],
    [{ status: 500 }, 'server_error'],
    [{ drop: 'before' }, 'unreachable'],
  ] as const) {
    await faults([{ method: 'POST', path, times: 1, ...set }])
    assert.equal(verdict(await lms.bulkEnroll(await permit(), call)), kind)
  }
  assert.equal((await lms.bulkEnroll(await permit(), call)).ok, true)
  const throttled = await lms.enrollment(await permit(), { username: 'alice', course: DEMO })
  assert.ok(!throttled.ok)
  assert.equal(throttled.failure.kind, 'throttled')
  assert.ok((throttled.failure.retryAfterMs ?? 0) >= 1_000)
})

test('a look-up of as many people as fit in one call gets through the buffer of uWSGI', async (t) => {
  const { lms, calls } = await start(t)
  const names = Array.from({ length: 100 }, (_, i) => `maria.gonzalez.fernandez.${i}`)
  const emails = names.map((name) => `${name}@example.com`)
  assert.deepEqual(verdict(await lms.takenAsUsernames(emails)), new Set())
  const usernames = names.map((name) => name.replaceAll('.', '-'))
  for (const group of groupsForCourseList({ course: DEMO, usernames })) {
    assert.deepEqual(verdict(await lms.enrollmentsOfCourse(await permit(), { course: DEMO, usernames: group })), [])
  }
  for (const group of groupsForGrades({ course: DEMO, usernames })) {
    assert.ok((await lms.grades({ course: DEMO, usernames: group })).ok)
  }
  const asked = (await calls()).map(({ path }) => path)
  assert.ok(['/api/user/v1/accounts', '/api/enrollment/v1/enrollments'].every((path) => asked.includes(path)))
})
