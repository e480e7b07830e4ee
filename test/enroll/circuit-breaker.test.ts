import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { type RunningStandIn, startStandIn } from '../../sandbox/stand-in.ts'
import { type CircuitBreaker, createCircuitBreaker } from '../../src/enroll/breakers/circuit-breaker.ts'
import { unlimitedBudget } from '../../src/lms/client/budget.ts'
import { control, DEMO } from '../harness.ts'
import { ENROLL } from '../lms/calls.ts'
import { lmsAt } from './lms-at.ts'

const BULK = '/api/bulk_enroll/v1/bulk_enroll'
const budget = unlimitedBudget()

let standIn: RunningStandIn
let breaker: CircuitBreaker
let happened: string[]
let stop: () => Promise<void>
let probe: () => void

/** A circuit breaker with a new stand-in. The clock stands still; `probe` ends the wait for the next probe. */
beforeEach(async () => {
  standIn = await startStandIn({ throttle: 'off' })
  happened = []
  const stopping = new AbortController()
  const lms = lmsAt(standIn.url)
  let waiting = Promise.withResolvers<void>()
  probe = () => {
    waiting.resolve()
    waiting = Promise.withResolvers()
  }
  breaker = createCircuitBreaker({
    lms,
    budget,
    now: () => 0,
    signal: stopping.signal,
    inbox: { pause: () => happened.push('pause'), resume: () => happened.push('resume') },
    onChange: (state) => happened.push(state.kind),
    sleep: (ms, signal) => {
      happened.push(`wait ${ms}`)
      signal.addEventListener('abort', () => waiting.resolve(), { once: true })
      return waiting.promise
    },
  })
  const running = breaker.run()
  stop = async () => {
    stopping.abort()
    await running
    await lms.close()
    await standIn.close()
  }
})
afterEach(() => stop())

const sandbox = () => control(standIn.url)
const sell = async () => {
  const permit = await budget.acquire(new AbortController().signal)
  return breaker.lms.bulkEnroll(permit, { ...ENROLL, courses: [DEMO], emails: ['new@example.com'] })
}
const kindOf = async (): Promise<string> => {
  const judged = await sell()
  return judged.ok ? 'ok' : judged.failure.kind
}
const up = (): Promise<void> => breaker.whenClosed(AbortSignal.timeout(5000))
const bulkCalls = async (): Promise<number> =>
  (await sandbox().calls()).filter(({ path }) => path === BULK).reduce((sum, { count }) => sum + count, 0)

test('an outage of the LMS opens the circuit breaker, and nothing more is sent until the heartbeat answers', async () => {
  await sandbox().faults([{ status: 503 }])
  assert.equal(await kindOf(), 'unreachable')
  assert.deepEqual(happened.slice(0, 2), ['pause', 'down'])
  await sandbox().forgetCalls()
  assert.equal(await kindOf(), 'unreachable')
  assert.equal(await bulkCalls(), 0)
  await sandbox().noFaults()
  probe()
  await up()
  assert.equal(await kindOf(), 'ok')
  assert.deepEqual(happened, ['pause', 'down', 'wait 2000', 'resume', 'half_open'])
})

test('a change of the course mode opens the circuit breaker, and is stopped by an open one', async () => {
  const change = async (): Promise<string> => {
    const permit = await budget.acquire(new AbortController().signal)
    const judged = await breaker.lms.changeMode(permit, { username: 'alice', course: DEMO, mode: 'verified' })
    return judged.ok ? 'ok' : judged.failure.kind
  }
  await sandbox().faults([{ status: 503 }])
  assert.equal(await change(), 'unreachable')
  assert.deepEqual(happened.slice(0, 2), ['pause', 'down'])
  await sandbox().forgetCalls()
  assert.equal(await change(), 'unreachable')
  assert.deepEqual(await sandbox().calls(), [])
})

test('a call that an open circuit breaker stopped has not taken effect; the one that opened it may have', async () => {
  await sandbox().faults([
    { path: BULK, drop: 'after' },
    { path: '/heartbeat', status: 503 },
  ])
  const doubts = [await sell(), await sell()].map((judged) => !judged.ok && judged.failure.mayHaveTakenEffect)
  assert.deepEqual(doubts, [true, false])
})

test('a 500 for one call leaves the circuit breaker closed while the heartbeat answers', async () => {
  await sandbox().faults([{ path: BULK, status: 500, times: 5 }])
  for (let i = 0; i < 5; i++) assert.equal(await kindOf(), 'server_error')
  assert.deepEqual(happened, [])
  assert.equal(await kindOf(), 'ok')
})

test('three failures in a row to give a token are an outage, although the heartbeat answers', async () => {
  await sandbox().faults([{ path: '/oauth2/access_token', status: 500 }])
  for (let i = 0; i < 2; i++) assert.equal(await kindOf(), 'unreachable')
  assert.deepEqual(happened, [])
  assert.equal(await kindOf(), 'unreachable')
  assert.deepEqual(happened, ['pause', 'down', 'wait 2000'])
  probe()
  await up()
  assert.equal(await kindOf(), 'unreachable')
  assert.deepEqual(happened.slice(3), ['resume', 'half_open', 'pause', 'down', 'wait 4000'])
  await sandbox().noFaults()
  probe()
  await up()
  assert.equal(await kindOf(), 'ok')
})

test('an LMS that keeps its heartbeat from this service counts as up, and an outage of it ends', async () => {
  const hidden = { path: '/heartbeat', status: 403, body: '<html>Forbidden</html>' }
  await sandbox().faults([hidden, { path: BULK, status: 500, times: 1 }])
  assert.deepEqual([await kindOf(), happened], ['server_error', []])
  await sandbox().faults([{ status: 503 }])
  assert.equal(await kindOf(), 'unreachable')
  await sandbox().noFaults()
  await sandbox().faults([hidden])
  probe()
  await up()
  assert.equal(await kindOf(), 'ok')
})

