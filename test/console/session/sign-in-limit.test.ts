import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSignInLimit } from '../../../src/console/session/sign-in-limit.ts'
import { bytesKept } from '../../queue/memory.ts'

const MINUTE_MS = 60_000
const setUp = () => {
  const clock = { at: Date.UTC(2026, 10, 25) }
  const limit = createSignInLimit({ now: () => clock.at })
  const count = (times: number, origin: (i: number) => Parameters<typeof limit>[0]): number =>
    Array.from({ length: times }, (_, i) => limit(origin(i))).filter((counted) => counted !== null).length
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

test('known browsers have a separate limit of the same size, whatever their networks have used', () => {
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

test('a sign-in that is undone does not count, and does not change the count of a later minute', () => {
  const { clock, limit, count } = setUp()
  const origin = { ip: '192.0.2.1', browser: null }
  for (let i = 0; i < 100; i++) limit(origin)?.()
  const late = limit(origin)
  assert.equal(
    count(10, () => origin),
    5,
  )
  clock.at += MINUTE_MS
  assert.equal(
    count(6, () => origin),
    6,
  )
  late?.()
  assert.equal(limit(origin), null)
})

test('a clock that is set back locks nobody out', () => {
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

test('200,000 networks in one minute leave nothing in memory', async () => {
  const { limit } = setUp()
  let i = 0
  const addresses = async () => {
    for (let times = 0; times < 20; times++, i++) {
      limit({ ip: `2001:db8:${(i >> 16).toString(16)}:${(i & 0xffff).toString(16)}::1`, browser: null })
      limit({ ip: `192.0.2.${i % 200}`, browser: null })?.()
    }
  }
  const kept = await bytesKept(addresses)
  assert.ok(i >= 200_000)
  assert.ok(kept < 100, `${kept} bytes for each 20 networks`)
})
