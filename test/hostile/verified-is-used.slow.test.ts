import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { sign } from '../../src/shop/signature/signature.ts'
import { type Answered, DEMO, exchange, type Product, payload, SECRET, startProduct } from '../harness.ts'
import { storedDeliveries } from '../service/serving.ts'

let product: Product
before(async () => {
  product = await startProduct()
})
after(() => product.stop())
beforeEach(() => product.lms.reset())

const HEADERS = { 'content-type': 'application/json' }
const post = (body: string, signature: string, path = '/api/lernito/webhook/', method = 'POST'): Promise<Answered> =>
  exchange({ url: product.url + path, method, headers: { ...HEADERS, 'x-lernito-signature': signature }, body })
const postSigned = (body: string): Promise<Answered> => post(body, sign({ body, form: 'raw', secret: SECRET }))
const allowed = async (): Promise<string[]> => (await product.lms.state()).allowances.map(({ email }) => email)

/** A text that makes a later JSON.parse in Node 24 wrong, wherever it is called (nodejs/node#63785). */
const POISON = '{"email":[],"\\\\":0}'
const keysAfterwards = (): string[][] =>
  ['{"email":1,"\\u00e9":2}', '{"email":1,"\\n":2}', '{"email":1,"\\u0041bc":2}'].map((text) =>
    Object.keys(JSON.parse(text)),
  )

test('text from an unknown sender does not corrupt JSON that this process reads later, wherever it was posted', async () => {
  for (const [method, path] of [
    ['POST', '/api/lernito/webhook/'],
    ['POST', '/lernito/webhook/'],
    ['PUT', '/api/lernito/webhook/'],
    ['DELETE', '/lernito/webhook/'],
    ['POST', '/nothing'],
    ['PATCH', '/'],
    ['POST', '/healthz'],
    ['POST', '/lernito/console/'],
    ['POST', '/metrics'],
  ] as const) {
    const { status } = await post(POISON, '0'.repeat(64), path, method)
    assert.ok(status >= 300 && status < 500, `${method} ${path} is ${status}`)
    assert.deepEqual(
      keysAfterwards(),
      [
        ['email', 'é'],
        ['email', '\n'],
        ['email', 'Abc'],
      ],
      `${method} ${path}`,
    )
  }
  assert.equal((await postSigned(POISON)).status, 400)
  assert.deepEqual(keysAfterwards(), [
    ['email', 'é'],
    ['email', '\n'],
    ['email', 'Abc'],
  ])
})

// The same sale in other spellings: the signature of the first is valid for all, so they must all mean the same.
const SALE = payload({ email: 'buyer@example.com' })
const CAPTURED = sign({ body: SALE, form: 'original', secret: SECRET })
const rest = SALE.slice(SALE.indexOf(',')) // behind the e-mail, which comes first
const SPELLINGS: Readonly<Record<string, string>> = {
  'another e-mail before it': `{"email":"thief@example.com",${SALE.slice(1)}`,
  'another e-mail before it, its key escaped': `{"\\u0065mail":"thief@example.com",${SALE.slice(1)}`,
  'every letter of the key escaped': `{"\\u0065\\u006D\\u0061\\u0069\\u006c":"buyer@example.com"${rest}`,
  'the value escaped': `{"email":"\\u0062uyer\\u0040example.com"${rest}`,
  'other courses before the last': `{"courseIds":["course-v1:No+Such+Course"],${SALE.slice(1)}`,
  'an e-mail that is no text before the last': `{"email":{"a":[1,2,{"email":"thief@example.com"}]},${SALE.slice(1)}`,
  '6,000 other e-mails before it': `{${'"email":"t@e.xx",'.repeat(3_500)}${SALE.slice(1)}`,
}
for (const [name, body] of Object.entries(SPELLINGS)) {
  test(`${name}: a captured signature verifies only for the captured sale`, async () => {
    const first = await post(SALE, CAPTURED)
    await product.lms.reset()
    const answered = await post(body, CAPTURED)
    assert.equal(answered.status, 200, answered.text)
    assert.equal(answered.headers['x-lernito-delivery'], first.headers['x-lernito-delivery'])
    assert.deepEqual(await allowed(), ['buyer@example.com'])
  })
}

const ALTERED: Readonly<Record<string, string>> = {
  'another e-mail behind it': `${SALE.slice(0, -1)},"email":"thief@example.com"}`,
  'another e-mail behind it, its key escaped': `${SALE.slice(0, -1)},"\\u0065mail":"thief@example.com"}`,
  __proto__: `{"__proto__":{"email":"thief@example.com"},${SALE.slice(1)}`,
  'an escaped __proto__': `{"\\u005f_proto__":{"email":"thief@example.com"},${SALE.slice(1)}`,
  'constructor.prototype': `{"constructor":{"prototype":{"email":"thief@example.com"}},${SALE.slice(1)}`,
  toString: `{"toString":null,${SALE.slice(1)}`,
  'a key in other letters': `{"Email":"thief@example.com",${SALE.slice(1)}`,
  'a key with a NUL': `{"email\\u0000":"thief@example.com",${SALE.slice(1)}`,
  'a key of a whole number': `{"0":"thief@example.com",${SALE.slice(1)}`,
  'a compatible letter in the key': `{"\uff45mail":"thief@example.com",${SALE.slice(1)}`,
}
for (const [name, body] of Object.entries(ALTERED)) {
  test(`${name}: a captured signature does not verify`, async () => {
    const { status, text } = await post(body, CAPTURED)
    assert.deepEqual([status, text], [401, '{"success":false,"message":"Invalid signature"}'])
    assert.deepEqual(await allowed(), [])
  })

  test(`${name}: signed by the shop, the fields are exactly those of the signed text`, async () => {
    const { status } = await postSigned(body)
    assert.equal(status, 200)
    const last = name.includes('behind it') ? 'thief@example.com' : 'buyer@example.com'
    assert.deepEqual(await allowed(), [last])
    assert.equal(Reflect.get({}, 'email'), undefined)
  })
}

test('fields that exist only on a prototype are missing', async () => {
  for (const key of ['__proto__', 'constructor']) {
    const answered = await postSigned(`{"${key}":${SALE}}`)
    assert.equal(answered.status, 400)
    assert.deepEqual(Object.keys(JSON.parse(answered.text).message), [
      'name',
      'family',
      'username',
      'email',
      'courseIds',
    ])
  }
})

test('integers as keys, in any order and number, do not change other fields', async () => {
  const numbers = Array.from({ length: 4_000 }, (_, n) => `"${(n * 7919) % 4001}":"thief@example.com"`)
  const half = numbers.length / 2
  const body = `{${numbers.slice(0, half).join()},${SALE.slice(1, -1)},${numbers.slice(half).join()}}`
  // This would exceed the limit of a body, so the values are shorter.
  const short = body.replaceAll('thief@example.com', 't')
  assert.equal((await post(short, sign({ body: short, form: 'original', secret: SECRET }))).status, 200)
  assert.deepEqual(await allowed(), ['buyer@example.com'])
})

test('the stored delivery is what was verified: the body to the byte, and the fields that were read from it', async () => {
  const body = ` {"email" : "kept@example.com", "courseIds":["${DEMO}"],"name":"\\u0041","family":"F","username":"u","n":1.00} `
  const answered = await postSigned(body)
  assert.equal(answered.status, 200)
  const rows = await storedDeliveries(product.folder)
  assert.ok(rows.some(({ email, id }) => email === 'kept@example.com' && id === answered.headers['x-lernito-delivery']))
})
