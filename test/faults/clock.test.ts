import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { startProduct } from '../harness.ts'
import { BULK } from '../service/serving.ts'
import { createLedger } from './ledger.ts'
import { PATIENT, sales, untilAllSettled, WORLD } from './load.ts'

const HOUR_MS = 3_600_000
/** Longer than any wait for an attempt. */
const BACK_MS = 48 * HOUR_MS
const JUMPS: Readonly<Record<string, readonly number[]>> = {
  'an hour forward': [HOUR_MS],
  'two days back': [-BACK_MS],
  'forward and back, twice': [BACK_MS, -BACK_MS, BACK_MS, -BACK_MS],
}

/** Starts the service with a clock that can jump. The clock of the LMS doesn't. */
async function setUp(t: TestContext, env: Record<string, string> = {}) {
  let ahead = 0
  const product = await startProduct({
    lms: { world: WORLD, cost: 'measured' },
    env,
    now: () => Date.now() + ahead,
  })
  t.after(() => product.stop())
  const ledger = createLedger({ before: await product.lms.state() })
  const jump = (ms: number): void => {
    ahead += ms
  }
  return { ...product, ledger, jump, database: `sqlite:${join(product.folder, 'lernito.db')}` }
}

describe('when the service’s clock jumps during work', { concurrency: 2, timeout: 240_000 }, () => {
  for (const [name, jumps] of Object.entries(JUMPS)) {
    test(`${name}: every sale is answered 200 within 5 seconds, and all are enrolled`, async (t) => {
      const { url, ledger, lms, jump, database } = await setUp(t, PATIENT)
      const over = new AbortController()
      const slowest = { ms: 0 }
      const sender = async (number: number): Promise<void> => {
        for (let i = 0; !over.signal.aborted; i++) {
          for (const sale of sales({ name: `sender${number}.${i}`, count: 1 })) {
            const began = performance.now()
            await ledger.sell(url, sale)
            slowest.ms = Math.max(slowest.ms, performance.now() - began)
          }
        }
      }
      const sending = Promise.all(Array.from({ length: 10 }, (_, number) => sender(number)))
      for (const ms of jumps) {
        await delay(500)
        jump(ms)
      }
      await delay(500)
      over.abort()
      await sending
      await untilAllSettled(database)
      const counts = ledger.close(`clock: ${name}`, await lms.state(), `, slowest ${Math.round(slowest.ms)} ms`)
      assert.equal(counts.answered(200), counts.accepted)
      assert.ok(slowest.ms < 5000, `${slowest.ms} ms`)
    })
  }

  test('set back by two days before a retry: the retry comes at once', async (t) => {
    const { url, ledger, lms, jump, database, log } = await setUp(t, { LERNITO_ANSWER_WITHIN_MS: '0' })
    await lms.faults([{ method: 'POST', path: BULK, status: 500 }])
    for (const sale of sales({ name: 'retried', count: 10 })) await ledger.sell(url, sale)
    while (log.filter(({ event }) => event === 'retry_scheduled').length < 10) await delay(10)
    await lms.noFaults()
    jump(-BACK_MS)
    await untilAllSettled(database)
    ledger.close('clock: set back while retries wait', await lms.state())
  })

  test('set back by two days while the circuit breaker is open: the probe comes after the same time, and all are enrolled', async (t) => {
    const { url, ledger, lms, jump, database, log } = await setUp(t)
    await lms.faults([{ status: 503 }])
    await Promise.all(sales({ name: 'down', count: 10 }).map((sale) => ledger.sell(url, sale)))
    while (!log.some(({ state }) => state === 'down')) await delay(10)
    jump(-BACK_MS)
    await Promise.all(sales({ name: 'still', count: 10 }).map((sale) => ledger.sell(url, sale)))
    await lms.noFaults()
    await untilAllSettled(database)
    ledger.close('clock: set back in an outage', await lms.state())
  })
})
