import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { after, describe, test } from 'node:test'
import { examineStandard } from '../../src/signature/examine-standard.ts'
import { signStandard } from '../../src/signature/standard.ts'
import { SECRET } from '../harness.ts'
import { operator, startWithConsole } from './harness.ts'

const PREFIXED = `whsec_${Buffer.from('the key of the shop, in bytes').toString('base64')}`
const AT = 1_760_000_000
const ID = 'msg_1'
const body = '{"b": 1, "a": "ä"}'
const right = (secret = SECRET, text = body): string => signStandard({ id: ID, timestamp: AT, body: text, secret })

const look = (given: Partial<Parameters<typeof examineStandard>[0]>) =>
  examineStandard({
    body,
    id: ID,
    timestamp: String(AT),
    signature: right(),
    secrets: [SECRET, PREFIXED],
    now: AT * 1000,
    ...given,
  })
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text)

describe('examineStandard', () => {
  test('a right webhook matches as it is, with either secret', () => {
    const accepted = { faults: [], adjustments: [], age: 0, inTime: true }
    assert.deepEqual(look({}), { ...accepted, match: { previousSecret: false } })
    assert.deepEqual(look({ signature: right(PREFIXED) }), { ...accepted, match: { previousSecret: true } })
    const rotated = `v1,${'A'.repeat(43)}= ${right()}`
    assert.deepEqual(look({ signature: rotated }).match, { previousSecret: false })
  })

  const text = `${ID}.${AT}.${body}`
  const bytes = Buffer.from(PREFIXED.slice('whsec_'.length), 'base64')
  const mistakes = {
    no_version: right().slice('v1,'.length),
    hex: `v1,${hmac(SECRET, text).digest('hex')}`,
    body_only: `v1,${hmac(SECRET, body).digest('base64')}`,
    without_id: `v1,${hmac(SECRET, `${AT}.${body}`).digest('base64')}`,
    last_line_break: right(SECRET, `${body}\n`),
    secret_as_text: `v1,${hmac(PREFIXED, text).digest('base64')}`,
    secret_as_base64: `v1,${hmac(Buffer.from(SECRET, 'base64'), text).digest('base64')}`,
    secret_line_break: `v1,${hmac(`${SECRET}\n`, text).digest('base64')}`,
  }
  for (const [mistake, signature] of Object.entries(mistakes)) {
    test(`explains a mismatch caused by ${mistake}`, () => {
      const { match, adjustments } = look({ signature })
      assert.notEqual(match, null)
      assert.deepEqual(adjustments, [mistake])
    })
  }

  test('two mistakes at once are both named', () => {
    const signature = hmac(bytes, body).digest('hex')
    assert.deepEqual(look({ signature }).adjustments, ['no_version', 'hex', 'body_only'])
  })

  test('line breaks of a text field are read as LF, and then as Windows line breaks', () => {
    const pasted = '{\r\n "a": 1\r\n}'
    assert.deepEqual(look({ body: pasted, signature: right(SECRET, '{\n "a": 1\n}') }).adjustments, [])
    assert.deepEqual(look({ body: pasted, signature: right(SECRET, pasted) }).adjustments, ['line_breaks'])
  })

  test('each header that doesn’t have its form is named, and not only the first', () => {
    const { faults, match, age } = look({ id: '', timestamp: `${AT}000`, signature: 'sha256=1' })
    assert.deepEqual(faults, ['webhook_id', 'timestamp', 'signature_format'])
    assert.deepEqual([match, age], [null, null])
    assert.deepEqual(look({ id: 'a b' }).faults, ['webhook_id'])
  })

  test('the age is measured, because the service refuses a right signature that is too old', () => {
    assert.deepEqual([look({ now: (AT + 300) * 1000 }).age, look({ now: (AT + 300) * 1000 }).inTime], [300, true])
    assert.deepEqual([look({ now: (AT + 301) * 1000 }).inTime, look({ now: (AT - 301) * 1000 }).inTime], [false, false])
  })

  test('the result contains no secret and no signature', () => {
    const given = JSON.stringify([look({}), look({ signature: 'x' }), ...Object.values(mistakes).map(() => look({}))])
    for (const secret of [SECRET, PREFIXED, right(), right().slice(3, 20)]) assert.ok(!given.includes(secret))
  })
})

describe('the page', async () => {
  const product = await startWithConsole()
  after(() => product.stop())
  const someone = await operator(product)
  const now = Math.floor(Date.now() / 1000)
  const ask = (fields: Record<string, string>) =>
    someone.send('/signature', { body, id: ID, timestamp: String(now), header: '', ...fields })
  const signed = (timestamp = now): string => signStandard({ id: ID, timestamp, body, secret: SECRET })

  test('shows that a webhook is valid', async () => {
    const { status, text } = await ask({ header: signed() })
    assert.equal(status, 200)
    assert.match(text, /The signature is valid/)
    assert.match(text, /the id, the time and the body as it is/)
    assert.doesNotMatch(text, /in the past/)
  })

  test('shows which part is wrong, escaped, and never the valid signature', async () => {
    const wrong = await ask({ id: '"><script>alert(1)</script>', header: 'v1,"><script>alert(2)</script>' })
    assert.match(wrong.text, /does not match/)
    assert.match(wrong.text, /The webhook-signature is missing or invalid/)
    assert.ok(!wrong.text.includes('<script>alert'))
    const missing = await ask({ id: '', timestamp: '', header: signed() })
    assert.match(missing.text, /The webhook-id is missing or invalid/)
    assert.match(missing.text, /The webhook-timestamp is missing or invalid/)
    const other = await ask({ header: `v1,${'A'.repeat(43)}=` })
    assert.match(other.text, /All three headers have the right form/)
    for (const { text } of [wrong, other]) assert.ok(!text.includes(signed()))
  })

  test('says how old a timestamp is, and keeps the result of the signature', async () => {
    const { text } = await ask({ timestamp: String(now - 3600), header: signed(now - 3600) })
    assert.match(text, /The signature is valid/)
    assert.match(text, /1 h.* in the past now/)
    assert.match((await ask({ timestamp: String(now + 3600), header: signed(now + 3600) })).text, /in the future/)
  })

  test('names the cause if the service refuses the webhook for a mistake that the checker knows', async () => {
    const { text } = await ask({ header: signed().slice(3) })
    assert.match(text, /the cause is known/)
    assert.match(text, /The signature has no version/)
  })
})
