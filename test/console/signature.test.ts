import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { after, describe, test } from 'node:test'
import { examine } from '../../src/shop/signature/examine.ts'
import { sign } from '../../src/shop/signature/signature.ts'
import { SECRET } from '../harness.ts'
import { signStandard } from '../shop/signature/sign-standard.ts'
import { operator, startWithConsole } from './harness.ts'

const PREVIOUS = `whsec_${Buffer.from('the key of the shop, in bytes').toString('base64')}`
const AT = 1_760_000_000
const ID = 'msg_1'
const body = '{"b": 1, "a": "ä"}'
const header = (text: string, secret = SECRET): string => createHmac('sha256', secret).update(text).digest('hex')
const standard = (secret = SECRET, timestamp = AT): string => signStandard({ id: ID, timestamp, body, secret })
const look = (given: Partial<Parameters<typeof examine>[0]>) =>
  examine({ body, header: '', id: '', timestamp: '', secrets: [SECRET, PREVIOUS], now: AT * 1000, ...given })
const lookStandard = (given: Partial<Parameters<typeof examine>[0]>) =>
  look({ id: ID, timestamp: String(AT), header: standard(), ...given })

describe('examine', () => {
  for (const form of ['raw', 'original', 'readme', 'original_utf8', 'readme_utf8'] as const) {
    test(`names the form ${form}`, () => {
      const { match, fault } = look({ header: sign({ body, form, secret: SECRET }) })
      assert.deepEqual({ match, fault }, { match: { form, previousSecret: false }, fault: null })
    })
  }

  test('names the previous secret', () => {
    assert.deepEqual(look({ header: header(body, PREVIOUS) }).match, { form: 'raw', previousSecret: true })
    assert.deepEqual(lookStandard({ header: standard(PREVIOUS) }).match, { form: 'standard', previousSecret: true })
  })

  test('an X-Lernito-Signature beside a webhook-id is judged as the service does', () => {
    const { match, fault } = lookStandard({ header: header(body) })
    assert.deepEqual({ match, fault }, { match: { form: 'raw', previousSecret: false }, fault: null })
  })

  test('line breaks of a text field are read as LF', () => {
    const pasted = '{\r\n "a": 1\r\n}'
    assert.notEqual(look({ body: pasted, header: header('{\n "a": 1\n}') }).match, null)
  })

  test('a header that is no signature is named', () => {
    for (const wrong of ['', `sha256=${header(body)}`, header(body).toUpperCase()]) {
      assert.deepEqual([look({ header: wrong }).match, look({ header: wrong }).fault], [null, 'not_hex'])
    }
  })

  const faults = {
    webhook_id: { id: 'a b' },
    timestamp: { timestamp: `${AT}000` },
    signature_format: { header: standard().slice('v1,'.length) },
    signature: { header: `v1,${'A'.repeat(43)}=` },
    too_old: { now: (AT + 301) * 1000 },
    too_new: { now: (AT - 301) * 1000 },
  }
  for (const [fault, given] of Object.entries(faults)) {
    test(`Standard Webhooks: ${fault} is named, with the text that the shop must sign`, () => {
      const { match, fault: found, texts } = lookStandard(given)
      assert.deepEqual([match, found], [null, fault])
      const [id, timestamp] = ['id' in given ? given.id : ID, 'timestamp' in given ? given.timestamp : AT]
      assert.deepEqual(texts, [{ form: 'standard', text: `${id}.${timestamp}.${body}`, differsAt: null }])
    })
  }

  test('a mismatch lists the texts that the shop can sign, with the first difference of each', () => {
    const { match, texts } = look({ header: header('something else') })
    assert.equal(match, null)
    assert.deepEqual(texts, [
      { form: 'original', text: '{"a":"\\u00e4","b":1}', differsAt: 2 },
      { form: 'readme', text: '{"a": "\\u00e4", "b": 1}', differsAt: 2 },
      { form: 'original_utf8', text: '{"a":"ä","b":1}', differsAt: 2 },
      { form: 'readme_utf8', text: '{"a": "ä", "b": 1}', differsAt: 2 },
    ])
    const same = look({ body: '{"a":1}', header: header('x') }).texts
    assert.deepEqual(
      same.map(({ form, differsAt }) => [form, differsAt]),
      [
        ['original', null],
        ['readme', 5],
      ],
    )
  })

  test('reports why a body is not JSON, and still matches its bytes', () => {
    const { match, notJson, texts } = look({ body: '{', header: header('{') })
    assert.deepEqual(match, { form: 'raw', previousSecret: false })
    assert.match(notJson ?? '', /^Expecting property name/)
    assert.deepEqual(texts, [])
  })

  test('the result contains no secret and no signature', () => {
    const right = sign({ body, form: 'original', secret: SECRET })
    const given = JSON.stringify([look({}), look({ header: right }), look({ header: header('x') }), lookStandard({})])
    for (const secret of [SECRET, PREVIOUS, right, right.slice(0, 16), header(body), standard().slice(3, 20)])
      assert.ok(!given.includes(secret))
  })
})

