import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { describe, test } from 'node:test'
import { isDone } from '../../src/sale/types.ts'
import { DEMO, type State } from '../harness.ts'
import { temporaryFolder, until } from './process.ts'
import { BULK, sell, startHoldingLms, startLms, startServe, storedDeliveries } from './serving.ts'

const ENROLLMENT = '/api/enrollment/v1/enrollment'
const ALICE = 'alice@example.com'
const PEOPLE = [ALICE, 'Dave@Example.com', 'erin@example.com', 'frank@example.com', 'grace@example.com']

/** Everyone who has the demo course, or gets it when they register. */
const served = ({ enrollments, allowances }: State): Set<string> =>
  new Set(
    [...enrollments.filter(({ active }) => active), ...allowances.filter(({ auto_enroll }) => auto_enroll)]
      .filter(({ course }) => course === DEMO)
      .map(({ email }) => email.toLowerCase()),
  )

describe('SIGKILL loses nothing that was accepted', { concurrency: 3 }, () => {
  test('killed between accepting and enrolling, the next start enrolls the person once', async (t) => {
    const folder = temporaryFolder(t)
    const lms = await startHoldingLms(t)
    await lms.faults([{ method: 'POST', path: BULK, delayMs: 1, drop: 'before', times: 1 }])
    const first = await startServe({ t, folder, lmsUrl: lms.url })
    const answer = sell({ url: first.url, email: ALICE })
    await lms.arrived
    first.child.kill('SIGKILL')
    assert.equal((await first.ended).signal, 'SIGKILL')
    assert.equal(await answer, null)
    lms.release()
    assert.deepEqual(served(await lms.state()), new Set())

    const second = await startServe({ t, folder, lmsUrl: lms.url })
    const found = await second.logged(({ msg }) => msg.startsWith('continuing with deliveries'))
    assert.equal(found.deliveries, 1)
    const { delivery } = await second.logged(({ event }) => event === 'enrolled')
    const { enrollments } = await lms.state()
    assert.deepEqual(
      enrollments.filter(({ email }) => email === ALICE),
      [{ email: ALICE, course: DEMO, mode: 'audit', active: true }],
    )
    // An attempt may have taken effect, so the service reads the person's state, then enrolls by the single API.
    const done = (await lms.calls()).filter(
      ({ method, path, status }) => method === 'POST' && [BULK, ENROLLMENT].includes(path) && status === 200,
    )
    assert.deepEqual(
      done.map(({ count }) => count),
      [1],
    )
    assert.deepEqual(await storedDeliveries(folder), [{ id: delivery, email: ALICE, state: 'enrolled', attempts: 0 }])
  })

  test('killed after the LMS enrolled and before the result was stored, the next start settles it without a second row', async (t) => {
    const folder = temporaryFolder(t)
    const lms = await startHoldingLms(t)
    await lms.faults([{ method: 'POST', path: BULK, delayMs: 1, times: 1 }])
    const first = await startServe({ t, folder, lmsUrl: lms.url })
    const answer = sell({ url: first.url, email: ALICE })
    await lms.arrived
    first.child.kill('SIGSTOP') // asleep, so that it can't read the answer
    lms.release()
    await until('the effect', async () => served(await lms.state()).has(ALICE) || undefined)
    first.child.kill('SIGKILL')
    await first.ended
    assert.equal(await answer, null)
    const before = await lms.state()

    const second = await startServe({ t, folder, lmsUrl: lms.url })
    const { delivery } = await second.logged(({ event }) => event === 'enrolled')
    assert.deepEqual(await lms.state(), before)
    assert.deepEqual(await storedDeliveries(folder), [{ id: delivery, email: ALICE, state: 'enrolled', attempts: 0 }])
  })

  test('killed at any moment under load, every accepted buyer has the course after the next start', async (t) => {
    const folder = temporaryFolder(t)
    const lms = await startLms(t, { cost: 'measured', bulk: false, modify: false }) // one person a call, so that it takes a second
    const first = await startServe({ t, folder, lmsUrl: lms.url })
    const accepted: string[] = []
    const sender = async (number: number): Promise<void> => {
      const buyers = [1, 2, 3].map((sale) => `buyer${number}.${sale}@example.com`)
      for (const email of [...PEOPLE.slice(number, number + 1), ...buyers]) {
        const answered = await sell({ url: first.url, email })
        if (answered !== null && (answered.status < 300 || answered.status === 500)) accepted.push(email)
      }
    }
    const senders = Array.from({ length: 10 }, (_, number) => sender(number))
    const line = randomInt(1, 60) // the deliveries' log has at least 60
    const moment = `killed at line ${line} of the deliveries' log`
    await first.logged(() => first.log().filter(({ delivery }) => delivery !== undefined).length >= line)
    first.child.kill('SIGKILL')
    await Promise.all([...senders, first.ended])
    const stored = (await storedDeliveries(folder)).map(({ email }) => email ?? '')
    assert.ok(stored.length > 0, moment)
    assert.deepEqual(missing(accepted, new Set(stored)), [], moment)

    await startServe({ t, folder, lmsUrl: lms.url })
    await until('the end of the work', async () => {
      const rows = await storedDeliveries(folder)
      return rows.every(({ state }) => isDone(state)) || undefined
    })
    assert.deepEqual(missing(stored, served(await lms.state())), [], moment)
  })
})

const missing = (emails: readonly string[], there: ReadonlySet<string>): string[] =>
  emails.filter((email) => !there.has(email.toLowerCase()))
