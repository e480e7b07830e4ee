import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { temporaryFolder } from '../service/process.ts'
import { startLms, startServe } from '../service/serving.ts'
import { createLedger } from './ledger.ts'
import { createRounds, PATIENT, sales, seededRandom, untilAllSettled, WORLD } from './load.ts'

const SALES = 20

test('when the service on SQLite is killed under load, again and again, every accepted sale is enrolled', {
  timeout: 600_000,
}, async (t) => {
  const folder = temporaryFolder(t)
  const url = `sqlite:${join(folder, 'lernito.db')}`
  const lms = await startLms(t, { world: WORLD, cost: 'measured' })
  const ledger = createLedger({ before: await lms.state() })
  const { seed, random } = seededRandom()
  const serve = () => startServe({ t, folder, lmsUrl: lms.url, env: { ...PATIENT, LERNITO_LMS_CALLS_PER_MINUTE: '0' } })
  /** Returns how long it took in ms, or null if some senders got no answer. */
  const load = async (serving: { url: string }, name: string): Promise<number | null> => {
    const began = performance.now()
    const answers = await Promise.all(
      sales({ name, count: SALES, random }).map((sale) => ledger.sell(serving.url, sale)),
    )
    return answers.includes(null) ? null : performance.now() - began
  }

  let serving = await serve()
  let undisturbedMs = (await load(serving, 'undisturbed')) ?? 0
  assert.equal(ledger.counts(await lms.state()).answered(200), SALES)

  const rounds = createRounds({ withinMs: 60_000 })
  let cutShort = 0
  while (rounds.next()) {
    const loading = load(serving, `round${rounds.done()}`)
    await delay(random() * undisturbedMs)
    serving.child.kill('SIGKILL')
    const [ms] = await Promise.all([loading, serving.ended])
    if (ms === null) cutShort++
    else undisturbedMs = ms // the first one is slower
    serving = await serve()
    await untilAllSettled(url)
  }
  const more = `, rounds ${rounds.done()}, of them cut short ${cutShort}, seed ${seed}`
  ledger.close('SIGKILL under load, SQLite', await lms.state(), more)
  assert.ok(cutShort > 0)
})
