import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { checkNow } from '../../../src/enroll/follow-up/check-now.ts'
import { replayOne } from '../../../src/queue/replay.ts'
import { createCatalogueReader } from '../../../src/shop/courses/catalogue.ts'
import { acquire } from '../../enroll/follow-up/harness.ts'
import { lmsAt } from '../../enroll/lms-at.ts'
import { refund } from '../../enroll/withdraw/refunding.ts'
import { startWithOperations } from '../../enroll/withdraw/withdrawing.ts'
import { DEMO } from '../../harness.ts'
import { checkOf, DESCRIBED } from '../../openapi/described.ts'
import { until } from '../../service/process.ts'
import { UNENROLL } from '../../service/serving.ts'
import { worldOf } from '../courses/harness.ts'
import { EVENTS_SECRET, PLAIN, startReceiver } from './receiver.ts'

const MISSING = 'course-v1:No+Such+Course'

async function setUp(t: TestContext, env: Record<string, string> = {}, more: { catalogueMs?: number } = {}) {
  const receiver = await startReceiver(t)
  const events = { LERNITO_EVENTS_URL: receiver.url, LERNITO_EVENTS_SECRET: EVENTS_SECRET }
  const product = await startWithOperations({ env: { ...events, ...env }, ...more })
  t.after(() => product.stopAll())
  const unsent = () => product.context.database.db.selectFrom('outbox').selectAll().execute()
  return {
    ...product,
    receiver,
    unsent,
    allSent: () => until('the end of the backlog', async () => (await unsent()).length === 0 || undefined),
  }
}

test('the shop gets an event for each result of a sale, signed by Standard Webhooks, and nothing remains', async (t) => {
  const { sold, receiver, allSent } = await setUp(t)
  const enrolled = await sold('alice@example.com')
  const allowed = await sold('nobody@example.com')
  const missing = await sold('alice@example.com', [MISSING])
  const malformed = await sold('alice@example.com', ['nonsense'])
  await allSent()
  assert.deepEqual(receiver.wrong, [])
  const byId = new Map(receiver.got.map(({ data, type }) => [data.id, { type, ...data }]))
  assert.deepEqual(byId.get(enrolled), {
    type: 'delivery.enrolled',
    id: enrolled,
    state: 'enrolled',
    courses: [{ id: DEMO, result: 'enrolled' }],
    ...PLAIN,
  })
  assert.deepEqual(byId.get(allowed), {
    type: 'delivery.pre_enrolled',
    id: allowed,
    state: 'pre_enrolled',
    courses: [{ id: DEMO, result: 'pre_enrolled' }],
    ...PLAIN,
  })
  assert.deepEqual(byId.get(missing), {
    type: 'delivery.needs_attention',
    id: missing,
    state: 'needs_attention',
    courses: [],
    ...PLAIN,
    reason: { code: 'course.missing', message: `Course ${MISSING} does not exist`, course: MISSING },
  })
  assert.deepEqual(byId.get(malformed), {
    type: 'delivery.rejected',
    id: malformed,
    state: 'rejected',
    courses: [],
    ...PLAIN,
    reason: { code: 'course_key.malformed', message: 'Invalid course key format: nonsense', course: 'nonsense' },
  })
  assert.equal(receiver.got.length, 4)
})

test('a refund by the shop gets its event, as a withdrawal by an operator does', async (t) => {
  const { sold, receiver, allSent, url } = await setUp(t, { LERNITO_REFUNDS: 'on' })
  const id = await sold('alice@example.com')
  assert.equal((await refund({ url, email: 'alice@example.com', courseIds: [DEMO] })).status, 200)
  await allSent()
  assert.deepEqual(
    receiver.got.map(({ type, data }) => [type, data.id, data.state]),
    [
      ['delivery.enrolled', id, 'enrolled'],
      ['delivery.withdrawn', id, 'withdrawn'],
    ],
  )
})

for (const how of ['a repeat of its sale', 'an operator’s replay of its sale']) {
  test(`an open refund that ${how} ends has failed, and the event names its courses`, async (t) => {
    const refunds = { LERNITO_REFUNDS: 'on', LERNITO_ANSWER_WITHIN_MS: '1000' }
    const { sold, receiver, allSent, url, lms, context } = await setUp(t, refunds)
    const email = 'alice@example.com'
    const id = await sold(email)
    await lms.faults([{ path: UNENROLL, status: 500, body: 'no' }])
    assert.equal((await refund({ url, email })).status, 202)
    if (how.startsWith('a repeat')) assert.equal(await sold(email), id)
    else await replayOne({ ...context, hasOutbox: true }, { id, by: 'ada' })
    await until('the next result', () => receiver.got.filter(({ type }) => type === 'delivery.enrolled')[1])
    await allSent()
    assert.deepEqual(
      receiver.got.map(({ type, data }) => [type, data.state, data.courses.length, data.refundFailed]),
      [
        ['delivery.enrolled', 'enrolled', 1, []],
        ['delivery.refund_failed', 'queued', 0, [DEMO]],
        ['delivery.enrolled', 'enrolled', 1, []],
      ],
    )
  })
}

test('access that ended and came back reaches the shop in this order, and the course moves to `ended` and back', async (t) => {
  const { sold, receiver, allSent, context, lms, lmsUrl } = await setUp(t)
  const client = lmsAt(lmsUrl)
  t.after(() => client.close())
  const email = 'alice@example.com'
  const id = await sold(email)
  for (const active of [false, true]) {
    await lms.seed({ enrollments: [{ email, course: DEMO, mode: 'audit', active }] })
    const asked = { lms: client, acquire, modeOf: () => null, ids: [id], by: 'ada' }
    await checkNow({ context: { ...context, hasOutbox: true }, ...asked })
  }
  await allSent()
  assert.deepEqual(receiver.wrong, [])
  assert.deepEqual(
    receiver.got.map(({ type, data }) => [type, data.state, data.courses.length, data.ended.map((one) => one.id)]),
    [
      ['delivery.enrolled', 'enrolled', 1, []],
      ['delivery.access_ended', 'enrolled', 0, [DEMO]],
      ['delivery.access_restored', 'enrolled', 1, []],
    ],
  )
})

test('a course that was sold is told of when the LMS renames it, signed as the others are', async (t) => {
  const { sold, receiver, allSent, lms, context } = await setUp(t, {}, { catalogueMs: 100 })
  const readCatalogue = createCatalogueReader(context.database.db)
  await sold('alice@example.com')
  await until('the catalogue', async () => (await readCatalogue()).find(DEMO)?.modes ?? undefined)
  await lms.reset(worldOf([{ id: DEMO, name: 'Another name' }]))
  const { type, data, sequence, text } = await until('the event', () => receiver.courses[0])
  await allSent()
  assert.deepEqual(receiver.wrong, [])
  const changes = [{ field: 'name', before: 'Demonstration Course', after: 'Another name' }]
  assert.deepEqual(
    [type, data],
    ['course.changed', { id: DEMO, name: 'Another name', sellable: true, reason: null, changes }],
  )
  assert.equal(sequence, (await readCatalogue()).version)
  assert.deepEqual(checkOf(DESCRIBED.components.schemas.CourseEvent).safeParse(JSON.parse(text)).error, undefined)
})
