import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { SANDBOX_SECRET } from '../../src/cli/sandbox.ts'
import { exchange, lockDatabase, startProduct } from '../harness.ts'
import { type Running, run, start, temporaryFolder, until } from '../service/process.ts'
import { serveEnv } from '../service/serving.ts'
import { EVENTS_SECRET, startReceiver, statusAnswer } from '../shop/events/receiver.ts'
import { signStandard } from '../shop/signature/sign-standard.ts'
import { runShared } from './commands.ts'

async function setUp(t: TestContext) {
  const receiver = await startReceiver(t)
  const events = { LERNITO_EVENTS_URL: receiver.url, LERNITO_EVENTS_SECRET: EVENTS_SECRET }
  const product = await startProduct({ env: events })
  t.after(() => product.stop())
  const env = { ...serveEnv({ folder: product.folder, lmsUrl: product.lmsUrl }), ...events }
  const sold = async (email: string) => String((await product.sell({ email })).headers['x-lernito-delivery'])
  const change = async (...statements: readonly string[]): Promise<void> => {
    const database = await lockDatabase(product)
    for (const statement of [...statements, 'commit']) database.exec(statement)
    database.close()
  }
  return {
    receiver,
    env,
    sold,
    change,
    command: (...args: string[]) => runShared({ args: ['events', ...args], env }),
  }
}

