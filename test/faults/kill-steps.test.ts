import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { start, temporaryFolder, until } from '../service/process.ts'
import { BULK, serveEnv, startHoldingLms, startServe } from '../service/serving.ts'
import { createLedger } from './ledger.ts'
import { deliveriesIn, PATIENT, seededRandom, untilAllSettled } from './load.ts'
import { waitsForLock } from './lock-wait.ts'

const ALICE = 'alice@example.com'
const NEW = 'new@example.com'

async function setUp(t: TestContext) {
  const folder = temporaryFolder(t)
  const file = join(folder, 'lernito.db')
  const lms = await startHoldingLms(t)
  const ledger = createLedger({ before: await lms.state() })
  const serve = () => startServe({ t, folder, lmsUrl: lms.url, env: { ...PATIENT, LERNITO_LMS_CALLS_PER_MINUTE: '0' } })
  /** Locks the database until the returned function is called. */
  const lock = (): (() => void) => {
    const other = new DatabaseSync(file, { timeout: 4000 })
    other.exec('begin immediate')
    t.after(() => other.close())
    return () => other.exec('rollback')
  }
  return { folder, file, database: `sqlite:${file}`, lms, ledger, serve, lock }
}
type SetUp = Awaited<ReturnType<typeof setUp>>

/** Starts the service again, repeats the sales without an answer as a shop does, and closes the ledger. */
async function recover({ serve, ledger, lms, database }: SetUp, step: string): Promise<void> {
  const again = await serve()
  await untilAllSettled(database)
  const stored = (await deliveriesIn(database)).length
  for (const { sale, answered } of [...ledger.sold]) if (answered === null) await ledger.sell(again.url, sale)
  const { answered } = ledger.close(`SIGKILL ${step}`, await lms.state(), `, stored before the kill ${stored}`)
  assert.equal(answered(200), 2)
  assert.equal((await deliveriesIn(database)).length, 2)
}

describe('when the service is killed at a step of a delivery', { concurrency: 3, timeout: 900_000 }, () => {
  test('before the accept commits: nothing is stored, and the sale is enrolled when the shop sends it again', async (t) => {
    const at = await setUp(t)
    const first = await at.serve()
    const unlock = at.lock()
    const selling = [ALICE, NEW].map((email) => at.ledger.sell(first.url, { email }))
    await until('the wait for the database', () => waitsForLock(first))
    first.child.kill('SIGKILL')
    await Promise.all([...selling, first.ended])
    unlock()
    assert.deepEqual(await deliveriesIn(at.database), [])
    assert.equal(at.ledger.counts(await at.lms.state()).unanswered, 2)
    await recover(at, 'before the accept commits')
  })

  const CALLS: Readonly<Record<string, object>> = {
    'after the accept, during the token request': { path: '/oauth2/access_token', drop: 'before' },
    'after the accept, during the lookup of the course': { path: '/api/courses/v1/courses/{id}', drop: 'before' },
    'during the call that enrolls, which has no effect': { method: 'POST', path: BULK, drop: 'before' },
    'during the call that enrolls, which takes effect afterwards': { method: 'POST', path: BULK },
  }
  for (const [step, fault] of Object.entries(CALLS)) {
    test(`${step}: the next start enrolls the buyer`, async (t) => {
      const at = await setUp(t)
      await at.lms.faults([{ ...fault, delayMs: 1, times: 1 }])
      const first = await at.serve()
      const selling = [ALICE, NEW].map((email) => at.ledger.sell(first.url, { email }))
      await at.lms.arrived
      await until('both sales', async () => (await deliveriesIn(at.database)).length === 2 || undefined)
      first.child.kill('SIGKILL')
      await Promise.all([...selling, first.ended])
      at.lms.release()
      await recover(at, step)
    })
  }

  test('between the effect in the LMS and the settlement: the next start settles, and nobody is enrolled twice', async (t) => {
    const at = await setUp(t)
    await at.lms.faults([{ method: 'POST', path: BULK, delayMs: 1, times: 1 }])
    const first = await at.serve()
    const selling = [ALICE, NEW].map((email) => at.ledger.sell(first.url, { email }))
    await at.lms.arrived
    await until('both sales', async () => (await deliveriesIn(at.database)).length === 2 || undefined)
    const unlock = at.lock()
    at.lms.release()
    await until('the effect', async () => (await at.lms.state()).enrollments.length > 0 || undefined)
    await until('the wait for the database', () => waitsForLock(first))
    first.child.kill('SIGKILL')
    await Promise.all([...selling, first.ended])
    unlock()
    const before = await at.lms.state()
    assert.ok(before.enrollments.some(({ email }) => email === ALICE))
    assert.deepEqual(new Set((await deliveriesIn(at.database)).map(({ state }) => state)), new Set(['queued']))
    await recover(at, 'between the effect and the settle')
  })

  test('during the migration of the first start, ten times: the next start continues the migration', async (t) => {
    const at = await setUp(t)
    const { seed, random } = seededRandom()
    let unfinished = 0
    for (let round = 0; round < 10; round++) {
      const folder = join(at.folder, `round${round}`)
      const wal = join(folder, 'lernito.db-wal')
      const env = serveEnv({ folder, lmsUrl: at.lms.url })
      const first = start({ t, args: ['serve'], env })
      await until('the database', () => sizeOf(wal) !== null || undefined)
      await delay(random() * 10)
      first.child.kill('SIGKILL')
      await first.ended
      if (!first.log().some(({ msg }) => msg === 'ready for webhooks')) unfinished++
      const again = await startServe({ t, folder, lmsUrl: at.lms.url, env: PATIENT })
      await at.ledger.sell(again.url, { email: `round${round}@example.com` })
      again.child.kill('SIGKILL')
      await again.ended
    }
    const { answered } = at.ledger.close(
      'SIGKILL during a migration',
      await at.lms.state(),
      `, before the end of the start ${unfinished}, seed ${seed}`,
    )
    assert.equal(answered(200), 10)
    assert.ok(unfinished > 0)
  })
})

const sizeOf = (file: string): number | null => statSync(file, { throwIfNoEntry: false })?.size ?? null
