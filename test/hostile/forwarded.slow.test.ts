import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Product, startProduct } from '../harness.ts'
import { ROOT } from '../service/process.ts'
import { askRaw, EVERY_LINE, type Header, requestBytes } from './raw.ts'

/** The address in the log for an unsigned webhook from 127.0.0.1 with these headers. */
async function addressSeen(product: Pick<Product, 'log' | 'url'>, values: readonly string[]): Promise<unknown> {
  product.log.splice(0)
  const headers: Header[] = [
    ['Host', 'x'],
    ['Content-Type', 'application/json'],
    ...values.map((value): Header => ['X-Forwarded-For', value]),
    ['Content-Length', '2'],
  ]
  assert.equal((await askRaw({ url: product.url, bytes: requestBytes({ headers, body: '{}' }) })).status, 401)
  return product.log.find(({ msg }) => msg === 'webhook refused')?.ip
}

const CASES: readonly { proxies: string; seen: Readonly<Record<string, string>> }[] = [
  { proxies: '0', seen: { '': '127.0.0.1', '203.0.113.5': '127.0.0.1', '10.0.0.1, 203.0.113.5': '127.0.0.1' } },
  {
    proxies: '1',
    seen: {
      '': '127.0.0.1',
      '203.0.113.5': '203.0.113.5',
      '10.0.0.1, 203.0.113.5': '203.0.113.5',
      '127.0.0.1, 203.0.113.5': '203.0.113.5',
      '2001:db8::5': '2001:db8::5',
      '::ffff:203.0.113.5': '203.0.113.5',
      '::FFFF:cb00:7105': '203.0.113.5',
      '203.0.113.5, ': '203.0.113.5',
    },
  },
  {
    proxies: '2',
    seen: { '203.0.113.5': '203.0.113.5', '1.1.1.1, 203.0.113.5, 10.0.0.1': '203.0.113.5' },
  },
  {
    proxies: '127.0.0.0/8,10.0.0.1',
    seen: {
      '203.0.113.5': '203.0.113.5',
      '203.0.113.5, 10.0.0.1': '203.0.113.5',
      '10.0.0.1, 203.0.113.5, 10.0.0.1': '203.0.113.5',
      '203.0.113.5, 10.0.0.2': '10.0.0.2',
      '::ffff:203.0.113.5, ::ffff:10.0.0.1': '203.0.113.5',
    },
  },
  { proxies: '192.0.2.1', seen: { '203.0.113.5': '127.0.0.1', '203.0.113.5, 192.0.2.1': '127.0.0.1' } },
]
const NO_ADDRESSES = [
  'unknown',
  '203.0.113.5:4711',
  '[2001:db8::5]',
  '1.2.3',
  '"x"',
  "<script>'",
  'a'.repeat(4000),
  '\xe9',
]

for (const { proxies, seen } of CASES) {
  test(`LERNITO_TRUSTED_PROXIES=${proxies}: X-Forwarded-For counts only as far as proxies are trusted`, async (t) => {
    const product = await startProduct({ env: { ...EVERY_LINE, LERNITO_TRUSTED_PROXIES: proxies } })
    t.after(() => product.stop())
    for (const [value, address] of Object.entries(seen)) {
      assert.equal(await addressSeen(product, value === '' ? [] : [value]), address, value)
      assert.equal(
        await addressSeen(product, value === '' ? [] : value.split(', ')),
        address,
        `${value}, a header each`,
      )
    }
    for (const value of NO_ADDRESSES) assert.equal(await addressSeen(product, [value]), '127.0.0.1', value)
  })
}

test('of X-Forwarded-For, the last 100 addresses are read, so that a long one takes no time', async (t) => {
  const proxies = '127.0.0.1,10.0.0.1'
  const product = await startProduct({ env: { ...EVERY_LINE, LERNITO_TRUSTED_PROXIES: proxies } })
  t.after(() => product.stop())
  const behind = (count: number): string => ['203.0.113.5', ...Array(count).fill('10.0.0.1')].join(',')
  assert.equal(await addressSeen(product, [behind(99)]), '203.0.113.5')
  assert.equal(await addressSeen(product, [behind(100)]), '10.0.0.1')
})

test('who sends by IPv4 to a socket for both kinds of addresses is known by the IPv4 address, and trusted by it', async (t) => {
  for (const proxies of ['0', '127.0.0.1', '::ffff:127.0.0.1']) {
    const product = await startProduct({ env: { ...EVERY_LINE, LERNITO_HOST: '::', LERNITO_TRUSTED_PROXIES: proxies } })
    t.after(() => product.stop())
    const ipv4 = { log: product.log, url: `http://127.0.0.1:${new URL(product.url).port}` }
    assert.equal(await addressSeen(ipv4, []), '127.0.0.1', proxies)
    const forwarded = proxies === '0' ? '127.0.0.1' : '203.0.113.5'
    assert.equal(await addressSeen(ipv4, ['203.0.113.5']), forwarded, proxies)
    product.log.splice(0)
    assert.equal((await askRaw({ ...ipv4, bytes: Buffer.from('nonsense\r\n\r\n') })).status, 400)
    assert.deepEqual(
      product.log.flatMap(({ ip }) => ip ?? []), // a line about something else has none
      ['127.0.0.1'],
      'what no route gets',
    )
  }
})

test('no address is made from what a request says of its host or protocol', () => {
  const files = globSync('src/**/*.ts', { cwd: ROOT })
  const wrong = files.filter((file) =>
    /request\.(host|hostname|port|protocol|originalUrl)\b|x-forwarded-(host|proto|port)|headers\.host\b|\['host'\]/i.test(
      readFileSync(join(ROOT, file), 'utf8'),
    ),
  )
  assert.deepEqual(wrong, [])
})
