import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimIds, claimNow, submit } from './claiming.ts'
import { setUp, succeeded } from './harness.ts'

const quick = { timeout: 5000 }

test('an abort ends the taking, also one from before', quick, async (t) => {
  const bench = await setUp(t)
  const stop = new AbortController()
  const taking = claimIds(bench, 10, stop.signal)
  await new Promise(setImmediate)
  stop.abort()
  assert.deepEqual(await taking, [])
  const id = await submit(bench, 'a@x.example')
  assert.deepEqual(await claimIds(bench, 10, stop.signal), [])
  assert.deepEqual(await claimIds(bench), [id])
})

test('nothing is handed out during a pause, and everything after it', quick, async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const bench = await setUp(t)
  bench.inbox.pause()
  const stop = new AbortController()
  const taking = claimIds(bench, 10, stop.signal)
  const id = await submit(bench, 'a@x.example') // rings
  await new Promise(setImmediate)
  stop.abort()
  assert.deepEqual(await taking, [])
  const waiting = claimIds(bench)
  await new Promise(setImmediate)
  bench.inbox.resume()
  assert.deepEqual(await waiting, [id])
})

test('a pause also stops one who is just taking', quick, async (t) => {
  const bench = await setUp(t)
  const id = await submit(bench, 'a@x.example')
  const taking = claimIds(bench)
  bench.inbox.pause()
  await new Promise(setImmediate)
  bench.inbox.resume()
  assert.deepEqual(await taking, [id])
  await bench.inbox.settle([succeeded(id)])

  const next = await submit(bench, 'a@x.example', 2)
  const stopped = claimNow(bench)
  bench.inbox.pause()
  assert.deepEqual(await stopped, [])
  bench.inbox.resume()
  assert.deepEqual(await claimNow(bench), [next])
})
