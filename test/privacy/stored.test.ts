import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openDatabase } from '../../src/database/database.ts'
import { type Buyer, DEMO, SECRET, startProduct } from '../harness.ts'
import { json, page, type Reply, type Seen, startScriptedLms } from '../lms/scripted-lms.ts'
import { until } from '../service/process.ts'

const BULK = '/api/bulk_enroll/v1/bulk_enroll'
const COURSE = `GET /api/courses/v1/courses/${encodeURIComponent(DEMO)}`
const STRANGER = 'mallory.stranger'
/** Stands in every answer of the LMS, where nobody reads it. */
const MARK = 'Kilimanjaro'
const ALICE = 'alice.ahl@example.com'
const BOB = 'bob.bay@example.org'

/** Each buyer has an account, with a user name that is no address. */
const account: Reply = (response, seen) => {
  const email = new URLSearchParams(seen.url.split('?')[1]).get('email')
  const found = [{ username: email?.split('.')[0], id: 6, is_active: true, name: MARK, email }]
  json(email === null ? 404 : 200, email === null ? '' : found)(response, seen)
}

/** The service before an LMS that the test plays. `sellAll` sells to all of them in one call of bulk_enroll. */
async function setUp(t: TestContext) {
  const lms = await startScriptedLms(t)
  const product = await startProduct({ env: { LERNITO_LMS_URL: lms.url, LERNITO_ANSWER_WITHIN_MS: '20000' } })
  t.after(() => product.stop())
  const open = Promise.withResolvers<void>()
  const course = json(200, { course_id: DEMO, name: MARK, staff: [`${STRANGER}@example.net`] })
  lms.on(COURSE, (...seen) => void open.promise.then(() => course(...seen)))
  lms.on(`GET ${BULK}`, json(401, { detail: MARK }))
  lms.on('GET /api/user/v1/accounts', account)
  const sellAll = async (buyers: readonly Buyer[]) => {
    const answers = Promise.all(buyers.map((buyer) => product.sell(buyer)))
    const received = () => product.log.filter(({ event }) => event === 'received').length
    await until('the sales', () => received() === buyers.length || undefined)
    open.resolve()
    return answers
  }
  return { lms, sellAll, folder: product.folder, log: product.log }
}

/** What the database holds of each person, and everything that is in its files. */
async function stored(folder: string) {
  const files = globSync('lernito.db*', { cwd: folder })
  const bytes = Buffer.concat(files.map((file) => readFileSync(join(folder, file)))).toString('latin1')
  const { db, close } = openDatabase({ url: `sqlite:${join(folder, 'lernito.db')}`, serve: false })
  const deliveries = await db.selectFrom('deliveries').selectAll().execute()
  const events = await db.selectFrom('events').selectAll().execute()
  await close()
  const rowsOf = (email: string): string => {
    const own = deliveries.filter((row) => row.email === email)
    const ids = own.map(({ id }) => id)
    const texts = own.map(({ body, ...row }) => JSON.stringify([row, Buffer.from(body).toString()]))
    return JSON.stringify([texts, events.filter(({ delivery_id }) => ids.includes(delivery_id))])
  }
  return { bytes, rowsOf }
}

const after = { user: true, enrollment: true, allowed: false, auto_enroll: false }

/** An answer of bulk_enroll about those who were asked for, and about a stranger. */
const bulkAnswer =
  (result: (identifier: string) => object): Reply =>
  (response, seen) => {
    const people = [...JSON.parse(seen.body).identifiers.split(','), `${STRANGER}@example.net`]
    const results = people.map((identifier) => ({ identifier, before: after, mark: MARK, ...result(identifier) }))
    json(200, { action: 'enroll', courses: { [DEMO]: { action: 'enroll', auto_enroll: true, results } } })(
      response,
      seen,
    )
  }

async function assertOnlyOwn(folder: string, seen: readonly Seen[]): Promise<void> {
  const together = seen.some(({ body }) => body.includes(ALICE) && body.includes(BOB))
  assert.ok(together, 'the two were not in one call')
  const { bytes, rowsOf } = await stored(folder)
  for (const word of [STRANGER, MARK]) assert.ok(!bytes.includes(word), word)
  assert.ok(rowsOf(ALICE).includes(ALICE) && !rowsOf(ALICE).includes(BOB), rowsOf(ALICE))
  assert.ok(rowsOf(BOB).includes(BOB) && !rowsOf(BOB).includes(ALICE), rowsOf(BOB))
}

test('of a bulk answer only each person’s own result is stored', async (t) => {
  const { lms, sellAll, folder } = await setUp(t)
  lms.on(
    `POST ${BULK}`,
    bulkAnswer(() => ({ after })),
  )
  const answers = await sellAll([{ email: ALICE }, { email: BOB }])
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200],
  )
  await assertOnlyOwn(folder, lms.seenAt(`POST ${BULK}`))
})

