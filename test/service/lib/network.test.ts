import assert from 'node:assert/strict'
import { test } from 'node:test'
import { networkOf, plainAddress } from '../../../src/service/lib/network.ts'

test('an IPv4 address that is written as an IPv6 address is plain again, and no other text changes', () => {
  for (const ip of ['192.0.2.7', '::ffff:192.0.2.7', '::FFFF:c000:207', '0:0:0:0:0:ffff:192.0.2.7']) {
    assert.equal(plainAddress(ip), '192.0.2.7', ip)
  }
  const others = ['', 'ffff:', '::ffff:192.0.2', '::ffff:0:192.0.2.7', '1::ffff:192.0.2.7', '2001:db8:ffff::1', '::1']
  for (const text of others) assert.equal(plainAddress(text), text)
})

test('an IPv4 address is its own network', () => {
  assert.equal(networkOf('192.0.2.7'), '192.0.2.7')
})

test('the network of an IPv6 address is its first 64 bits, however it is written', () => {
  const written = ['2001:db8:0:7::1', '2001:DB8::7:0:0:0:1', '2001:0db8:0000:0007:ffff:ffff:ffff:ffff']
  for (const ip of [...written, '2001:db8:0:7::192.0.2.7', '2001:db8:0:7:1::%eth0']) {
    assert.equal(networkOf(ip), '2001:db8:0:7::/64', ip)
  }
  assert.equal(networkOf('2001:db8:0:8::1'), '2001:db8:0:8::/64')
  assert.equal(networkOf('fe80::1%lo'), 'fe80:0:0:0::/64')
  assert.equal(networkOf('::1'), '0:0:0:0::/64')
  assert.equal(networkOf('1::'), '1:0:0:0::/64')
})

test('a text that is not an address is unknown, so invented addresses share one network', () => {
  for (const ip of ['', 'example.com', '192.0.2', '192.0.2.7, 192.0.2.8', ':::', '<script>', '1'.repeat(10_000)]) {
    assert.equal(networkOf(ip), 'unknown', ip.slice(0, 30))
  }
})
