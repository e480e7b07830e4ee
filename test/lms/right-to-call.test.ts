import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HEARTBEAT } from '../../src/lms/apis/heartbeat.ts'
import { type Call, createTransport } from '../../src/lms/client/transport.ts'
import { hang, json, startScriptedLms } from './scripted-lms.ts'

const LOST = new Error('the lease ended')
const queued = { authorization: null, queued: true }

async function start(t: Parameters<typeof startScriptedLms>[0], mayCall: () => AbortSignal) {
  const lms = await startScriptedLms(t)
  const calls: Call[] = []
  const url = new URL(lms.url)
  const onCall = (call: Call): void => void calls.push(call)
  const transport = createTransport({
    url,
    concurrency: () => 1,
    mayCall,
    timeoutMs: 5000,
    now: Date.now,
    onCall,
  })
  t.after(() => transport.close())
  return { lms, calls, send: (options = queued) => transport.send(HEARTBEAT, options) }
}

test('without the right to call, nothing is sent, and the slot is free for the next call', {
  timeout: 30_000,
}, async (t) => {
  let right: AbortSignal | null = null
  const { lms, send } = await start(t, () => {
    if (right === null) throw LOST
    return right
  })
  lms.on('GET /heartbeat', json(200, {}))
  await assert.rejects(send(), LOST)
  assert.equal(lms.seen.length, 0)
  right = new AbortController().signal
  assert.equal((await send()).ok, true)
})

test('a call in flight is cut when the right to call ends', { timeout: 30_000 }, async (t) => {
  const ending = new AbortController()
  const { lms, calls, send } = await start(t, () => ending.signal)
  lms.on('GET /heartbeat', hang)
  const sent = send()
  while (lms.seen.length === 0) await new Promise(setImmediate)
  ending.abort(LOST)
  await assert.rejects(sent, LOST)
  assert.equal(calls.at(-1)?.status, null)
})

test('the heartbeat needs no right to call', { timeout: 30_000 }, async (t) => {
  const { lms, send } = await start(t, () => {
    throw LOST
  })
  lms.on('GET /heartbeat', json(200, {}))
  assert.equal((await send({ authorization: null, queued: false })).ok, true)
})
