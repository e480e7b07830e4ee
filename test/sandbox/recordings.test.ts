import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compare, readRecording, startRecordedWorld } from './recording.ts'

/** Replays the exchanges one after the other. Those without a request prepare the state ('before'). */
async function replay(name: string, lms: Awaited<ReturnType<typeof startRecordedWorld>>): Promise<number> {
  const recording = await readRecording(name)
  let count = 0
  for (const exchange of recording.exchanges) {
    if (!exchange.request && exchange.effect) await lms.seed(exchange.effect)
    if (!exchange.request) continue
    await compare({ response: await lms.send(exchange.request), exchange, url: lms.url })
    count += 1
  }
  if (recording.state_after) assert.deepEqual(await lms.state(), recording.state_after)
  return count
}

for (const [file, count] of [
  ['accounts.json', 12],
  ['bulk-enroll.json', 33],
  ['courses.json', 14],
  ['enrollment-allowed.json', 19],
  ['enrollment-v1.json', 35],
  ['modes-and-inactive.json', 9],
  ['oauth.json', 10],
  ['retired.json', 3],
  ['sequence.json', 400],
] as const) {
  test(`answers as recorded in ${file}`, async () => {
    await using lms = await startRecordedWorld()
    assert.equal(await replay(file, lms), count)
  })
}

test('answers as recorded in bulk-enroll-off.json, where the LMS has no bulk view', async () => {
  await using lms = await startRecordedWorld({ bulk: false })
  assert.equal(await replay('bulk-enroll-off.json', lms), 4)
})
