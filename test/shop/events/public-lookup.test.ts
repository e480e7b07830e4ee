import assert from 'node:assert/strict'
import type { LookupAddress, LookupOptions } from 'node:dns'
import { test } from 'node:test'
import { isPrivateAddress } from '../../../src/service/lib/network.ts'
import { publicLookup, type Resolve } from '../../../src/service/lib/outgoing-call.ts'
import { createPoster } from '../../../src/shop/events/post-event.ts'
import { EVENTS_SECRET, PLAIN, startReceiver } from './receiver.ts'

const PRIVATE = [
  ...['127.0.0.1', '127.255.255.254', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1', '169.254.169.254'],
  ...['100.64.0.1', '0.0.0.0', '192.0.0.8', '198.18.0.1', '224.0.0.1', '240.0.0.1', '255.255.255.255'],
  ...['::1', '::', 'fc00::1', 'fd12:3456::1', 'fe80::1', 'fe80::1%eth0', 'ff02::1', '2001:db8::1'],
  ...[
    '::ffff:127.0.0.1',
    '::ffff:a00:1',
    '::127.0.0.1',
    '64:ff9b::10.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '2002:c0a8:101::1',
  ],
  ...['192.88.99.1', '::ffff:0:8.8.8.8', '64:ff9b:1::8.8.8.8', '100::1', '100:0:0:1::1', '3fff:fff::1', '5f00::1'],
  ...['nonsense', ''],
]
const PUBLIC = [
  ...['8.8.8.8', '172.15.0.1', '172.32.0.1', '100.128.0.1', '192.169.0.1', '223.255.255.255'],
  ...['2606:4700::1111', '::ffff:8.8.8.8', '64:ff9b::8.8.8.8', '2002:808:808::1'],
  ...['192.88.98.1', '192.88.100.1', '64:ff9b:2::1', '100:0:0:2::1', '4000::1', '3fff:1000::1', '5eff::1', '5f01::1'],
]

test('addresses of private networks and of special use are private, in every notation', () => {
  assert.deepEqual(
    PRIVATE.filter((ip) => !isPrivateAddress(ip)),
    [],
  )
  assert.deepEqual(PUBLIC.filter(isPrivateAddress), [])
})

const resolving = (addresses: readonly LookupAddress[]) =>
  ((_hostname: string, _options: LookupOptions, callback: (error: null, found: readonly LookupAddress[]) => void) =>
    callback(null, addresses)) as Resolve

const look = (addresses: readonly LookupAddress[], all = true): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const lookup = publicLookup(new URL('https://shop.example'), resolving(addresses))
    lookup('shop.example', { all }, (error, found, family) =>
      error === null ? resolve([found, family]) : reject(error),
    )
  })

test('a host name with a public address is looked up, and one with any private address is refused', async () => {
  const open = { address: '8.8.8.8', family: 4 }
  assert.deepEqual(await look([open]), [[open], undefined])
  assert.deepEqual(await look([open], false), ['8.8.8.8', 4])
  for (const address of ['127.0.0.1', '169.254.169.254', '::1', '::ffff:10.0.0.1']) {
    const found = { address, family: address.includes(':') ? 6 : 4 }
    await assert.rejects(look([open, found]), new RegExp(`shop.example resolves to the private address ${address}`))
  }
})

test('an event goes to a private address that the setting names, and to no name that resolves to one', async (t) => {
  const receiver = await startReceiver(t)
  const resolve = resolving([{ address: '127.0.0.1', family: 4 }])
  const post = async (url: string) => {
    const of = { secret: EVENTS_SECRET, now: Date.now, resolve }
    const poster = createPoster({ url, ...of })
    t.after(poster.close)
    return poster.post({ id: '01KGA000000000000000000001', body: BODY }, new AbortController().signal)
  }
  assert.deepEqual(await post(receiver.url), { kind: 'sent', status: 204 })
  assert.deepEqual(await post(receiver.url.replace('127.0.0.1', 'localhost')), { kind: 'sent', status: 204 })
  const named = await post(receiver.url.replace('127.0.0.1', 'shop.example'))
  assert.equal(named.kind, 'failed')
  assert.match('message' in named ? named.message : '', /shop\.example resolves to the private address 127\.0\.0\.1/)
  assert.equal(receiver.got.length, 2)
})

const BODY = JSON.stringify({
  type: 'delivery.enrolled',
  timestamp: '2026-01-31T12:00:00.000Z',
  sequence: 1,
  data: { id: 'x', state: 'enrolled', courses: [], ...PLAIN },
})
