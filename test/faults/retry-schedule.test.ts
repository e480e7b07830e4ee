import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { settlement } from '../../src/enroll/settlement.ts'
import { beginWork, failed, record } from '../../src/enroll/work.ts'
import { openInbox } from '../../src/queue/open-inbox.ts'
import { RETRY_SCHEDULE_MS } from '../../src/queue/retry-schedule.ts'
import { createIds } from '../../src/sale/ids.ts'
import { stateAfter, type VerifiedWebhook } from '../../src/sale/types.ts'
import { DEMO } from '../harness.ts'
import { temporaryFolder } from '../service/process.ts'

const HOUR_MS = 3_600_000
const FAILURE = {
  kind: 'server_error',
  message: 'The LMS failed (500)',
  retryAfterMs: null,
  mayHaveTakenEffect: false,
} as const

const arrival = (name: string): VerifiedWebhook => {
  const request = { email: `${name}@example.com`, name, family: 'B', username: 'c', courseIds: [DEMO] }
  return { digest: name.padEnd(64, '0'), form: 'raw', body: Buffer.from(name), request, reason: null }
}

for (const [random, factor] of [
  [0, 0.9],
  [0.5, 1],
  [1, 1.1],
] as const) {
  test(`a delivery that always fails is attempted by the schedule times ${factor}, never in between, then needs attention`, async (t) => {
    const began = performance.now()
    const start = Date.UTC(2026, 0, 1)
    const clock = { at: start }
    const now = (): number => clock.at
    const signal = AbortSignal.timeout(30_000)
    const { inbox, membership, database } = openInbox({
      url: `sqlite:${join(temporaryFolder(t), 'lernito.db')}`,
      newName: createIds({ now }),
      now,
      random: () => random,
      hasOutbox: false,
      publish: () => {},
      onError: (error) => assert.fail(String(error)),
      onAvailability: () => {},
      onPruned: () => {},
      signal,
    })
    t.after(async () => {
      inbox.close()
      await database.close()
    })
    await membership.enter()
    const { id } = await inbox.submit(arrival('fails'), null)

    /** Claims the due deliveries, which must be only this one, and settles it as failed or done. */
    const work = async (expected: string, fails: boolean) => {
      const [delivery, ...more] = await inbox.claim(10, signal)
      assert.ok(delivery?.request)
      assert.deepEqual([delivery.id, ...more.map((one) => one.id)], [expected])
      const one = beginWork({ delivery, request: delivery.request, courses: [DEMO] })
      record({ work: one, course: DEMO, result: fails ? failed(FAILURE) : { kind: 'done', result: 'allowed' } })
      const settled = settlement({ work: one, now: clock.at, random: () => random })
      await inbox.settle([settled])
      return settled
    }

    const waits: number[] = []
    let last = await work(id, true)
    while (last.dueAt !== null) {
      waits.push(last.dueAt - clock.at)
      clock.at = last.dueAt - 1
      const between = await inbox.submit(arrival(`other${waits.length}`), null)
      await work(between.id, false) // a millisecond before, only the other one is due
      clock.at = last.dueAt
      last = await work(id, true)
    }
    assert.deepEqual(
      waits,
      RETRY_SCHEDULE_MS.map((ms) => Math.round(ms * factor)),
    )
    assert.equal(stateAfter(last), 'needs_attention')
    assert.deepEqual(last.outcome.reason, { code: 'retries.exhausted', subject: FAILURE.message, course: DEMO })
    clock.at += 1000 * HOUR_MS
    const later = await inbox.submit(arrival('later'), null)
    await work(later.id, false)
    const hours = (waits.reduce((sum, ms) => sum + ms, 0) / HOUR_MS).toFixed(1)
    const ms = Math.round(performance.now() - began)
    process.stdout.write(
      `# a delivery that always fails: ${waits.length + 1} attempts in ${hours} hours of the test’s clock, in ${ms} ms\n`,
    )
  })
}
