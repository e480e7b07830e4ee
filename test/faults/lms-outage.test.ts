import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import type { StandInOptions } from '../../sandbox/stand-in.ts'
import { startProduct } from '../harness.ts'
import { until } from '../service/process.ts'
import { BULK } from '../service/serving.ts'
import { createLedger, type Ledger } from './ledger.ts'
import { deliveriesIn, PATIENT, sales, untilAllSettled, WORLD } from './load.ts'

const SALES = 30
const ALLOWED = '/api/enrollment/v1/enrollment_allowed/'
const FORBIDDEN = { status: 403, body: { detail: 'You do not have permission to perform this action.' } }

/** A sender that waits up to 60 seconds and is answered within 20 did not get its answer from the deadline. */
const AT_ONCE_MS = 20_000

async function setUp(t: TestContext, lms: StandInOptions = {}, env: Record<string, string> = {}) {
  const product = await startProduct({
    lms: { world: WORLD, ...lms },
    env: { LERNITO_LMS_CALLS_PER_MINUTE: '0', ...env },
  })
  t.after(() => product.stop())
  const ledger = createLedger({ before: await product.lms.state() })
  const blocked = (): Record<string, unknown>[] =>
    product.log.filter(({ msg }) => msg === 'LMS unavailable; deliveries wait')
  const calls = async (fits: (call: { path: string; status: number }) => boolean): Promise<number> =>
    (await product.lms.calls()).filter(fits).reduce((sum, { count }) => sum + count, 0)
  return { ...product, ledger, blocked, calls, database: `sqlite:${join(product.folder, 'lernito.db')}` }
}

/** Returns the statuses, and the time until the last answer in ms. */
async function sellAll(to: { url: string; ledger: Ledger }, name: string) {
  const began = performance.now()
  const answers = await Promise.all(sales({ name, count: SALES }).map((sale) => to.ledger.sell(to.url, sale)))
  return { statuses: new Set(answers.map((answered) => answered?.status)), ms: performance.now() - began }
}

const attemptsIn = async (database: string): Promise<Set<number>> =>
  new Set((await deliveriesIn(database)).map(({ attempts }) => attempts))

