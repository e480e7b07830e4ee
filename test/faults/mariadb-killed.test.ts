import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { exchange, startProduct } from '../harness.ts'
import { NO_MARIADB, startMariaDb } from '../mariadb.ts'
import { start, temporaryFolder, until } from '../service/process.ts'
import { serveEnv, startLms } from '../service/serving.ts'
import { createLedger } from './ledger.ts'
import { PATIENT, sales, seededRandom, untilAllSettled, WORLD } from './load.ts'

const SENDERS = 10
const command = [process.execPath, join(import.meta.dirname, 'quick-replica.ts')] as const

async function setUp(t: TestContext) {
  const mariadb = await startMariaDb()
  t.after(mariadb.remove)
  return mariadb
}

const isReady = async (url: string): Promise<boolean> =>
  (await exchange({ url: `${url}/readyz`, method: 'GET' })).status === 200

describe('MariaDB', { timeout: 600_000, skip: NO_MARIADB }, () => {
  test('while MariaDB is down under load, webhooks get 503; afterwards every accepted sale is enrolled', async (t) => {
    const mariadb = await setUp(t)
    const { url: database } = await mariadb.newDatabase()
    const product = await startProduct({
      lms: { world: WORLD, cost: 'measured' },
      env: { LERNITO_DATABASE_URL: database, LERNITO_LMS_CALLS_PER_MINUTE: '0' },
    })
    t.after(() => product.stop())
    await until('the database', async () => (await isReady(product.url)) || undefined)
    const ledger = createLedger({ before: await product.lms.state() })
    const { seed, random } = seededRandom()
    const over = new AbortController()
    const sender = async (number: number): Promise<void> => {
      for (let i = 0; !over.signal.aborted; i++) {
        for (const sale of sales({ name: `sender${number}.${i}`, count: 1, random })) {
          const answered = await ledger.sell(product.url, sale)
          if (answered?.status === 503) await delay(20)
        }
      }
    }
    const sending = Promise.all(Array.from({ length: SENDERS }, (_, number) => sender(number)))
    let backMs = 0
    for (let kill = 0; kill < 3; kill++) {
      await delay(500 + random() * 1000)
      await mariadb.stop('SIGKILL')
      await until('the 503', async () => !(await isReady(product.url)) || undefined)
      for (const sale of sales({ name: `away${kill}`, count: 5, random })) {
        assert.equal((await ledger.sell(product.url, sale))?.status, 503)
      }
      await mariadb.start()
      const began = performance.now()
      await until('the database', async () => (await isReady(product.url)) || undefined)
      backMs = Math.max(backMs, performance.now() - began)
    }
    await delay(500)
    over.abort()
    await sending
    await untilAllSettled(database)
    const more = `, back at most ${Math.round(backMs)} ms after it was, seed ${seed}`
    const counts = ledger.close('MariaDB killed 3 times under load', await product.lms.state(), more)
    assert.deepEqual([counts.unanswered, counts.refused], [0, counts.answered(503)])
  })

  test('when one of three replicas is killed while it migrates an empty database, the others finish the migration', async (t) => {
    const mariadb = await setUp(t)
    const lms = await startLms(t)
    const ledger = createLedger({ before: await lms.state() })
    const { seed, random } = seededRandom()
    const folder = temporaryFolder(t)
    let unfinished = 0
    for (let round = 0; round < 5; round++) {
      const { url: database } = await mariadb.newDatabase()
      const name = new URL(database).pathname.slice(1)
      const env = { ...serveEnv({ folder, lmsUrl: lms.url }), ...PATIENT, LERNITO_DATABASE_URL: database }
      const replicas = Array.from({ length: 3 }, () => start({ t, args: ['serve'], env, command }))
      const [victim, ...others] = replicas
      const tables = Math.ceil(random() * 5)
      await until(`table ${tables}`, async () => {
        const sql = `select table_name from information_schema.tables where table_schema = '${name}'`
        const rows = z.array(z.unknown()).parse(await mariadb.administer(sql))
        return rows.length >= tables || undefined
      })
      victim?.child.kill('SIGKILL')
      await victim?.ended
      if (!victim?.log().some(({ msg }) => msg === 'ready for webhooks')) unfinished++
      for (const [index, other] of others.entries()) {
        const ready = await other.logged(({ msg }) => msg === 'ready for webhooks')
        await ledger.sell(String(ready.url), { email: `round${round}.${index}@example.com` })
      }
      for (const { child, ended } of others) {
        child.kill('SIGKILL')
        await ended
      }
    }
    const more = `, before the end of its start ${unfinished} of 5, seed ${seed}`
    const { answered } = ledger.close('SIGKILL during a migration, 3 replicas, MariaDB', await lms.state(), more)
    assert.equal(answered(200), 10)
  })
})
