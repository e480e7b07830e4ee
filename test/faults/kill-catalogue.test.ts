import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { createCatalogueReader } from '../../src/shop/courses/catalogue.ts'
import { DEMO } from '../harness.ts'
import { NO_MARIADB, startMariaDb } from '../mariadb.ts'
import { temporaryFolder, until } from '../service/process.ts'
import { holdCalls, sell, startLms, startServe } from '../service/serving.ts'
import { worldOf } from '../shop/courses/harness.ts'
import { type Receiver, startReceiver } from '../shop/events/receiver.ts'
import { eventsEnv, untilOutboxEmpty } from './events-record.ts'
import { createRounds, reading, seededRandom } from './load.ts'
import { killBeforeCommit } from './lock-wait.ts'

const LIST = '/api/courses/v1/courses/'
const MODES = '/api/course_modes/v1/courses/{course_id}/'
const CATALOGUE_MS = 300
const REPLICAS = 3
const command = [process.execPath, join(import.meta.dirname, 'quick-replica.ts')] as const

/** The world with one course, which has this name. */
const named = (name: string) => worldOf([{ id: DEMO, name }])

/** The course in the catalogue; undefined before the LMS was first asked since it was sold. */
async function storedCourse(url: string) {
  const { find, checkedAt } = await reading(url, (db) => createCatalogueReader(db)())
  const course = find(DEMO)
  return course === undefined || course.modes === null ? undefined : { ...course, checkedAt }
}

/** Waits until the catalogue has been read twice from now on. */
async function untilReadTwice(url: string): Promise<void> {
  for (let n = 0; n < 2; n++) {
    const before = (await storedCourse(url))?.checkedAt
    await until('a reading', async () => ((await storedCourse(url))?.checkedAt !== before ? true : undefined))
  }
}

const envOf = (receiver: Receiver) => ({
  LERNITO_LMS_CALLS_PER_MINUTE: '0',
  CATALOGUE_MS: `${CATALOGUE_MS}`,
  ...eventsEnv(receiver),
})

const namesTold = ({ courses }: Receiver) => courses.map(({ data }) => data.name)

async function setUp(t: TestContext) {
  const folder = temporaryFolder(t)
  const file = join(folder, 'lernito.db')
  const url = `sqlite:${file}`
  const held = holdCalls()
  const lms = await startLms(t, { sleep: held.sleep })
  t.after(held.release)
  const receiver = await startReceiver(t)
  const serve = () => startServe({ t, folder, lmsUrl: lms.url, env: envOf(receiver), command })
  await lms.reset({ ...named('Before'), people: [{ username: 'alice', email: 'alice@example.com', active: true }] })
  const first = await serve()
  await sell({ url: first.url, email: 'alice@example.com', courseIds: [DEMO] })
  await until('the catalogue', () => storedCourse(url))
  /** Starts the service again. The shop then has one event, however often the LMS is asked from now on. */
  const recover = async (): Promise<void> => {
    await serve()
    await until('the event', () => (receiver.courses.length > 0 ? true : undefined))
    await untilReadTwice(url)
    await untilOutboxEmpty(url)
    assert.deepEqual(receiver.wrong, [])
    assert.equal(new Set(receiver.courses.map(({ webhookId }) => webhookId)).size, 1)
    assert.deepEqual(receiver.courses.at(-1)?.data.changes, [{ field: 'name', before: 'Before', after: 'After' }])
  }
  /** Renames the course, and holds this call of the next reading; one before it ends first. */
  const holdNext = async (path: string): Promise<void> => {
    await lms.faults([{ path: MODES, delayMs: 1, times: 1 }])
    await held.arrived()
    await lms.reset(named('After'))
    await lms.faults([{ path, delayMs: 1, times: 1 }])
    held.release()
    held.renew()
    await held.arrived()
  }
  return { file, url, lms, receiver, first, holdNext, release: held.release, recover }
}