/** Waits until the circuit breaker is closed and all deliveries are settled, within a limit that can exceed 15 s. */
async function untilRecovered({ log, database }: Awaited<ReturnType<typeof setUp>>, withinMs: number): Promise<void> {
  const deadline = AbortSignal.timeout(withinMs)
  while (!log.some(({ msg }) => msg === 'LMS available again; work continues')) {
    deadline.throwIfAborted()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await untilAllSettled(database)
}

describe('an LMS that is unavailable for a while', { concurrency: 8, timeout: 180_000 }, () => {
  test('503 for everything: senders get 500 at once, no attempt is counted, and all buyers are enrolled afterwards', async (t) => {
    const product = await setUp(t, {}, PATIENT)
    await product.lms.faults([{ status: 503 }])
    const first = await sellAll(product, 'first')
    assert.deepEqual(first.statuses, new Set([500]))
    await until('the pause', () => product.blocked().length > 0 || undefined)
    await product.lms.forgetCalls()
    const again = await sellAll(product, 'again')
    assert.deepEqual(again.statuses, new Set([500]))
    assert.ok(Math.max(first.ms, again.ms) < AT_ONCE_MS, `the slowest answer took ${first.ms} and ${again.ms} ms`)
    await until('a probe', async () => (await product.calls(({ path }) => path === '/heartbeat')) >= 2 || undefined)
    assert.equal(await product.calls(({ path }) => path !== '/heartbeat'), 0) // only probes
    assert.deepEqual(await attemptsIn(product.database), new Set([0]))
    await product.lms.noFaults()
    await untilRecovered(product, 15_000)
    assert.deepEqual(await attemptsIn(product.database), new Set([0]))
    const more = `, slowest 500 after ${Math.round(again.ms)} ms`
    product.ledger.close('503 for everything', await product.lms.state(), more)
  })

  test('outages again and again under load: all buyers are enrolled', async (t) => {
    const product = await setUp(t, { cost: 'measured' })
    for (let round = 0; round < 3; round++) {
      const before = product.log.filter(({ msg }) => msg === 'LMS available again; work continues').length
      const selling = sellAll(product, `round${round}`)
      await product.lms.faults([{ drop: 'after' }])
      await selling
      await product.lms.noFaults()
      await until('the end', () => {
        const since = product.log.filter(({ msg }) => msg === 'LMS available again; work continues').length - before
        return since > 0 || product.blocked().length === before || undefined
      })
    }
    await untilAllSettled(product.database)
    product.ledger.close(
      'every answer dropped, 3 times',
      await product.lms.state(),
      `, outages ${product.blocked().length}`,
    )
  })

  test('429 with Retry-After: the service waits that long, counts no attempt, and no sender gets 500', async (t) => {
    const product = await setUp(t, {}, PATIENT)
    await product.lms.faults([{ method: 'POST', path: BULK, status: 429, retryAfter: 3, times: 2 }])
    const { statuses, ms } = await sellAll(product, 'sale')
    assert.deepEqual(statuses, new Set([200]))
    assert.ok(ms >= 3000, `answered after ${ms} ms`)
    assert.ok((await product.calls(({ status }) => status === 429)) <= 2)
    assert.deepEqual(await attemptsIn(product.database), new Set([0]))
    product.ledger.close('429 with Retry-After', await product.lms.state())
  })

  test('without a call budget, an LMS that allows 20 calls a minute gives at most two 429s in each pause', async (t) => {
    const product = await setUp(t, { throttle: 20, bulk: false, modify: false })
    const newcomers = Array.from({ length: 25 }, (_, i) => `newcomer${i}@example.com`) // one call each
    await Promise.all(newcomers.map((email) => product.ledger.sell(product.url, { email })))
    await untilRecovered(product, 90_000)
    const refused = await product.calls(({ status }) => status === 429)
    const minutes = product.blocked().length
    product.ledger.close(
      'throttle of 20, no budget',
      await product.lms.state(),
      `, 429s ${refused} in ${minutes} waits`,
    )
    assert.ok(minutes >= 1 && refused <= 2 * minutes, `${refused} 429s in ${minutes} waits`)
  })

  test('without the staff flag, the circuit breaker opens and names the cause; with the flag, all buyers are enrolled', async (t) => {
    const product = await setUp(t, {}, PATIENT)
    await product.lms.faults([
      { method: 'POST', path: BULK, ...FORBIDDEN },
      { path: ALLOWED, ...FORBIDDEN },
    ])
    const { statuses, ms } = await sellAll(product, 'sale')
    assert.deepEqual(statuses, new Set([500]))
    assert.ok(ms < AT_ONCE_MS, `answered after ${ms} ms`)
    const [line] = product.blocked()
    assert.equal(line?.state, 'misconfigured')
    assert.match(String(line?.reason), /make the user of the OAuth application LERNITO_LMS_CLIENT_ID a staff user/)
    await product.lms.noFaults()
    await untilRecovered(product, 30_000)
    assert.deepEqual(await attemptsIn(product.database), new Set([0]))
    product.ledger.close('403 from bulk_enroll and enrollment_allowed', await product.lms.state())
  })

  test('without bulk_enroll, buyers are enrolled one by one', async (t) => {
    const product = await setUp(t, { bulk: false, modify: false }, PATIENT)
    const { statuses } = await sellAll(product, 'sale')
    assert.deepEqual(statuses, new Set([200]))
    assert.deepEqual(product.blocked(), [])
    product.ledger.close('no bulk_enroll', await product.lms.state())
  })

  test('429 from the token endpoint, without Retry-After: the service waits a minute and counts no attempt', async (t) => {
    const product = await setUp(t)
    await product.lms.faults([
      { path: '/oauth2/access_token', status: 429, contentType: 'text/html', body: '<h1>429</h1>', times: 1 },
    ])
    const { statuses } = await sellAll(product, 'sale')
    assert.deepEqual(statuses, new Set([500]))
    assert.equal(product.blocked()[0]?.state, 'throttled')
    await untilRecovered(product, 90_000)
    assert.equal(await product.calls(({ path, status }) => path === '/oauth2/access_token' && status === 429), 1)
    assert.deepEqual(await attemptsIn(product.database), new Set([0]))
    product.ledger.close('429 from the token endpoint', await product.lms.state())
  })
})
