import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimIds, claimNow, submit } from './claiming.ts'
import { arrival, setUp, succeeded } from './harness.ts'

const quick = { timeout: 30_000 }

test('an abort ends a claim, even if it comes before the claim', quick, async (t) => {
  const bench = await setUp(t)
  const stop = new AbortController()
  const claiming = claimIds(bench, 10, stop.signal)
  await new Promise(setImmediate)
  stop.abort()
  assert.deepEqual(await claiming, [])
  const id = await submit(bench, 'a@x.example')
  assert.deepEqual(await claimIds(bench, 10, stop.signal), [])
  assert.deepEqual(await claimIds(bench), [id])
})

test('nothing is claimed during a pause, and everything after it', quick, async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const bench = await setUp(t)
  bench.inbox.pause()
  const stop = new AbortController()
  const claiming = claimIds(bench, 10, stop.signal)
  const id = await submit(bench, 'a@x.example') // sends the wake-up signal
  await new Promise(setImmediate)
  stop.abort()
  assert.deepEqual(await claiming, [])
  const waiting = claimIds(bench)
  await new Promise(setImmediate)
  bench.inbox.resume()
  assert.deepEqual(await waiting, [id])
})

test('a pause stops a claim in progress', quick, async (t) => {
  const bench = await setUp(t)
  const id = await submit(bench, 'a@x.example')
  const claiming = claimIds(bench)
  bench.inbox.pause()
  await new Promise(setImmediate)
  bench.inbox.resume()
  assert.deepEqual(await claiming, [id])
  await bench.inbox.settle([succeeded(id)])

  const next = await submit(bench, 'a@x.example', 2)
  const stopped = claimNow(bench)
  bench.inbox.pause()
  assert.deepEqual(await stopped, [])
  bench.inbox.resume()
  assert.deepEqual(await claimNow(bench), [next])
})

test('a sender whose webhook is being stored when a pause begins does not wait for the work', quick, async (t) => {
  const bench = await setUp(t)
  const submitted = bench.inbox.submit(arrival(), performance.now() + 60_000)
  bench.inbox.pause() // the group commit has not begun yet
  assert.equal((await submitted).progress, null)
})
