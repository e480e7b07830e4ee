import assert from 'node:assert/strict'
import { setMaxListeners } from 'node:events'
import { test } from 'node:test'
import { createBell } from '../src/wake-up.ts'
import { bytesKept } from './inbox/memory.ts'

const LONG = 60_000
const never = (): AbortSignal => new AbortController().signal

test('a ring wakes everyone who listens', { timeout: 5000 }, async () => {
  const bell = createBell()
  const sleeping = [bell.listen()(LONG, never()), bell.listen()(LONG, never())]
  bell.ring()
  await Promise.all(sleeping)
})

test('a ring between the listening and the waiting is not missed', { timeout: 5000 }, async () => {
  const bell = createBell()
  const rung = bell.listen()
  bell.ring()
  await rung(LONG, never())
})

test('a ring from before the listening wakes nobody', { timeout: 5000 }, async () => {
  const bell = createBell()
  bell.ring()
  let awake = false
  const sleeping = bell
    .listen()(LONG, never())
    .then(() => {
      awake = true
    })
  await new Promise(setImmediate)
  assert.equal(awake, false)
  bell.ring()
  await sleeping
})

test('a sleeper wakes by itself when the time is up', { timeout: 5000 }, async () => {
  await createBell().listen()(1, never())
})

test('an abort wakes, also one from before the waiting', { timeout: 5000 }, async () => {
  const stop = new AbortController()
  const bell = createBell()
  const sleeping = bell.listen()(LONG, stop.signal)
  stop.abort()
  await sleeping
  await bell.listen()(LONG, stop.signal)
})

test('days of sleeping without a ring leave nothing behind in memory', { timeout: 5000 }, async () => {
  const bell = createBell()
  const signal = never()
  setMaxListeners(0, signal)
  const bytes = await bytesKept(() => bell.listen()(0, signal))
  assert(bytes < 100, `${bytes} bytes are kept for each sleep`)
})
