import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { exchange, type State, startProduct } from '../harness.ts'
import { NO_MARIADB } from '../mariadb.ts'
import { until } from '../service/process.ts'
import { createLedger } from './ledger.ts'
import { deliveriesIn, sales, seededRandom, untilAllSettled, WORLD } from './load.ts'
import { startPair } from './mariadb-pair.ts'

const SENDERS = 10
/** A sender that was refused comes again after this time. */
const AGAIN_MS = 100
const NOTHING: State = { enrollments: [], allowances: [] }
const SKIP = process.env.MYSQLD === undefined ? NO_MARIADB : 'the replication is that of MariaDB'

async function setUp(t: TestContext) {
  const pair = await startPair(t)
  const product = await startProduct({
    lms: { world: WORLD },
    env: { LERNITO_DATABASE_URL: pair.url },
  })
  t.after(() => product.stop())
  const isReady = async (): Promise<boolean> =>
    (await exchange({ url: `${product.url}/readyz`, method: 'GET' })).status === 200
  await until('the database', async () => (await isReady()) || undefined)
  return { pair, product, isReady }
}

describe('a planned failover', { timeout: 120_000, skip: SKIP }, () => {
  test('under load, every sale is accepted after a few seconds, and none is lost, without a restart', async (t) => {
    const { pair, product, isReady } = await setUp(t)
    const ledger = createLedger({ before: await product.lms.state() })
    const { seed, random } = seededRandom()
    const over = new AbortController()
    t.after(() => over.abort())
    let lastRefusalMs = 0
    let switchedAt = Number.POSITIVE_INFINITY
    const sell = async (sale: Parameters<typeof ledger.sell>[1]): Promise<void> => {
      while (!over.signal.aborted) {
        const answered = await ledger.sell(product.url, sale)
        if (answered?.status !== 503) return
        lastRefusalMs = Math.max(lastRefusalMs, performance.now() - switchedAt)
        await delay(AGAIN_MS)
      }
    }
    const sender = async (number: number): Promise<void> => {
      for (let i = 0; !over.signal.aborted; i++) {
        for (const sale of sales({ name: `sender${number}.${i}`, count: 1, random })) await sell(sale)
      }
    }
    const sending = Promise.all(Array.from({ length: SENDERS }, (_, number) => sender(number)))
    await delay(1000)
    await pair.failOver(() => until('the first refusal', () => ledger.counts(NOTHING).refused > 0 || undefined))
    switchedAt = performance.now()
    await until('the database', async () => (await isReady()) || undefined)
    await delay(2000) // under load, on the other server
    over.abort()
    await sending
    await untilAllSettled(pair.url)
    const more = `, the last refusal ${Math.round(lastRefusalMs)} ms after the switch, seed ${seed}`
    const counts = ledger.close('planned failover under load', await product.lms.state(), more)
    assert.deepEqual([counts.unanswered, counts.refused], [0, counts.answered(503)])
    assert.ok(lastRefusalMs < 3000, `still refused after ${lastRefusalMs} ms`)
  })

  for (const when of ['before', 'after'] as const) {
    const what = when === 'before' ? 'the old server gets it' : 'the old server has carried it out'
    test(`in the middle of a commit, before its answer and ${what}: the sale is stored once`, async (t) => {
      const { pair, product, isReady } = await setUp(t)
      const email = 'middle@example.com'
      const stopping = pair.stopCommit(email)
      const selling = product.sell({ email })
      const stopped = await stopping
      if (when === 'after') await stopped.keepAnswer()
      await pair.failOver()
      if (when === 'after') stopped.cut()
      else stopped.pass()
      const { status } = await selling
      await until('the database', async () => (await isReady()) || undefined)
      const deliveries = (await deliveriesIn(pair.url)).filter((one) => one.email === email)
      assert.deepEqual([status, deliveries.length], [200, 1])
      assert.equal((await product.lms.state()).allowances.filter((one) => one.email === email).length, 1)
    })
  }
})