test('of an answer with an error for one person, and of the next answers, nothing about other people is stored', async (t) => {
  const { lms, sellAll, folder } = await setUp(t)
  lms.on(
    `POST ${BULK}`,
    bulkAnswer((identifier) => (identifier === BOB ? { error: true } : { after })),
  )
  const words = `course is closed to ${MARK.length} people`
  lms.on(`GET /api/enrollment/v1/enrollment/bob,${encodeURIComponent(DEMO)}`, json(200, ''))
  lms.on('POST /api/enrollment/v1/enrollment', json(400, { message: words, user: STRANGER, mark: MARK }))
  const answers = await sellAll([{ email: ALICE }, { email: BOB }])
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 400],
  )
  await assertOnlyOwn(folder, lms.seenAt(`POST ${BULK}`))
  assert.ok((await stored(folder)).rowsOf(BOB).includes(words))
})

for (const [what, reply] of Object.entries({
  'a refusal that names them': json(400, { courses: [`${ALICE} and ${BOB} and ${STRANGER}@x.com ${MARK}`] }),
  'a page that names them': page(500, `${ALICE} ${BOB} ${STRANGER} ${MARK}`),
  'JSON of another shape': json(200, { people: [ALICE, BOB, STRANGER, MARK] }),
  'a throttle that names them': json(429, { detail: `${ALICE} ${BOB} ${STRANGER} ${MARK}` }),
})) {
  test(`${what}: its text is in no row`, async (t) => {
    const { lms, sellAll, folder } = await setUp(t)
    lms.on(`POST ${BULK}`, reply)
    const answers = await sellAll([{ email: ALICE }, { email: BOB }])
    assert.ok(answers.every(({ status, text }) => status >= 400 && !text.includes(MARK) && !text.includes('@')))
    await assertOnlyOwn(folder, lms.seenAt(`POST ${BULK}`))
  })
}

/** Gives back all that it was sent, in every field that a client may read words from. */
const echo: Reply = (response, seen) => {
  const all = `${seen.url} ${JSON.stringify(seen.headers)} ${seen.body}`
  const body = { message: all, detail: all, developer_message: all, error: all, error_description: all, courses: [all] }
  json(seen.url.includes('access_token') ? 401 : 400, body, {
    location: `https://lms.test/${encodeURIComponent(all)}`,
  })(response, seen)
}

test('if the LMS echoes requests, no token or secret gets into a row or an answer', async (t) => {
  const { lms, sellAll, folder, log } = await setUp(t)
  lms.on(`GET ${BULK}`, page(404, ''))
  lms.on('GET /api/user/v1/accounts', json(200, [{ username: 'alice', id: 6, is_active: true, email: ALICE }]))
  lms.on(`GET /api/enrollment/v1/enrollment/alice,${encodeURIComponent(DEMO)}`, json(200, ''))
  lms.on('POST /api/enrollment/v1/enrollment', echo)
  const [refused] = await sellAll([{ email: ALICE }])
  assert.equal(refused?.status, 400)
  assert.match(refused?.text ?? '', /The LMS refused the enrollment: .*JWT \(a token\)/)
  const { bytes } = await stored(folder)
  for (const text of [bytes, refused?.text ?? '', JSON.stringify(log)]) {
    assert.doesNotMatch(text, new RegExp(`eyJ[\\w-]{8}|lernito-client-secret|${SECRET}`))
  }
})

test('if the token endpoint echoes requests, the client secret is stored and logged nowhere', async (t) => {
  const { lms, sellAll, folder, log } = await setUp(t)
  lms.on('POST /oauth2/access_token', echo)
  const [answered] = await sellAll([{ email: ALICE }])
  assert.equal(answered?.status, 500)
  const { bytes } = await stored(folder)
  for (const text of [bytes, answered?.text ?? '', JSON.stringify(log)]) {
    assert.doesNotMatch(text, /lernito-client-secret/)
  }
})

test('a message of the LMS of a megabyte with terminal control characters becomes one short line everywhere', async (t) => {
  const { lms, sellAll, folder, log } = await setUp(t)
  const words = `\u001b[31m\r\n{"level":"error"}\u2028\u009b\u202e${'x'.repeat(1_000_000)}`
  lms.on(`GET ${BULK}`, page(404, ''))
  lms.on('GET /api/user/v1/accounts', json(200, [{ username: 'alice', id: 6, is_active: true, email: ALICE }]))
  lms.on(`GET /api/enrollment/v1/enrollment/alice,${encodeURIComponent(DEMO)}`, json(200, ''))
  lms.on('POST /api/enrollment/v1/enrollment', json(406, { message: words }))
  const [refused] = await sellAll([{ email: ALICE }])
  assert.equal(refused?.status, 400)
  assert.ok((refused?.text.length ?? 0) < 500)
  const line = log.find(({ event }) => event === 'needs_attention')
  assert.match(String(line?.detail), /^the LMS refused the enrollment: \\u001b\[31m\\u000d\\u000a[^\p{C}\p{Zl}]+…$/u)
  assert.ok(!(await stored(folder)).bytes.includes('x'.repeat(1_000)))
})
