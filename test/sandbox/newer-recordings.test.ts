import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareNewer, readNewer, startNewerWorld, withEffect } from './newer-recording.ts'
import { rows } from './recording.ts'

/** Entries that are not one call but many: test/sandbox/deadlock.test.ts and throttle.test.ts check what they found. */
const ofManyCalls = /^(?:DEADLOCK|THROTTLE|MEASURED)/

async function replay(file: string): Promise<number> {
  await using lms = await startNewerWorld()
  const { exchanges, state_after } = await readNewer(file)
  let count = 0
  for (const exchange of exchanges) {
    const { request, name } = exchange
    if (ofManyCalls.test(name)) continue
    if (!request) {
      await lms.seed(rows.parse({ enrollments: [], allowances: [], ...exchange.effect }))
      continue
    }
    const response = await withEffect(lms, exchange, () => lms.send(request))
    await compareNewer({ response, exchange, url: lms.url })
    count += 1
  }
  assert.deepEqual(await lms.state(), state_after)
  return count
}

test('answers as recorded in enrollments-modify.json', async () => {
  assert.equal(await replay('enrollments-modify.json'), 102)
})

test('answers as recorded in sequence-modify.json, and leaves the recorded state', async () => {
  assert.equal(await replay('sequence-modify.json'), 300)
})
