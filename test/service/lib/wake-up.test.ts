import assert from 'node:assert/strict'
import { setMaxListeners } from 'node:events'
import { test } from 'node:test'
import { createWakeUp } from '../../../src/service/lib/loop.ts'
import { bytesKept } from '../../queue/memory.ts'

const LONG = 60_000
const never = (): AbortSignal => new AbortController().signal

test('a signal wakes everyone who listens', { timeout: 30_000 }, async () => {
  const wakeUp = createWakeUp()
  const sleeping = [wakeUp.listen()(LONG, never()), wakeUp.listen()(LONG, never())]
  wakeUp.wake()
  await Promise.all(sleeping)
})

test('a signal between listening and waiting is not missed', { timeout: 30_000 }, async () => {
  const wakeUp = createWakeUp()
  const woken = wakeUp.listen()
  wakeUp.wake()
  await woken(LONG, never())
})

test('a signal from before the listening wakes nobody', { timeout: 30_000 }, async () => {
  const wakeUp = createWakeUp()
  wakeUp.wake()
  let awake = false
  const sleeping = wakeUp
    .listen()(LONG, never())
    .then(() => {
      awake = true
    })
  await new Promise(setImmediate)
  assert.equal(awake, false)
  wakeUp.wake()
  await sleeping
})

test('a sleeper wakes when its time is up', { timeout: 30_000 }, async () => {
  await createWakeUp().listen()(1, never())
})

test('an abort wakes a sleeper, even if it came before the waiting', { timeout: 30_000 }, async () => {
  const stop = new AbortController()
  const wakeUp = createWakeUp()
  const sleeping = wakeUp.listen()(LONG, stop.signal)
  stop.abort()
  await sleeping
  await wakeUp.listen()(LONG, stop.signal)
})

test('days of sleeping without a signal leave nothing in memory', { timeout: 30_000 }, async () => {
  const wakeUp = createWakeUp()
  const signal = never()
  setMaxListeners(0, signal)
  const bytes = await bytesKept(() => wakeUp.listen()(0, signal))
  assert(bytes < 100, `${bytes} bytes are kept for each sleep`)
})
