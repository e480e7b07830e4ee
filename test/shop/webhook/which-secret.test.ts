import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { sign } from '../../../src/shop/signature/signature.ts'
import { type Answered, exchange, type Product, payload, startProduct } from '../../harness.ts'
import { signStandard } from '../signature/sign-standard.ts'
import { receive } from './receive.ts'

/** Services that differ in their secrets alone. */
const SECRETS: Readonly<Record<string, Record<string, string>>> = {
  'one secret': { LERNITO_WEBHOOK_SECRET: 'first-secret-of-a-shop' },
  'another secret': { LERNITO_WEBHOOK_SECRET: 'x'.repeat(200) },
  'two secrets': {
    LERNITO_WEBHOOK_SECRET: 'second-secret-of-a-shop',
    LERNITO_WEBHOOK_SECRET_PREVIOUS: 'first-secret-of-a-shop',
  },
}
const BODY = payload({ email: 'newcomer@example.com' })
const type = 'application/json'
const signed = (secret: string, body = BODY): string => sign({ body, form: 'raw', secret })
const flipped = (signature: string, at: number): string =>
  `${signature.slice(0, at)}${signature[at] === '0' ? '1' : '0'}${signature.slice(at + 1)}`
const ours = signed('first-secret-of-a-shop')

const seconds = (): string => String(Math.floor(Date.now() / 1000))
/** For the time 0, which is too old. */
const OURS = signStandard({ id: 'msg_1', timestamp: 0, body: BODY, secret: 'first-secret-of-a-shop' })
const standard = (timestamp: string): Record<string, string> => ({
  'content-type': type,
  'webhook-id': 'msg_1',
  'webhook-timestamp': timestamp,
  'webhook-signature': OURS,
})

/** What somebody without a secret can send; some guesses are wrong by one digit of what the first service takes. */
const PROBES: Readonly<Record<string, { path?: string; headers: Record<string, string>; body?: string }>> = {
  'an unknown path': { path: '/no/such/path', headers: { 'content-type': type } },
  'an unknown path, signed': { path: '/no/such/path', headers: { 'content-type': type, 'x-lernito-signature': ours } },
  'malformed JSON': { headers: { 'content-type': type }, body: '{"email":' },
  'malformed JSON, signed': {
    headers: { 'content-type': type, 'x-lernito-signature': signed('first-secret-of-a-shop', '{"email":') },
    body: '{"email":',
  },
  'another media type, signed': { headers: { 'content-type': 'text/plain', 'x-lernito-signature': ours } },
  'no signature': { headers: { 'content-type': type } },
  'no hex': { headers: { 'content-type': type, 'x-lernito-signature': 'sha256=1' } },
  'a wrong first digit': { headers: { 'content-type': type, 'x-lernito-signature': flipped(ours, 0) } },
  'a wrong last digit': { headers: { 'content-type': type, 'x-lernito-signature': flipped(ours, 63) } },
  'a webhook-signature without an id': { headers: { 'content-type': type, 'webhook-signature': OURS } },
  'an old webhook-signature': { headers: standard('0') },
  'a wrong webhook-signature': { headers: { ...standard(seconds()), 'webhook-signature': `v1,${'A'.repeat(43)}=` } },
  'a webhook-signature of another time': { headers: { ...standard(seconds()), 'webhook-signature': OURS } },
  'the signature of a secret that nobody has': {
    headers: { 'content-type': type, 'x-lernito-signature': signed('no') },
  },
}

describe('an answer to a sender without a secret', async () => {
  const products: Product[] = []
  for (const env of Object.values(SECRETS)) products.push(await startProduct({ env }))
  after(() => Promise.all(products.map((product) => product.stop())))

  /** All that comes back, without what the clock makes. */
  const ask = async (product: Product, { path, headers, body = BODY }: (typeof PROBES)[string]) => {
    const answered: Answered = await exchange({
      url: path === undefined ? product.webhook : product.url + path,
      headers,
      body,
    })
    const { date: _, ...rest } = answered.headers
    return { ...answered, headers: rest }
  }

  for (const [name, probe] of Object.entries(PROBES)) {
    test(`${name}: it is the same byte for byte with any secrets`, async () => {
      const [first, ...others] = await Promise.all(products.map((product) => ask(product, probe)))
      assert.ok(first !== undefined && others.length === 2 && first.status >= 400 && first.status < 500)
      for (const other of others) assert.deepEqual(other, first)
    })
  }

  test('a signature with a wrong first digit gets the same answer as one with a wrong last digit', async () => {
    const [product] = products
    assert.ok(product)
    const [first, last, none] = ['a wrong first digit', 'a wrong last digit', 'no signature'].map(
      (name) => PROBES[name],
    )
    assert.ok(first && last && none)
    assert.deepEqual(await ask(product, first), await ask(product, last))
    assert.deepEqual(await ask(product, first), await ask(product, none))
    const old = PROBES['an old webhook-signature']
    assert.ok(old)
    assert.deepEqual(await ask(product, first), await ask(product, old))
  })
})

test('a request that is refused before its signature is checked uses no secret', () => {
  const secrets: readonly string[] = new Proxy([], {
    get: () => {
      throw new Error('a secret was looked at')
    },
  })
  const now = 0
  const header = { 'x-lernito-signature': ours }
  const refusals = [
    receive({ headers: { ...header, 'content-type': type }, body: Buffer.from('{"email":'), secrets, now }),
    receive({ headers: { ...header, 'content-type': type }, body: Buffer.from([0xff]), secrets, now }),
    receive({ headers: { ...header, 'content-type': 'text/plain' }, body: Buffer.from(BODY), secrets, now }),
    receive({
      headers: { ...header, 'content-type': type, 'content-encoding': 'gzip' },
      body: Buffer.from(BODY),
      secrets,
      now,
    }),
    receive({ headers: { ...standard('x'), ...header }, body: Buffer.from(BODY), secrets, now }),
    receive({ headers: standard('0'), body: Buffer.from('{"email":'), secrets, now }),
    receive({
      headers: { 'content-type': type, 'x-lernito-signature': 'no hex' },
      body: Buffer.from(BODY),
      secrets,
      now,
    }),
  ]
  assert.deepEqual(
    refusals.map((refusal) => refusal.kind === 'refused' && refusal.status),
    [400, 400, 415, 415, 401, 400, 401],
  )
  const good = { headers: { ...header, 'content-type': type }, body: Buffer.from(BODY), secrets, now }
  assert.throws(() => receive(good), /a secret was looked at/)
})
