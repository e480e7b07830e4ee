import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startRecordedWorld } from './recording.ts'
import { bulk, bulkPath, control, demo, get, type Lms, modify, modifyPath, post } from './requests.ts'

const VICTIM = 'victim@example.com'
const STRANGER = { email: 'stranger@example.com', username: VICTIM }

async function withStranger({ active = true }: { active?: boolean } = {}): Promise<Lms> {
  const lms = await startRecordedWorld()
  assert.equal((await control(lms, 'people', { ...STRANGER, active })).status, 200)
  return lms
}

const emailsOf = (rows: readonly { email: string }[]) => rows.map(({ email }) => email)

for (const [name, call] of Object.entries({ bulk_enroll: bulk, modify })) {
  test(`${name} takes an address that is a stranger’s user name for the stranger`, async () => {
    await using lms = await withStranger()
    assert.equal((await call(lms, [VICTIM])).status, 200)
    assert.deepEqual(emailsOf((await lms.state()).enrollments), ['heidi@example.com', STRANGER.email])
  })

  test(`${name} gives the allowance to the stranger’s own address while the stranger is not activated`, async () => {
    await using lms = await withStranger({ active: false })
    assert.equal((await call(lms, [VICTIM])).status, 200)
    assert.deepEqual(emailsOf((await lms.state()).allowances), [STRANGER.email])
  })
}

test('unenrolling an address that is a stranger’s user name unenrolls the stranger', async () => {
  await using lms = await withStranger()
  const row = { email: STRANGER.email, course: demo, mode: 'verified', active: true }
  for (const [path, json] of [
    [bulkPath, { action: 'unenroll', auto_enroll: true, courses: demo, identifiers: VICTIM }],
    [modifyPath(), { action: 'unenroll', auto_enroll: true, identifier: [VICTIM] }],
  ] as const) {
    await control(lms, 'seed', { enrollments: [row] })
    assert.equal((await post({ url: lms.url, path, json, token: lms.staff })).status, 200)
    const found = (await lms.state()).enrollments.find(({ email }) => email === STRANGER.email)
    assert.deepEqual(found, { ...row, active: false })
  }
})

test('an address with an account that is also a stranger’s user name fails alone in modify, and all in bulk_enroll', async () => {
  await using lms = await withStranger()
  await control(lms, 'people', { email: VICTIM, username: 'victim' })
  const before = await lms.state()
  assert.equal((await bulk(lms, ['new@example.com', VICTIM])).status, 500)
  assert.deepEqual(await lms.state(), before)
  const answered = await modify(lms, ['new@example.com', VICTIM])
  const { results } = Object(await answered.json())
  assert.deepEqual(results[1], { identifier: VICTIM, error: true })
  assert.deepEqual(emailsOf((await lms.state()).allowances), ['new@example.com'])
})

test('accounts answers only the user names that exist, each account once, and 404 if there is none', async () => {
  await using lms = await withStranger()
  const path = (names: string) => `/api/user/v1/accounts?username=${encodeURIComponent(names)}`
  const found = await get(lms, path(`nobody@example.com,${VICTIM},VICTIM@example.com`))
  assert.deepEqual(
    Object(await found.json()).map(({ username, email }: Record<string, string>) => [username, email]),
    [[VICTIM, STRANGER.email]],
  )
  const none = await get(lms, path('nobody@example.com,none@example.com'))
  assert.deepEqual([none.status, await none.text()], [404, ''])
})
