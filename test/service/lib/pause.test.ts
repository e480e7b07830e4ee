import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pause } from '../../../src/service/lib/loop.ts'

const HOUR_MS = 3_600_000

test('a pause lasts as long as requested', async () => {
  const began = performance.now()
  await pause(20, new AbortController().signal)
  assert.ok(performance.now() - began >= 19)
})

test('the signal ends it without an error, even if it was aborted before', async () => {
  const stop = new AbortController()
  const paused = pause(HOUR_MS, stop.signal)
  stop.abort(new Error('stopped'))
  await paused
  await pause(HOUR_MS, stop.signal)
})
