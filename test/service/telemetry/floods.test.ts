import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFloodLog } from '../../../src/service/telemetry/floods.ts'
import type { RefusalCode } from '../../../src/shop/webhook/receive.ts'

function setUp() {
  const log = createFloodLog({ of: 'webhooks' })
  /** Gives how many of them would have a log line each. */
  const refuse = (ip: string, count: number, code: RefusalCode = 'signature'): number => {
    let singly = 0
    for (let i = 0; i < count; i++) if (!log.refuse({ code, ip })) singly++
    return singly
  }
  return { log, refuse }
}

/** So many different addresses. */
const addresses = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`)

test('a few refusals get a log line each, and the minute has no summary', () => {
  const { log, refuse } = setUp()
  assert.equal(refuse('192.0.2.1', 5), 5)
  assert.equal(refuse('192.0.2.2', 1, 'json'), 1)
  assert.deepEqual(log.endMinute(), [])
})

test('a flood gets one summary a minute for its address, with all of its refusals', () => {
  const { log, refuse } = setUp()
  assert.equal(refuse('192.0.2.1', 200), 5)
  assert.equal(refuse('192.0.2.1', 3, 'json'), 0)
  assert.equal(refuse('192.0.2.2', 1), 1)
  const text = 'refused 203 webhooks from 192.0.2.1 in the last minute: signature 200, json 3'
  assert.deepEqual(log.endMinute(), [{ address: '192.0.2.1', refused: 203, text }])
  assert.deepEqual(log.endMinute(), [])
  assert.equal(refuse('192.0.2.1', 7), 5)
  assert.equal(log.endMinute()[0]?.refused, 7)
})

test('the addresses of one IPv6 network are counted together', () => {
  const { log, refuse } = setUp()
  for (let i = 0; i < 100; i++) refuse(`2001:db8::${i.toString(16)}`, 1)
  const text = 'refused 100 webhooks from 2001:db8:0:0::/64 in the last minute: signature 100'
  assert.deepEqual(log.endMinute(), [{ address: '2001:db8:0:0::/64', refused: 100, text }])
})

test('any number of senders gets at most 100 single lines a minute, and 11 at its end', () => {
  const { log, refuse } = setUp()
  let singly = 0
  for (const [i, ip] of addresses(5000).entries()) singly += refuse(ip, i < 20 ? 200 - i : 2)
  assert.equal(singly, 100)
  const floods = log.endMinute()
  assert.deepEqual(
    floods.map(({ address, refused }) => [address, refused]),
    [...addresses(10).map((ip, i) => [ip, 200 - i]), [null, floods.at(-1)?.refused]],
  )
  const others = 1855 + 4980 * 2 // ten that are not named either, and all who came twice
  assert.equal(
    floods.at(-1)?.text,
    `refused ${others} webhooks from other addresses in the last minute: signature ${others}`,
  )
})

test('200 addresses are counted, and one that floods stays when others come once each', () => {
  const { log, refuse } = setUp()
  refuse('192.0.2.1', 50)
  for (const ip of addresses(3000)) refuse(ip, 1)
  refuse('192.0.2.1', 1)
  const floods = log.endMinute()
  assert.deepEqual([floods[0]?.address, floods[0]?.refused], ['192.0.2.1', 51])
  assert.equal(
    floods.reduce((sum, { refused }) => sum + refused, 0),
    51 + 2905, // 95 of the others had a line each
  )
})

test('each minute has its own 100 single lines', () => {
  const log = createFloodLog({ of: 'webhooks' })
  for (let minute = 0; minute < 3; minute++) {
    const singles = Array.from({ length: 150 }, (_, i) => log.refuse({ code: 'json', ip: `192.0.2.${i}` }))
    assert.equal(singles.filter((isOneOfMany) => !isOneOfMany).length, 100, `minute ${minute}`)
    log.endMinute()
  }
})