describe('the page', async () => {
  const product = await startWithConsole()
  after(() => product.stop())
  const someone = await operator(product)

  test('shows that a signature is valid, and which text it signs', async () => {
    const seen = await someone.send('/signature', { body, header: sign({ body, form: 'readme', secret: SECRET }) })
    assert.equal(seen.status, 200)
    assert.match(seen.text, /The signature is valid/)
    assert.match(seen.text, /a space after each comma and colon/)
  })

  test('shows where the texts differ, escaped, and never the valid signature', async () => {
    const nasty = '{"a": "</pre><script>alert(1)</script>"}'
    const seen = await someone.send('/signature', { body: nasty, header: '"><script>alert(2)</script>' })
    assert.match(seen.text, /The signature is refused/)
    assert.match(seen.text, /at character 6/)
    assert.ok(!seen.text.includes('<script>alert'))
    for (const form of ['raw', 'original', 'readme'] as const) {
      assert.ok(!seen.text.includes(sign({ body: nasty, form, secret: SECRET })))
    }
  })

  test('a signature with spaces around it is the same one, as in HTTP', async () => {
    const seen = await someone.send('/signature', {
      body,
      header: ` ${sign({ body, form: 'readme', secret: SECRET })} `,
    })
    assert.match(seen.text, /The signature is valid/)
  })

  test('a line break at the end that was signed and not sent, or sent and not signed, is named', async () => {
    const missing = await someone.send('/signature', { body, header: header(`${body}\n`) })
    assert.match(missing.text, /right for this body with a line break at its end/)
    const extra = await someone.send('/signature', { body: `${body}\n`, header: header(body) })
    assert.match(extra.text, /right for this body without the line break at its end/)
    assert.ok(!missing.text.includes('its secret differs') && !extra.text.includes('its secret differs'))
  })

  test('such a line break is named however long ago the webhook was signed', async () => {
    const ask = (pasted: string, signed: string) => {
      const signature = signStandard({ id: ID, timestamp: AT, body: signed, secret: SECRET })
      return someone.send('/signature', { body: pasted, header: signature, id: ID, timestamp: String(AT) })
    }
    assert.match((await ask(body, `${body}\n`)).text, /right for this body with a line break at its end/)
    assert.match((await ask(`${body}\n`, body)).text, /right for this body without the line break at its end/)
  })

  test('the secret is suspected only if the signature itself is wrong', async () => {
    const suspects = async (fields: Record<string, string>): Promise<boolean> =>
      (await someone.send('/signature', fields)).text.includes('its secret differs')
    assert.equal(await suspects({ body, header: header('something else') }), true)
    const old = { body, header: standard(), id: ID, timestamp: String(AT) }
    assert.equal(await suspects(old), false, 'too old')
    assert.equal(await suspects({ ...old, id: '' }), false, 'no webhook-id')
    assert.equal(await suspects({ body: '{', header: header('x') }), false, 'no JSON')
  })

  test('accepts a body as large as that of a webhook', async () => {
    const large = JSON.stringify({ name: 'ä'.repeat(30_000) })
    const seen = await someone.send('/signature', {
      body: large,
      header: sign({ body: large, form: 'raw', secret: SECRET }),
    })
    assert.equal(seen.status, 200)
    assert.match(seen.text, /The signature is valid/)
  })

  test('judges the headers of Standard Webhooks, escaped, and never shows the valid signature', async () => {
    const now = Math.floor(Date.now() / 1000)
    const ask = (fields: Record<string, string>) =>
      someone.send('/signature', { body, id: ID, timestamp: String(now), header: standard(SECRET, now), ...fields })
    const valid = await ask({})
    assert.match(valid.text, /The signature is valid/)
    assert.match(valid.text, /the id, the time and the body as it is/)
    const wrong = await ask({ id: '"><script>alert(1)</script>', header: 'v1,"><script>alert(2)</script>' })
    assert.match(wrong.text, /The webhook-signature is missing or invalid/)
    assert.ok(!wrong.text.includes('<script>alert'))
    const other = await ask({ header: `v1,${'A'.repeat(43)}=` })
    assert.match(other.text, /no signature matches/)
    for (const { text } of [wrong, other]) assert.ok(!text.includes(standard(SECRET, now)))
  })
})