test('events list shows the endpoint and what waits, and resend sends again', async (t) => {
  const { receiver, command, sold } = await setUp(t)
  receiver.answer(statusAnswer(410))
  const list = async () => (await command('list')).stdout
  await until('the start', async () =>
    /^the endpoint has not been heard from yet/.test(await list()) ? true : undefined,
  )
  const id = await sold('alice@example.com')
  const stopped = await until('the stop', async () => {
    const stdout = await list()
    return /answered 410/.test(stdout) ? stdout : undefined
  })
  assert.match(
    stopped,
    /^the endpoint answered 410 and gets no events until you run: lernito-openedx events resend --failed \(since /,
  )
  assert.match(stopped, /^waiting: 1, given up: 0$/m)
  assert.match(stopped, new RegExp(`^${id}  delivery.enrolled  .*  1 +\\S+ \\S+  the endpoint answered 410 Gone`, 'm'))
  const json = JSON.parse((await command('list', '--json')).stdout)
  assert.deepEqual([json.endpoint.state, json.pending, json.failed, json.events[0].deliveryId], ['gone', 1, 0, id])
  receiver.answer(null)
  assert.deepEqual(await command('resend', '--failed').then(({ code, stdout }) => [code, stdout]), [
    0,
    'No event was given up. Those that wait are tried now.\n',
  ])
  await receiver.received(({ data }) => data.id === id)
  await until(
    'the end of the backlog',
    async () => JSON.parse((await command('list', '--json')).stdout).pending === 0 || undefined,
  )
})

test('an endpoint that was to be tried again after a 410 is not said to work before it has answered', async (t) => {
  const { receiver, command, sold, change } = await setUp(t)
  await sold('alice@example.com')
  const list = async () => (await command('list')).stdout
  await until('an accepted event', async () => /^the endpoint works/.test(await list()) || undefined)
  receiver.answer(statusAnswer(410))
  await sold('bob@example.com')
  await until('the stop', async () => /answered 410/.test(await list()) || undefined)
  // As the order leaves it, before the service sends the event.
  await change(
    'update outbox set due_at = due_at + 60000',
    "update endpoints set state = 'up', failures = 0, since = null",
  )
  assert.match(await list(), /^the endpoint failed at the last attempt; the event is sent again/)
})

test('events list does not call more events than are counted 10,000', async (t) => {
  const { receiver, command, sold, change } = await setUp(t)
  receiver.answer(statusAnswer(410))
  await sold('alice@example.com')
  const list = async () => (await command('list')).stdout
  await until('the stop', async () => /^waiting: 1,/m.test(await list()) || undefined)
  await change(`with recursive n(i) as (select 10000 union all select i + 1 from n where i < 20000)
    insert into outbox select 'COPY' || i, about, seq, type, body, created_at, due_at, 0, null, null from outbox, n`)
  assert.match(await list(), /^waiting: 10,000\+, given up: 0$/m)
})

test('events resend tells the shop of deliveries again, and names what it could not send', async (t) => {
  const { receiver, command, sold } = await setUp(t)
  const id = await sold('alice@example.com')
  await receiver.received(({ data }) => data.id === id)
  const { code, stdout } = await command('resend', id.toLowerCase(), 'NONE')
  assert.equal(code, 1)
  assert.equal(stdout, `${id}  the shop gets an event with its state\nNONE  there is no such delivery\n`)
  await until('the second event', () => (receiver.types(id).length === 2 ? true : undefined))
  assert.deepEqual(JSON.parse((await command('resend', id, '--json')).stdout), { [id]: 'sent' })
  assert.equal((await command('resend')).code, 2)
  assert.equal((await command('resend', id, '--failed')).code, 2)
  assert.equal((await command('nonsense')).code, 2)
})

test('without LERNITO_EVENTS_URL resend says what to set', async (t) => {
  const product = await startProduct()
  t.after(() => product.stop())
  const env = serveEnv({ folder: product.folder, lmsUrl: product.lmsUrl })
  const { code, stderr } = await run({ args: ['events', 'resend', '--failed'], env })
  assert.deepEqual(
    [code, stderr],
    [
      1,
      'LERNITO_EVENTS_URL is not set, so there is nowhere to send events. Set it, and LERNITO_EVENTS_SECRET, first.\n',
    ],
  )
})

const addressOf = ({ stdout }: Running): Promise<string> =>
  until('the address', () => /http:\/\/127\.0\.0\.1:\d+\//.exec(stdout())?.[0])

test('events listen prints an event whose signature verifies, and refuses the others', async (t) => {
  const listening = start({ t, args: ['events', 'listen', '--port', '0', '--secret', EVENTS_SECRET] })
  const url = await addressOf(listening)
  const data = {
    id: 'D1',
    state: 'enrolled',
    courses: [{ id: 'course-v1:A+B+C', result: 'enrolled' }],
    reason: null,
    test: true,
  }
  const body = JSON.stringify({ type: 'delivery.enrolled', timestamp: new Date().toISOString(), data })
  const reason = { code: 'closed', message: 'Enrollment is not open now' }
  const ofCourse = { id: 'course-v1:A+B+C', name: 'A course', sellable: false, reason, changes: [] }
  const course = JSON.stringify({ type: 'course.changed', timestamp: new Date().toISOString(), data: ofCourse })
  const certificate = { status: 'issued', url: 'https://lms.example/certificates/1' }
  const ofLearner = { id: 'D1', webhookId: null, course: 'course-v1:A+B+C', passed: true, percent: 83, certificate }
  const learner = JSON.stringify({ type: 'learner.certificate', timestamp: new Date().toISOString(), data: ofLearner })
  const timestamp = Math.floor(Date.now() / 1000)
  const headers = (at: number, signed = body) => ({
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(at),
    'webhook-signature': signStandard({ id: 'msg_1', timestamp: at, body: signed, secret: EVENTS_SECRET }),
  })
  assert.equal((await exchange({ url, headers: headers(timestamp), body })).status, 204)
  assert.equal((await exchange({ url, headers: headers(timestamp, course), body: course })).status, 204)
  assert.equal((await exchange({ url, headers: headers(timestamp, learner), body: learner })).status, 204)
  assert.equal((await exchange({ url, headers: headers(timestamp, '{}'), body })).status, 401)
  assert.equal((await exchange({ url, headers: headers(timestamp - 301), body })).status, 401)
  assert.equal((await exchange({ url, body })).status, 401)
  assert.equal((await exchange({ url, method: 'GET' })).status, 401)
  listening.child.kill('SIGTERM')
  const { code, stdout } = await listening.ended
  assert.equal(code, 0)
  const lines = stdout
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => line.replace(/^\S+ \S+ {2}/, ''))
  assert.deepEqual(lines, [
    'delivery.enrolled  D1  enrolled (test)  enrolled in course-v1:A+B+C',
    'course.changed  course-v1:A+B+C  A course  cannot be sold  closed: Enrollment is not open now',
    'learner.certificate  D1  passed course-v1:A+B+C with 83%  certificate issued  https://lms.example/certificates/1',
    'refused: the signature does not verify (signature)',
    'refused: the signature does not verify (too_old)',
    'refused: the signature does not verify (webhook_id)',
    'refused: a GET request',
  ])
})

test('events listen refuses a secret that is none, and a port that is none', async () => {
  assert.equal((await run({ args: ['events', 'listen', '--secret', 'x'] })).code, 2)
  assert.equal((await run({ args: ['events', 'listen', '--port', '70000'] })).code, 2)
})

test('the sandbox sends its events to events listen, without further settings', async (t) => {
  const listening = start({ t, args: ['events', 'listen', '--port', '0'] })
  const url = await addressOf(listening)
  const sandbox = start({
    t,
    args: ['sandbox', '--port', '0', '--service-port', '0', '--events', url],
    env: { TMPDIR: temporaryFolder(t), LERNITO_EVENTS_URL: 'https://shop.example.com/' },
  })
  const service = await until('the address', () => /Webhook +(http:\/\/[^/]+)/.exec(sandbox.stdout())?.[1])
  const signed = await sellTo(service)
  await until('the event', () => listening.stdout().includes(`delivery.enrolled  ${signed}  enrolled`) || undefined)
})

async function sellTo(url: string): Promise<string> {
  const { code, stdout } = await run({
    args: [
      'send',
      '--url',
      `${url}/api/lernito/webhook/`,
      '--email',
      'alice@example.com',
      '--course',
      'course-v1:edX+DemoX+Demo_Course',
    ],
    env: { LERNITO_WEBHOOK_SECRET: SANDBOX_SECRET },
  })
  assert.equal(code, 0)
  return /delivery (\S+)/.exec(stdout)?.[1] ?? ''
}
