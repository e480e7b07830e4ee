import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openDatabase } from '../../../src/database/database.ts'
import { DEMO, exchange } from '../../harness.ts'
import { NO_MARIADB, startMariaDb } from '../../mariadb.ts'
import { temporaryFolder, until } from '../../service/process.ts'
import { sell, startHoldingLms, startLms, startServe } from '../../service/serving.ts'
import { refund } from '../withdraw/refunding.ts'
import { ENROLL, HONOR, LIST, register, SEARCH } from './harness.ts'

const NEW = 'newcomer@example.com'
const quick = { timeout: 60_000 }
const command = [process.execPath, join(import.meta.dirname, '../../faults/quick-replica.ts')] as const
const env = { FOLLOW_UP_MS: '200', LERNITO_LMS_CALLS_PER_MINUTE: '0' }

/** What the database at this URL has, read beside the service. */
function inboxAt(url: string) {
  const use = async <T>(read: (db: ReturnType<typeof openDatabase>['db']) => Promise<T>): Promise<T> => {
    const { db, close } = openDatabase({ url, serve: false })
    return read(db).finally(close)
  }
  return {
    states: () =>
      use(async (db) => (await db.selectFrom('deliveries').select('state').execute()).map(({ state }) => state)),
    events: (kind: 'claimed' | 'needs_attention') =>
      use((db) => db.selectFrom('events').select(['delivery_id', 'detail']).where('kind', '=', kind).execute()),
    holder: () =>
      use(
        async (db) =>
          (await db.selectFrom('holds').select('replica').where('name', '=', 'leader').executeTakeFirst())?.replica,
      ),
    replicas: () => use(async (db) => (await db.selectFrom('replicas').select('id').execute()).map(({ id }) => id)),
  }
}

const enrolledIn = async (
  inbox: Pick<ReturnType<typeof inboxAt>, 'states'>,
  count: number,
): Promise<true | undefined> =>
  (await inbox.states()).filter((state) => state === 'enrolled').length === count || undefined

test(
  'a buyer without an account is pre-enrolled, registers, activates, and is enrolled one follow-up later',
  quick,
  async (t) => {
    const folder = temporaryFolder(t)
    const lms = await startLms(t)
    const { url, logged } = await startServe({ t, folder, lmsUrl: lms.url, command, env })
    const inbox = inboxAt(`sqlite:${join(folder, 'lernito.db')}`)
    assert.equal((await sell({ url, email: NEW }))?.status, 200)
    assert.deepEqual(await inbox.states(), ['pre_enrolled'])
    await register(lms, NEW, false)
    await logged(({ event }) => event === 'standing_changed')
    await lms.activate(NEW)
    const { detail, delivery } = await logged(({ event }) => event === 'claimed')
    assert.match(String(detail), /^enrolled in course-v1:edX\+DemoX\+Demo_Course, 0 min after the sale$/)
    assert.equal(typeof delivery, 'string')
    assert.deepEqual(await inbox.states(), ['enrolled'])
    const { text } = await exchange({ url: `${url}/metrics`, method: 'GET' })
    assert.match(text, /^lernito_claim_seconds_count 1$/m)
    assert.match(text, /^lernito_follow_up_rounds_total\{result="complete"\} [1-9]/m)
  },
)

for (const [during, path] of [
  ['the search', SEARCH],
  ['the list', LIST],
] as const) {
  test(`a service that is killed during ${during} of a round continues after its next start`, quick, async (t) => {
    const folder = temporaryFolder(t)
    const lms = await startHoldingLms(t)
    const serve = () => startServe({ t, folder, lmsUrl: lms.url, command, env })
    const inbox = inboxAt(`sqlite:${join(folder, 'lernito.db')}`)
    const first = await serve()
    await sell({ url: first.url, email: NEW })
    await lms.faults([{ path, delayMs: 1, times: 1 }])
    await register(lms, NEW)
    await lms.arrived
    first.child.kill('SIGKILL')
    await first.ended
    assert.deepEqual(await inbox.states(), ['pre_enrolled'])
    await serve()
    await until('the claim', () => enrolledIn(inbox, 1))
    assert.equal((await inbox.events('claimed')).length, 1)
  })
}

test(
  'a refund that comes while the follow-up changes the course mode is carried out after that call',
  quick,
  async (t) => {
    const folder = temporaryFolder(t)
    const lms = await startHoldingLms(t)
    const mode = { LERNITO_COURSE_MODE: `${HONOR}=verified`, LERNITO_ANSWER_WITHIN_MS: '2000', LERNITO_REFUNDS: 'on' }
    const { url } = await startServe({ t, folder, lmsUrl: lms.url, command, env: { ...env, ...mode } })
    const inbox = inboxAt(`sqlite:${join(folder, 'lernito.db')}`)
    const buyer = { url, email: NEW, courseIds: [HONOR] }
    assert.equal((await sell(buyer))?.status, 200)
    await lms.faults([{ path: ENROLL, method: 'POST', delayMs: 1, times: 1 }])
    await register(lms, NEW)
    await lms.arrived
    assert.equal((await refund(buyer)).status, 202)
    lms.release()
    await until('the withdrawal', async () => ((await inbox.states()).includes('withdrawn') ? true : undefined))
    await until('the change', async () => (await lms.calls()).some(({ path }) => path === ENROLL) || undefined)
    const { enrollments } = await lms.state()
    assert.deepEqual(
      enrollments.filter(({ email }) => email === NEW).map(({ active }) => active),
      [false],
    )
  },
)

test('another replica continues when the one in a round is killed', {
  skip: NO_MARIADB,
}, async (t: TestContext) => {
  const server = await startMariaDb()
  t.after(server.remove)
  const { url: database } = await server.newDatabase()
  const lms = await startHoldingLms(t)
  const folder = temporaryFolder(t)
  const at = { ...env, LERNITO_DATABASE_URL: database, DEAD_AFTER_MS: '5000' } // on a busy machine, one that lives is late
  const inbox = inboxAt(database)
  const replicas: (Awaited<ReturnType<typeof startServe>> & { name: string })[] = []
  for (let n = 0; n < 3; n++) {
    const started = await startServe({ t, folder, lmsUrl: lms.url, command, env: at })
    const [name = ''] = (await inbox.replicas()).filter((one) => replicas.every((other) => other.name !== one))
    replicas.push({ ...started, name })
  }
  const emails = [NEW, 'second@example.com', 'third@example.com']
  for (const [n, email] of emails.entries()) {
    assert.equal((await sell({ url: replicas[n]?.url ?? '', email }))?.status, 200)
  }
  await lms.faults([{ path: LIST, delayMs: 1, times: 1 }])
  for (const email of emails) await register(lms, email)
  await lms.arrived
  const holder = await inbox.holder()
  const dead = replicas.find(({ name }) => name === holder)
  assert.ok(dead, `none of the replicas is ${holder}`)
  dead.child.kill('SIGKILL')
  await until('the claims', () => enrolledIn(inbox, emails.length))
  const claimed = await inbox.events('claimed')
  assert.equal(new Set(claimed.map(({ delivery_id }) => delivery_id)).size, emails.length)
  assert.equal(claimed.length, emails.length)
  assert.deepEqual(await inbox.events('needs_attention'), [])
  const { enrollments } = await lms.state()
  assert.deepEqual(enrollments.filter(({ email, course }) => emails.includes(email) && course === DEMO).length, 3)
})
