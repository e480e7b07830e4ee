import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startRecordedWorld } from './recording.ts'
import { bulk, control, demo, type Lms, modifyPath, post } from './requests.ts'

/** A browser without scripts: keeps the session cookie, posts forms, and follows redirects only on request. */
function browser(lms: Lms) {
  let cookie = ''
  async function open(path: string, form?: Record<string, string>) {
    const body = form ? new URLSearchParams(form) : null
    const response = await fetch(new URL(path, lms.url), {
      method: form ? 'POST' : 'GET',
      body,
      headers: { cookie },
      redirect: 'manual',
    })
    const set = response.headers.get('set-cookie')
    if (set) {
      assert.match(set, /; HttpOnly; SameSite=Lax/)
      cookie = set.split(';')[0] ?? ''
    }
    return { status: response.status, location: response.headers.get('location'), html: await response.text() }
  }
  return { open }
}

const newcomer = { email: 'new@example.com', username: 'newcomer', name: 'New <Comer>', password: 'a good password' }
const password = 'pw-Test-123'

test('a buyer registers, activates, signs in and finds the course on the dashboard', async () => {
  await using lms = await startRecordedWorld()
  await bulk(lms, [newcomer.email])
  const { open } = browser(lms)
  assert.match((await open('/')).html, /href="\/register".*href="\/login"/s)
  const form = await open('/register')
  for (const name of Object.keys(newcomer)) assert.ok(form.html.includes(`name="${name}"`), name)

  const registered = await open('/register', newcomer)
  assert.equal(registered.status, 200)
  assert.equal((await lms.state()).enrollments.length, 1)
  const early = await open('/login', { login: 'newcomer', password: newcomer.password })
  assert.equal(early.status, 400)
  assert.match(early.html, /isn't active yet/)

  const link = /href="(\/activate\/\w+)"/.exec(registered.html)?.[1]
  assert.ok(link && early.html.includes(link))
  assert.match((await open(link)).html, /is active/)
  const dashboard = await open('/dashboard')
  assert.deepEqual([dashboard.status, dashboard.location], [302, '/login?next=/dashboard'])
  const signedIn = await open('/login', { login: 'NEW@example.com', password: newcomer.password, next: '/dashboard' })
  assert.deepEqual([signedIn.status, signedIn.location], [302, '/dashboard'])
  const { html } = await open('/dashboard')
  assert.match(html, /Demonstration Course/)
  assert.ok(html.includes(demo))
  assert.ok(html.includes('New &#60;Comer&#62;'), 'what people type is escaped')
})

test('the dashboard says when there are no courses, and leaves out unenrolled ones', async () => {
  await using lms = await startRecordedWorld()
  await control(lms, 'seed', {
    enrollments: [{ email: 'alice@example.com', course: demo, mode: 'audit', active: false }],
  })
  const { open } = browser(lms)
  await open('/login', { login: 'alice', password })
  const { html } = await open('/dashboard')
  assert.match(html, /You are not enrolled in any courses yet/)
  assert.doesNotMatch(html, /Demonstration Course/)
})

test('the sign-in page shows the sandbox’s password; a wrong one is refused; signing out ends the session', async () => {
  await using lms = await startRecordedWorld()
  const { open } = browser(lms)
  assert.ok((await open('/login')).html.includes(password))
  const wrong = await open('/login', { login: 'alice', password: 'no' })
  assert.equal(wrong.status, 400)
  assert.match(wrong.html, /role="alert">.*match an account/)
  assert.match(wrong.html, /value="alice"/)
  await open('/login', { login: 'alice', password })
  assert.equal((await open('/dashboard')).status, 200)
  assert.equal((await open('/logout')).location, '/')
  assert.equal((await open('/dashboard')).status, 302)
})

test('signing in never redirects to another server', async () => {
  await using lms = await startRecordedWorld()
  const { open } = browser(lms)
  for (const next of ['https://evil.test/', '//evil.test/', '/\\evil.test', '']) {
    assert.equal((await open('/login', { login: 'alice', password, next })).location, '/dashboard')
  }
})

test('an error in the form is shown next to its field, and the other values are kept', async () => {
  await using lms = await startRecordedWorld()
  const { open } = browser(lms)
  const wrong = await open('/register', { email: 'x@y', username: 'a b', name: '', password: 'short' })
  assert.equal(wrong.status, 400)
  for (const name of ['email', 'username', 'name', 'password']) {
    assert.ok(wrong.html.includes(`aria-describedby="${name}-error"`), name)
  }
  assert.match(wrong.html, /value="a b"/)
  assert.doesNotMatch(wrong.html, /value="short"/)
  const taken = await open('/register', { ...newcomer, email: 'ALICE@example.com', username: 'dave' })
  assert.equal(taken.status, 409)
  assert.match(taken.html, /existing or previous account/)
  assert.match(taken.html, /already taken/)
  assert.equal((await open('/register', { ...newcomer, email: 'retired@example.com' })).status, 409)
})

test('an unknown activation link is a 404; an activation that fails on a missing course is a 500', async () => {
  await using lms = await startRecordedWorld()
  const { open } = browser(lms)
  assert.equal((await open('/activate/0123')).status, 404)
  const registered = await open('/register', newcomer)
  const allowance = { email: newcomer.email, course_id: 'course-v1:No+Such+Course', auto_enroll: true }
  await post({ url: lms.url, path: '/api/enrollment/v1/enrollment_allowed/', json: allowance, token: lms.staff })
  const link = /href="(\/activate\/\w+)"/.exec(registered.html)?.[1] ?? ''
  const broken = await open(link)
  assert.equal(broken.status, 500)
  assert.ok(broken.html.includes('course-v1:No+Such+Course'))
  assert.equal((await open('/login', { login: 'newcomer', password: newcomer.password })).status, 400)
})

test('pages forbid scripts and content from other servers', async () => {
  await using lms = await startRecordedWorld()
  const response = await fetch(`${lms.url}/login`)
  assert.match(response.headers.get('content-security-policy') ?? '', /default-src 'none'/)
  assert.doesNotMatch(await response.text(), /<script/)
})

test('only staff see the enrollments and allowances of a person', async () => {
  await using lms = await startRecordedWorld()
  await bulk(lms, ['alice@example.com', newcomer.email])
  const staff = browser(lms)
  const first = await staff.open('/support/enrollment?user=alice@example.com')
  assert.deepEqual(
    [first.status, first.location],
    [302, '/login?next=%2Fsupport%2Fenrollment%3Fuser%3Dalice%40example.com'],
  )
  await staff.open('/login', { login: 'admin', password })
  assert.match((await staff.open('/support/enrollment?user=alice@example.com')).html, /enrolled, audit/)
  assert.match((await staff.open('/support/enrollment?user=alice')).html, /alice@example\.com\) is active/)
  assert.match((await staff.open(`/support/enrollment?user=${newcomer.email}`)).html, /allowed, enrolled on activation/)
  const learner = browser(lms)
  await learner.open('/login', { login: 'alice', password })
  assert.equal((await learner.open('/support/enrollment?user=alice')).status, 403)
})

test('a course has an about page, and an unknown key has none', async () => {
  await using lms = await startRecordedWorld()
  const { open } = browser(lms)
  assert.match((await open(`/courses/${demo}/about`)).html, /Demonstration Course/)
  assert.match((await open('/courses/edX/Old/2014/about')).html, /Old key style/)
  assert.equal((await open('/courses/course-v1:No+Such+Course/about')).status, 404)
})

test('the mails page shows the mails of calls with email_students, newest first', async () => {
  await using lms = await startRecordedWorld()
  const { open } = browser(lms)
  assert.match((await open('/')).html, /href="\/mails"/)
  assert.match((await open('/mails')).html, /No mails yet/)
  const json = { action: 'enroll', identifier: ['alice@example.com', 'x&y@example.com'], email_students: true }
  await post({ url: lms.url, path: modifyPath(), json, token: lms.staff })
  const { html } = await open('/mails')
  assert.match(
    html,
    /x&#38;y@example.com.*invited to register for Demonstration.*alice@example.com.*enrolled in Demon/s,
  )
  assert.ok(html.includes(demo))
})
