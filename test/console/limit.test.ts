import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLimit } from '../../src/console/limit.ts'
import { bytesKept } from '../inbox/memory.ts'

const MINUTE_MS = 60_000
const setUp = () => {
  const clock = { at: Date.UTC(2026, 10, 25) }
  const limit = createLimit({ now: () => clock.at })
  const count = (times: number, origin: (i: number) => Parameters<typeof limit.take>[0]): number =>
    Array.from({ length: times }, (_, i) => limit.take(origin(i))).filter((taken) => taken !== null).length
  return { clock, limit, count }
}

test('a network has six failed sign-ins a minute, all networks together 30', () => {
  const { clock, count } = setUp()
  const both = () => [
    count(10, (i) => ({ ip: `2001:db8::${i}`, browser: null })),
    count(100, (i) => ({ ip: `192.0.2.${i}`, browser: null })),
  ]
  assert.deepEqual(both(), [6, 24])
  clock.at += MINUTE_MS - 1
  assert.deepEqual(both(), [0, 0])
  clock.at += 1
  assert.deepEqual(both(), [6, 24])
})

test('known browsers have as many of their own, whatever their networks have used', () => {
  const { count } = setUp()
  assert.equal(
    count(100, (i) => ({ ip: `192.0.2.${i}`, browser: null })),
    30,
  )
  assert.equal(
    count(10, () => ({ ip: '192.0.2.1', browser: 'one' })),
    6,
  )
  assert.equal(
    count(100, (i) => ({ ip: '192.0.2.1', browser: `b${i}` })),
    24,
  )
})

test('a sign-in that is given back does not count, and costs no later minute anything', () => {
  const { clock, limit, count } = setUp()
  const origin = { ip: '192.0.2.1', browser: null }
  for (let i = 0; i < 100; i++) limit.take(origin)?.giveBack()
  const late = limit.take(origin)
  assert.equal(
    count(10, () => origin),
    5,
  )
  clock.at += MINUTE_MS
  assert.equal(
    count(6, () => origin),
    6,
  )
  late?.giveBack()
  assert.equal(limit.take(origin), null)
})

test('a clock that is set back does not lock anybody out', () => {
  const { clock, count } = setUp()
  const origin = { ip: '192.0.2.1', browser: null }
  assert.equal(
    count(7, () => origin),
    6,
  )
  clock.at -= MINUTE_MS
  assert.equal(
    count(7, () => origin),
    6,
  )
})

test('a million networks in one minute leave nothing in memory', async () => {
  const { limit } = setUp()
  let i = 0
  const addresses = async () => {
    for (let times = 0; times < 100; times++, i++) {
      limit.take({ ip: `2001:db8:${(i >> 16).toString(16)}:${(i & 0xffff).toString(16)}::1`, browser: null })
      limit.take({ ip: `192.0.2.${i % 200}`, browser: null })?.giveBack()
    }
  }
  const kept = await bytesKept(addresses)
  assert.ok(i >= 1_000_000)
  assert.ok(kept < 100, `${kept} bytes for each 100 networks`)
})
