import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { compareWithTimelines, eventsEnv, untilOutboxEmpty } from '../../faults/events-record.ts'
import { DEMO } from '../../harness.ts'
import { checkOf, DESCRIBED } from '../../openapi/described.ts'
import { temporaryFolder, until } from '../../service/process.ts'
import { sell, startHoldingLms, startServe } from '../../service/serving.ts'
import { startReceiver } from '../../shop/events/receiver.ts'
import { CERTIFICATE_LIST, CERTIFICATES, DAY_MS, GRADES } from './harness.ts'

const ALICE = 'alice@example.com'
const command = [process.execPath, join(import.meta.dirname, '../../faults/quick-replica.ts')] as const

/** A service has sold a course to Alice, who has passed since and has a certificate. It has ended. */
async function setUp(t: TestContext) {
  const folder = temporaryFolder(t)
  const file = join(folder, 'lernito.db')
  const lms = await startHoldingLms(t)
  const receiver = await startReceiver(t)
  const settings = { LERNITO_OUTCOMES: 'grades', LERNITO_LMS_PUBLIC_URL: 'https://learn.example.com' }
  const env = { FOLLOW_UP_MS: '100', LERNITO_LMS_CALLS_PER_MINUTE: '0', ...eventsEnv(receiver), ...settings }
  const serve = () => startServe({ t, folder, lmsUrl: lms.url, command, env })
  const first = await serve()
  assert.equal((await sell({ url: first.url, email: ALICE }))?.status, 200)
  const db = new DatabaseSync(file, { timeout: 4000 })
  t.after(() => db.close())
  await until('the first round', () =>
    db.prepare("select 1 from rounds where name = 'outcomes'").get() === undefined ? undefined : true,
  )
  first.child.kill('SIGTERM')
  await first.ended
  await lms.achievement({ email: ALICE, course: DEMO, passed: true, percent: 83, certificate: 'downloadable' })
  // The course is due, as if no round had come to its end for two days. A round that runs now would store that it did.
  db.prepare("update rounds set came_to = ? where name = 'outcomes'").run(Date.now() - 2 * DAY_MS)
  return {
    lms,
    receiver,
    serve,
    /** What the shop got about learners, when it has got all of it. */
    told: async () => {
      await until('the certificate', () => receiver.learned.find(({ type }) => type === 'learner.certificate'))
      await untilOutboxEmpty(`sqlite:${file}`)
      await compareWithTimelines({ url: `sqlite:${file}`, receiver, name: 'outcomes' })
      return receiver.learned
    },
  }
}

test('a service with LERNITO_OUTCOMES tells the shop who has passed, signed by Standard Webhooks', async (t) => {
  const { receiver, told, serve } = await setUp(t)
  const service = await serve()
  const [passed, certificate, ...others] = await told()
  assert.deepEqual([receiver.wrong, others], [[], []])
  const { id } = receiver.got[0]?.data ?? {}
  const common = { id, webhookId: null, course: DEMO, passed: true, percent: 83, test: false }
  assert.deepEqual([passed?.type, passed?.data], ['learner.passed', { ...common, certificate: null }])
  const { url = '', date = '' } = certificate?.data.certificate ?? {}
  assert.match(url ?? '', /^https:\/\/learn\.example\.com\/certificates\/[0-9a-f]{32}$/)
  assert.deepEqual(
    [certificate?.type, certificate?.data],
    ['learner.certificate', { ...common, certificate: { status: 'issued', url, date } }],
  )
  for (const { type, timestamp, sequence, data } of receiver.learned) {
    const described = DESCRIBED.webhooks[type]?.post?.requestBody?.content?.['application/json'].schema
    assert.equal(checkOf(described).safeParse({ type, timestamp, sequence, data }).error, undefined)
  }
  const { detail } = await service.logged(({ event }) => event === 'passed')
  assert.equal(detail, DEMO)
})

for (const [during, path] of [
  ['asks for the grades', GRADES],
  ['asks for the certificate', CERTIFICATES],
  ['asks whether the certificate can be seen', CERTIFICATE_LIST],
] as const) {
  test(`a service that is killed while it ${during} tells each fact once after its next start`, async (t) => {
    const { lms, told, serve } = await setUp(t)
    await lms.faults([{ path, delayMs: 1, times: 1 }])
    const killed = await serve()
    await lms.arrived
    killed.child.kill('SIGKILL')
    await killed.ended
    await serve()
    // A kill between the shop's answer and its storing sends an event once more, under the same id.
    const events = new Map((await told()).map(({ webhookId, type }) => [webhookId, type]))
    assert.deepEqual([...events.values()], ['learner.passed', 'learner.certificate'])
  })
}
