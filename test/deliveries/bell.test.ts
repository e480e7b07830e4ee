import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createBell } from '../../src/deliveries/bell.ts'

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
  setFlagsFromString('--expose-gc')
  const gc: unknown = runInNewContext('gc')
  assert(typeof gc === 'function')
  const bell = createBell()
  const sleeps = async (): Promise<number> => {
    await Promise.all(Array.from({ length: 5000 }, () => bell.listen()(0, never())))
    gc()
    return process.memoryUsage().heapUsed
  }
  const before = await sleeps()
  const perSleep = ((await sleeps()) - before) / 5000
  assert(perSleep < 100, `${perSleep} bytes are kept for each sleep`)
})
