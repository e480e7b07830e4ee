import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { type TestContext, test } from 'node:test'
import type { BreakerReport } from '../../src/telemetry/alert-conditions.ts'
import { createNotifier, textPoster } from '../../src/telemetry/notify.ts'
import { listening } from '../listening.ts'

const MINUTE_MS = 60_000
const SINCE = Date.UTC(2026, 10, 24, 10, 2)
const DOWN: BreakerReport = { kind: 'down', since: SINCE, failure: { message: 'The LMS at lms:8000 can’t be reached' } }
const MISCONFIGURED: BreakerReport = {
  kind: 'misconfigured',
  since: SINCE,
  failure: { message: 'The service user is not staff' },
}

/** A notifier with a clock that the test moves, and the texts that it sent. `refusals` makes the next posts fail. */
function setUp({ console = null }: { console?: string | null } = {}) {
  let now = 0
  let timers: { at: number; then: () => void }[] = []
  const sent: string[] = []
  const errors: unknown[] = []
  const refusals: Error[] = []
  const notifier = createNotifier({
    console,
    post: async (text) => {
      const refusal = refusals.shift()
      if (refusal !== undefined) throw refusal
      sent.push(text)
    },
    onError: (error) => errors.push(error),
    later: (ms, then) => {
      const mine = { at: now + ms, then }
      timers.push(mine)
      return () => {
        timers = timers.filter((one) => one !== mine)
      }
    },
  })
  const pass = async (minutes: number): Promise<void> => {
    const end = now + minutes * MINUTE_MS
    for (;;) {
      const [next] = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
      if (next === undefined) break
      timers = timers.filter((one) => one !== next)
      now = next.at
      next.then()
      await new Promise((resolve) => setImmediate(resolve))
    }
    now = end
    await new Promise((resolve) => setImmediate(resolve))
  }
  const needsAttention = (deliveryId: string): void =>
    notifier.onEvent({ id: 'e', deliveryId, at: 0, kind: 'needs_attention', detail: 'no course', actor: null })
  return { ...notifier, sent, errors, refusals, pass, needsAttention }
}

test('deliveries that need attention are collected over 10 minutes, and the notification has a link to them', async () => {
  const { sent, pass, needsAttention } = setUp({ console: 'https://lms.example.com/lernito/console/' })
  needsAttention('one')
  await pass(9)
  needsAttention('two')
  needsAttention('two')
  assert.deepEqual(sent, [])
  await pass(1)
  const where = 'See https://lms.example.com/lernito/console/deliveries?state=needs_attention'
  assert.deepEqual(sent, [`lernito-openedx: 2 deliveries need attention. ${where}`])
  await pass(60)
  assert.equal(sent.length, 1)
  needsAttention('three')
  await pass(10)
  assert.equal(sent[1], `lernito-openedx: a delivery needs attention. ${where}`)
})

test('without a console, the notification names the command', async () => {
  const { sent, pass, needsAttention } = setUp()
  needsAttention('one')
  await pass(10)
  assert.match(sent[0] ?? '', /lernito-openedx deliveries list --state needs_attention$/)
})

test('an LMS that is unavailable for less than 10 minutes gives no notification', async () => {
  const { sent, pass, onBreaker } = setUp()
  onBreaker(DOWN)
  await pass(9)
  onBreaker({ kind: 'closed' })
  await pass(60)
  assert.deepEqual(sent, [])
})

test('an LMS that is down or misconfigured for 10 minutes gives one notification, and one when it is available again', async () => {
  for (const [report, expected] of [
    [DOWN, 'the LMS has been unavailable since 2026-11-24 10:02 UTC. The LMS at lms:8000 can’t be reached.'],
    [MISCONFIGURED, 'the connection to the LMS has been misconfigured since 2026-11-24 10:02 UTC. The'],
  ] as const) {
    const { sent, pass, onBreaker } = setUp()
    onBreaker(report)
    await pass(10)
    await pass(60)
    assert.equal(sent.length, 1)
    assert.ok(sent[0]?.includes(expected), sent[0])
    onBreaker({ kind: 'closed' })
    await pass(1)
    assert.match(sent[1] ?? '', /the LMS is available again/)
    onBreaker({ kind: 'closed' })
    await pass(60)
    assert.equal(sent.length, 2)
  }
})

test('an LMS that is available only for moments counts as down since the first failure', async () => {
  const { sent, pass, onBreaker } = setUp()
  for (let minute = 0; minute <= 10; minute += 0.5) {
    onBreaker({ ...DOWN, since: SINCE + minute * MINUTE_MS })
    onBreaker({ kind: 'closed' })
    await pass(0.5)
  }
  assert.equal(sent.length, 1)
  assert.match(sent[0] ?? '', /since 2026-11-24 10:02 UTC/)
  await pass(0.5)
  assert.match(sent[1] ?? '', /the LMS is available again/)
})

test('a throttle gives no notification, because it ends without an operator', async () => {
  const { sent, pass, onBreaker } = setUp()
  onBreaker({ ...DOWN, kind: 'throttled' })
  await pass(60)
  assert.deepEqual(sent, [])
})

test('a notification that did not arrive is sent again a minute later, in order', async () => {
  const { sent, errors, refusals, pass, needsAttention, onBreaker } = setUp()
  refusals.push(new Error('away'), new Error('still away'))
  onBreaker(DOWN)
  needsAttention('one')
  await pass(10)
  assert.deepEqual(sent, [])
  await pass(1)
  await pass(1)
  assert.equal(sent.length, 2)
  assert.equal(errors.length, 2)
})

test('a stop sends the collected notification', async () => {
  const { sent, needsAttention, stop } = setUp()
  needsAttention('one')
  await stop()
  assert.equal(sent.length, 1)
})

async function chat(t: TestContext, answer: { status: number; location?: string }) {
  const seen: { method: string | undefined; type: string | undefined; body: string }[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += String(chunk)
    })
    request.on('end', () => {
      seen.push({ method: request.method, type: request.headers['content-type'], body })
      response.writeHead(answer.status, answer.location === undefined ? {} : { location: answer.location }).end('ok')
    })
  })
  const { host } = await listening(t, server)
  return { url: `http://${host}/hooks/secret-key`, seen }
}

test('a text is posted in the format of Slack and compatible services', async (t) => {
  const { url, seen } = await chat(t, { status: 200 })
  await textPoster({ url })('two "words"\nand more')
  assert.deepEqual(seen, [{ method: 'POST', type: 'application/json', body: '{"text":"two \\"words\\"\\nand more"}' }])
})

test('an error names the setting and the status, never the address; a redirect is not followed', async (t) => {
  const redirectTarget = await chat(t, { status: 200 })
  for (const answer of [{ status: 403 }, { status: 302, location: redirectTarget.url }]) {
    const { url } = await chat(t, answer)
    await assert.rejects(textPoster({ url })('hello'), { message: `LERNITO_NOTIFY_URL answered ${answer.status}` })
  }
  assert.deepEqual(redirectTarget.seen, [])
  await assert.rejects(textPoster({ url: 'http://127.0.0.1:9/hooks/secret-key' })('hello'), {
    message: 'LERNITO_NOTIFY_URL could not be reached',
  })
})
