import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { compareNewer, type NewerExchange, readNewer, startNewerWorld, withEffect } from './newer-recording.ts'
import { type Rows, rows } from './recording.ts'
import { get, type Lms } from './requests.ts'

/** Entries that are not one call but many. deadlock.test.ts, throttle.test.ts and cost.test.ts check what they found. */
const ofManyCalls = /^(?:DEADLOCK|THROTTLE|MEASURED)/

/** The stand-in answers with a page instead: nobody is signed in whom the dashboard could show courses. */
const activation = '/activate/<activation key>'

const demo = 'course-v1:edX+DemoX+Demo_Course'
const allowed = (email: string, used: boolean): Rows => {
  return { enrollments: [], allowances: [{ email, course: demo, auto_enroll: true, used }] }
}
/** Rows that somebody added or removed by hand before an exchange; the recording only shows what became of them. */
const byHand: Record<string, { add: Rows; remove?: string }> = {
  'set-up: lena enrolled beside her used allowance': { add: allowed('lena@example.com', true) },
  'set-up: judy enrolled, her allowance used': { add: allowed('judy@example.com', true), remove: 'gone3@example.com' },
}

/** The request of an exchange, with what the recording only describes, or what differs between any two LMSs. */
async function requestOf(lms: Lms, { request, name }: NewerExchange, cursor: string) {
  assert.ok(request)
  const { path } = request
  if (path === activation) {
    const username = name.startsWith('activation of somebody') ? 'mona_inactive' : registered(name)
    return { ...request, path: `/activate/${await activationKey(lms, username)}` }
  }
  if (path.includes('<100 addresses')) {
    const addresses = Array.from({ length: 100 }, (_, n) => `${String(n).padStart(55, 'a')}@example.com`)
    return { ...request, path: `/api/enrollment/v1/enrollments?email=${encodeURIComponent(addresses.join(','))}` }
  }
  return { ...request, path: path.replace(/cursor=[^&]+/, `cursor=${cursor}`) }
}

const registered = (name: string) => (name === 'activation of the newly registered' ? 'newbie' : 'newbie2')

const accounts = z.array(z.object({ id: z.number(), is_active: z.boolean(), activation_key: z.string().nullable() }))

async function accountOf(lms: Lms, username: string) {
  const answer = await get(lms, `/api/user/v1/accounts?username=${username}`)
  const [account] = accounts.parse(await answer.json())
  assert.ok(account)
  return account
}

/** The key in the link of the activation e-mail. People of the world have one that no answer tells. */
async function activationKey(lms: Lms, username: string): Promise<string> {
  const { activation_key: told } = await accountOf(lms, username)
  if (told !== null) return told
  const page = await fetch(`${lms.url}/login`, {
    method: 'POST',
    body: new URLSearchParams({ login: username, password: 'pw-Test-123' }),
  })
  return /\/activate\/(\w+)/.exec(await page.text())?.[1] ?? ''
}

async function replay(file: string): Promise<number> {
  await using lms = await startNewerWorld()
  const { exchanges, state_after } = await readNewer(file)
  let count = 0
  let cursor = ''
  for (const exchange of exchanges) {
    const { name, effect } = exchange
    if (ofManyCalls.test(name)) continue
    if (!exchange.request) {
      await lms.seed(rows.parse({ enrollments: [], allowances: [], ...effect }))
      continue
    }
    const { add, remove } = byHand[name] ?? {}
    if (add) await lms.seed(add)
    if (remove) await removeAllowance(lms, remove)
    const request = await requestOf(lms, exchange, cursor)
    const response = await withEffect(lms, exchange, () => lms.send(request))
    if (exchange.request.path === activation) await compareActivation({ lms, response, exchange })
    else {
      const text = await compareNewer({ response, exchange, url: lms.url })
      cursor = /"next":"[^"]*cursor=([^&"]+)/.exec(text)?.[1] ?? cursor
    }
    count += 1
  }
  assert.deepEqual(await lms.state(), state_after)
  return count
}

async function removeAllowance(lms: Lms, email: string): Promise<void> {
  const response = await lms.send({
    method: 'DELETE',
    path: '/api/enrollment/v1/enrollment_allowed/',
    headers: { authorization: '<token of the staff application>', 'content-type': 'application/json' },
    json: { email, course_id: demo },
  })
  assert.equal(response.status, 204)
}

/** The page says what the recorded redirect does: an account that is active, or the recorded 500. */
async function compareActivation(of: { lms: Lms; response: Response; exchange: NewerExchange }): Promise<void> {
  const { lms, response, exchange } = of
  const username = /activation of somebody/.test(exchange.name) ? 'mona_inactive' : registered(exchange.name)
  const failed = exchange.response?.status === 500
  assert.equal(response.status, failed ? 500 : 200, exchange.name)
  assert.equal((await accountOf(lms, username)).is_active, !failed, exchange.name)
}

for (const [file, count] of [
  ['enrollments-modify.json', 102],
  ['unenroll.json', 45],
  ['email-students.json', 27],
  ['people-lists.json', 53],
  ['paid-modes.json', 98],
  ['sequence-modify.json', 300],
] as const) {
  test(`answers and changes the LMS as recorded in ${file}`, async () => {
    assert.equal(await replay(file), count)
  })
}