test('a failed call that many wait for is one failure, and the heartbeat is read once', async () => {
  await sandbox().faults([{ path: '/oauth2/access_token', drop: 'before', times: 1 }])
  const judged = await Promise.all(['a', 'b', 'c', 'd'].map((run) => breaker.lms.course(`course-v1:edX+DemoX+${run}`)))
  assert.deepEqual(
    judged.map((one) => one.ok),
    [false, false, false, false],
  )
  assert.deepEqual(happened, [])
  const heartbeats = (await sandbox().calls()).filter(({ path }) => path === '/heartbeat')
  assert.deepEqual(
    heartbeats.map(({ count }) => count),
    [1],
  )
})

test('one throttled call opens the circuit breaker for as long as the LMS says', async () => {
  await sandbox().faults([{ path: BULK, status: 429, retryAfter: 7, times: 1 }])
  assert.equal(await kindOf(), 'throttled')
  assert.equal(await kindOf(), 'throttled')
  assert.equal(await bulkCalls(), 1)
  assert.deepEqual(happened, ['pause', 'throttled', 'wait 7000'])
  probe()
  await up()
  assert.equal(await kindOf(), 'ok')
})

test('a short throttle doesn’t send the waiting senders away', async () => {
  await sandbox().faults([{ path: BULK, status: 429, retryAfter: 3, times: 1 }])
  assert.equal(await kindOf(), 'throttled')
  assert.deepEqual(happened, ['throttled', 'wait 3000'])
})

test('losing the staff flag opens the circuit breaker with its cause, and a successful probe closes it', async () => {
  const forbidden = { status: 403, body: { detail: 'You do not have permission to perform this action.' } }
  await sandbox().faults([
    { path: BULK, ...forbidden },
    { path: '/api/enrollment/v1/enrollment_allowed/', ...forbidden },
  ])
  assert.equal(await kindOf(), 'misconfigured')
  const state = breaker.state()
  assert.ok(state.kind === 'misconfigured' && /staff/.test(state.failure.message), JSON.stringify(state))
  probe()
  await untilHappened('wait 20000')
  await sandbox().noFaults()
  probe()
  await up()
  assert.equal(await kindOf(), 'ok')
})

test('a call that is refused while a probe succeeds is blocked, may have taken effect, and opens nothing', async () => {
  for (const [status, doubt] of [
    [400, true],
    [401, true],
    [403, true],
    [404, false],
    [302, true],
  ] as const) {
    await sandbox().faults([{ path: BULK, status, times: status === 401 ? 2 : 1 }])
    const judged = await sell()
    assert.ok(!judged.ok)
    const { kind, mayHaveTakenEffect } = judged.failure
    assert.deepEqual([kind, mayHaveTakenEffect], ['blocked', doubt], `${status}`)
    assert.match(judged.failure.message, new RegExp(`blocks this request .*\\(${status} from ${BULK}\\)`))
  }
  assert.deepEqual(happened, [])
  assert.equal(await kindOf(), 'ok')
})

test('each call that changes something may have taken effect if something blocks its answer', async () => {
  assert.equal(await kindOf(), 'ok', 'which gets the token')
  await sandbox().faults([
    { method: 'POST', status: 403 },
    { method: 'DELETE', status: 403 },
  ])
  const { lms } = breaker
  const permit = () => budget.acquire(new AbortController().signal)
  const of = { email: 'alice@example.com', username: 'alice', course: DEMO, mode: 'audit' }
  const blocked = [
    await lms.modify({ ...ENROLL, course: DEMO, emails: [of.email] }),
    await lms.enroll(await permit(), of),
    await lms.changeMode(await permit(), of),
    await lms.unenroll(await permit(), of),
    await lms.allow(await permit(), of),
    await lms.disallow(await permit(), of),
  ].map((judged) => !judged.ok && [judged.failure.kind, judged.failure.mayHaveTakenEffect])
  assert.deepEqual(blocked, Array(6).fill(['blocked', true]))
})

test('calls that are refused within a few seconds share one probe', async () => {
  await sandbox().faults([{ path: BULK, status: 403 }])
  assert.deepEqual(await Promise.all([kindOf(), kindOf(), kindOf()]), ['blocked', 'blocked', 'blocked'])
  assert.equal(await kindOf(), 'blocked')
  const probes = (await sandbox().calls()).filter(({ path }) => path.startsWith('/api/enrollment/'))
  assert.deepEqual(
    probes.map(({ count }) => count),
    [1],
  )
})

test('a refused call that is the same for all sales opens the circuit breaker: the question whether bulk_enroll is there', async () => {
  await sandbox().faults([{ path: BULK, status: 403, times: 1 }])
  const judged = await breaker.lms.bulkAvailable()
  assert.equal(judged.ok ? 'ok' : judged.failure.kind, 'misconfigured')
  assert.equal(breaker.state().kind, 'misconfigured')
})

test('an unused permit goes back to the budget', async () => {
  await sandbox().faults([{ status: 503 }])
  await kindOf()
  let givenBack = 0
  await breaker.lms.bulkEnroll(
    { spend: () => {}, release: () => givenBack++ },
    { ...ENROLL, courses: [DEMO], emails: ['a@b.cd'] },
  )
  assert.equal(givenBack, 1)
})

async function untilHappened(what: string): Promise<void> {
  const deadline = AbortSignal.timeout(5000)
  while (!happened.includes(what)) {
    deadline.throwIfAborted()
    await new Promise((resolve) => setImmediate(resolve))
  }
}