describe('SIGKILL at each step of a reading of the catalogue', { concurrency: 2, timeout: 300_000 }, () => {
  for (const path of [LIST, MODES]) {
    test(`during the call of ${path}: nothing is told, and the next start tells the change once`, async (t) => {
      const { url, receiver, first, holdNext, release, recover } = await setUp(t)
      await holdNext(path)
      first.child.kill('SIGKILL')
      await first.ended
      release()
      assert.equal((await storedCourse(url))?.name, 'Before')
      assert.deepEqual(receiver.courses, [])
      await recover()
    })
  }

  test('before the new catalogue commits: neither it nor an event is stored, and the next start does both', async (t) => {
    const { file, url, receiver, first, holdNext, release, recover } = await setUp(t)
    await holdNext(MODES)
    await killBeforeCommit(t, { file, service: first, begin: release })
    assert.equal((await storedCourse(url))?.name, 'Before')
    assert.deepEqual(receiver.courses, [])
    await recover()
  })

  test('after the commit, while the endpoint is down: the next start sends the event that was stored', async (t) => {
    const { url, lms, receiver, first, recover } = await setUp(t)
    receiver.answer((_got, response) => response.destroy())
    await lms.reset(named('After'))
    await until('the attempt', () => receiver.courses[0])
    first.child.kill('SIGKILL')
    await first.ended
    assert.equal((await storedCourse(url))?.name, 'After')
    receiver.answer(null)
    await recover()
  })
})

/** Each name was told once, and in its order. Retries of an attempt that was cut don't count. */
function assertTold(receiver: Receiver, names: readonly string[]): void {
  const events = [...new Map(receiver.courses.map((one) => [one.webhookId, one])).values()]
  assert.deepEqual(receiver.wrong, [])
  assert.deepEqual(
    events.map(({ data }) => data.changes),
    names.slice(1).map((after, n) => [{ field: 'name', before: names[n] ?? '', after }]),
  )
  const sequences = events.map(({ sequence }) => sequence)
  assert.deepEqual(
    sequences,
    [...new Set(sequences)].toSorted((a, b) => a - b),
  )
}

for (const { kind, replicas, skip } of [
  { kind: 'SQLite', replicas: 1, skip: false as const },
  { kind: 'MariaDB', replicas: REPLICAS, skip: NO_MARIADB },
]) {
  test(`when one of ${replicas} services on ${kind} is killed again and again, each new name of a course is told once`, {
    timeout: 600_000,
    skip,
  }, async (t) => {
    const folder = temporaryFolder(t)
    const mariadb = kind === 'SQLite' ? null : await startMariaDb()
    if (mariadb !== null) t.after(mariadb.remove)
    const url = mariadb === null ? `sqlite:${join(folder, 'lernito.db')}` : (await mariadb.newDatabase()).url
    const names = ['Name 0']
    const lms = await startLms(t, { world: named('Name 0') })
    const receiver = await startReceiver(t)
    const env = { ...envOf(receiver), LERNITO_DATABASE_URL: url }
    const serve = () => startServe({ t, folder, lmsUrl: lms.url, env, command })
    const running = await Promise.all(Array.from({ length: replicas }, serve))
    const { seed, random } = seededRandom()
    await sell({ url: running[0]?.url ?? '', email: 'nobody@example.com', courseIds: [DEMO] })
    await until('the catalogue', () => storedCourse(url))
    const rounds = createRounds({ withinMs: 30_000, most: 25 })
    while (rounds.next()) {
      const name = `Name ${rounds.done()}`
      names.push(name)
      await lms.reset(named(name))
      await delay(random() * 2 * CATALOGUE_MS)
      const index = Math.floor(random() * replicas)
      running[index]?.child.kill('SIGKILL')
      await running[index]?.ended
      running[index] = await serve()
      await until(`the event of ${name}`, () => namesTold(receiver).includes(name) || undefined)
    }
    await untilReadTwice(url)
    await untilOutboxEmpty(url)
    assertTold(receiver, names)
    process.stdout.write(`SIGKILL with a catalogue, ${kind}, kills ${rounds.done()}, seed ${seed}\n`)
  })
}
