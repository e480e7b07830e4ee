import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { NO_MARIADB, startMariaDb } from '../mariadb.ts'
import { temporaryFolder } from '../service/process.ts'
import { startLms, startServe } from '../service/serving.ts'
import { createLedger } from './ledger.ts'
import { createRounds, sales, seededRandom, untilAllSettled, WORLD } from './load.ts'

const SALES = 20
const REPLICAS = 3
const WINDOW_MS = 400
const command = [process.execPath, join(import.meta.dirname, 'quick-replica.ts')] as const

test('when one of three replicas on MariaDB is killed under load, again and again, every accepted sale is enrolled', {
  timeout: 600_000,
  skip: NO_MARIADB,
}, async (t) => {
  const mariadb = await startMariaDb()
  t.after(mariadb.remove)
  const { url } = await mariadb.newDatabase()
  const lms = await startLms(t, { world: WORLD, cost: 'measured' })
  const ledger = createLedger({ before: await lms.state() })
  const { seed, random } = seededRandom()
  const env = { LERNITO_DATABASE_URL: url, LERNITO_LMS_CALLS_PER_MINUTE: '0' }
  const folder = temporaryFolder(t)
  const serve = () => startServe({ t, folder, lmsUrl: lms.url, env, command })

  const replicas = await Promise.all(Array.from({ length: REPLICAS }, serve))
  const rounds = createRounds({ withinMs: 60_000 })
  let cutShort = 0
  let freed = 0
  const note = (replica: (typeof replicas)[number] | undefined): void => {
    freed += replica?.log().filter(({ msg }) => msg.startsWith('a replica fell silent')).length ?? 0
  }
  while (rounds.next()) {
    const name = `round${rounds.done()}`
    const loading = Promise.all(
      sales({ name, count: SALES, random }).map((sale, i) => ledger.sell(replicas[i % REPLICAS]?.url ?? '', sale)),
    )
    await delay(random() * WINDOW_MS)
    const index = Math.floor(random() * REPLICAS)
    const victim = replicas[index]
    victim?.child.kill('SIGKILL')
    await victim?.ended
    note(victim)
    // The other replicas claim its work during the next rounds. Every fifth round waits for that, so that work remains.
    const [started, answers] = await Promise.all([serve(), loading])
    replicas[index] = started
    if (answers.includes(null)) cutShort++
    if (rounds.done() % 5 === 0) await untilAllSettled(url)
  }
  await untilAllSettled(url)
  for (const replica of replicas) note(replica)
  const more = `, rounds ${rounds.done()}, of them cut short ${cutShort}, takeovers ${freed}, seed ${seed}`
  ledger.close('SIGKILL of one of 3 replicas under load, MariaDB', await lms.state(), more)
  assert.ok(cutShort > 0)
})
