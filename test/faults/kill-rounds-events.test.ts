import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { NO_MARIADB, startMariaDb } from '../mariadb.ts'
import { temporaryFolder } from '../service/process.ts'
import { sell, startLms, startServe } from '../service/serving.ts'
import { type Receiver, startReceiver } from '../shop/events/receiver.ts'
import { compareWithTimelines, eventsEnv, untilOutboxEmpty } from './events-record.ts'
import { createRounds, sales, seededRandom, untilAllSettled, WORLD } from './load.ts'

const SALES = 12
const KILLS = 50
const WINDOW_MS = 500
const REPLICAS = 3
const command = [process.execPath, join(import.meta.dirname, 'quick-replica.ts')] as const

/** An endpoint that takes its time for some events, and refuses some of them the first time. */
function moody(receiver: Receiver, random: () => number): void {
  const refused = new Set<string>()
  receiver.answer(async ({ webhookId }, response) => {
    const mood = random()
    if (mood < 0.4) await delay(mood * 250)
    const refuses = mood > 0.95 && !refused.has(webhookId)
    if (refuses) refused.add(webhookId)
    response.writeHead(refuses ? 422 : 204).end()
  })
}

test('when the service on SQLite is killed again and again, the shop gets every event, and those of a delivery in order', {
  timeout: 600_000,
}, async (t) => {
  const folder = temporaryFolder(t)
  const url = `sqlite:${join(folder, 'lernito.db')}`
  const lms = await startLms(t, { world: WORLD })
  const receiver = await startReceiver(t)
  const { seed, random } = seededRandom()
  moody(receiver, random)
  const env = { LERNITO_LMS_CALLS_PER_MINUTE: '0', ...eventsEnv(receiver) }
  const serve = () => startServe({ t, folder, lmsUrl: lms.url, env })
  const rounds = createRounds({ withinMs: 60_000, most: KILLS })
  let serving = await serve()
  while (rounds.next()) {
    const loading = sales({ name: `round${rounds.done()}`, count: SALES, random }).map((sale) =>
      sell({ url: serving.url, ...sale }),
    )
    await delay(random() * WINDOW_MS)
    serving.child.kill('SIGKILL')
    await Promise.all([...loading, serving.ended])
    serving = await serve()
    await untilAllSettled(url)
  }
  receiver.answer(null)
  await untilAllSettled(url)
  await untilOutboxEmpty(url)
  const name = `SIGKILL with events, SQLite, kills ${rounds.done()}, seed ${seed}`
  const { repeated } = await compareWithTimelines({ url, receiver, name })
  assert.ok(repeated > 0, 'no kill came while an event was on its way')
})

test('when one of three replicas on MariaDB is killed again and again, the shop gets every event', {
  timeout: 600_000,
  skip: NO_MARIADB,
}, async (t) => {
  const mariadb = await startMariaDb()
  t.after(mariadb.remove)
  const { url } = await mariadb.newDatabase()
  const lms = await startLms(t, { world: WORLD })
  const receiver = await startReceiver(t)
  const { seed, random } = seededRandom()
  moody(receiver, random)
  const env = { LERNITO_DATABASE_URL: url, LERNITO_LMS_CALLS_PER_MINUTE: '0', ...eventsEnv(receiver) }
  const folder = temporaryFolder(t)
  const serve = () => startServe({ t, folder, lmsUrl: lms.url, env, command })
  const replicas = await Promise.all(Array.from({ length: REPLICAS }, serve))
  const rounds = createRounds({ withinMs: 60_000, most: KILLS })
  while (rounds.next()) {
    const loading = sales({ name: `round${rounds.done()}`, count: SALES, random }).map((sale, i) =>
      sell({ url: replicas[i % REPLICAS]?.url ?? '', ...sale }),
    )
    await delay(random() * WINDOW_MS)
    const index = Math.floor(random() * REPLICAS)
    replicas[index]?.child.kill('SIGKILL')
    await replicas[index]?.ended
    const [started] = await Promise.all([serve(), ...loading])
    replicas[index] = started
    if (rounds.done() % 5 === 0) await untilAllSettled(url)
  }
  receiver.answer(null)
  await untilAllSettled(url)
  await untilOutboxEmpty(url)
  const name = `SIGKILL with events, one of 3 replicas, MariaDB, kills ${rounds.done()}, seed ${seed}`
  await compareWithTimelines({ url, receiver, name })
})
