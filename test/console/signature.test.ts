import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { after, describe, test } from 'node:test'
import { examine } from '../../src/signature/examine.ts'
import { sign } from '../../src/signature/signature.ts'
import { SECRET } from '../harness.ts'
import { operator, startWithConsole } from './harness.ts'

const PREVIOUS = 'the-secret-before-it'
const secrets = [SECRET, PREVIOUS]
const body = '{"b": 1, "a": "ä"}'
const hmac = (text: string, secret = SECRET) => createHmac('sha256', secret).update(text)
const header = (text: string, secret = SECRET): string => hmac(text, secret).digest('hex')
const look = (given: { body?: string; header: string }) => examine({ body, secrets, ...given })

describe('examine', () => {
  for (const form of ['raw', 'original', 'readme', 'original_utf8', 'readme_utf8'] as const) {
    test(`names the form ${form}`, () => {
      const { match, adjustments } = look({ header: sign({ body, form, secret: SECRET }) })
      assert.deepEqual({ match, adjustments }, { match: { form, previousSecret: false }, adjustments: [] })
    })
  }

  test('names the previous secret', () => {
    assert.deepEqual(look({ header: header(body, PREVIOUS) }).match, { form: 'raw', previousSecret: true })
  })

  const mistakes = {
    prefix: `sha256=${header(body)}`,
    upper_case: header(body).toUpperCase(),
    white_space: ` ${header(body)}\t`,
    base64: hmac(body).digest('base64'),
    last_line_break: header(`${body}\n`),
    secret_line_break: header(body, `${SECRET}\n`),
  }
  for (const [mistake, value] of Object.entries(mistakes)) {
    test(`explains a mismatch caused by ${mistake}`, () => {
      const { match, adjustments } = look({ header: value })
      assert.deepEqual(
        { match, adjustments },
        { match: { form: 'raw', previousSecret: false }, adjustments: [mistake] },
      )
    })
  }

  test('line breaks of a text field are read as LF, and then as Windows line breaks', () => {
    const pasted = '{\r\n "a": 1\r\n}'
    assert.deepEqual(look({ body: pasted, header: header('{\n "a": 1\n}') }).adjustments, [])
    assert.deepEqual(look({ body: pasted, header: header(pasted) }).adjustments, ['line_breaks'])
  })

  test('a mismatch lists the texts that the shop can sign, with the first difference of each', () => {
    const { match, expected } = look({ header: header('something else') })
    assert.equal(match, null)
    assert.deepEqual(expected, [
      { form: 'original', text: '{"a":"\\u00e4","b":1}', differsAt: 2 },
      { form: 'readme', text: '{"a": "\\u00e4", "b": 1}', differsAt: 2 },
      { form: 'original_utf8', text: '{"a":"ä","b":1}', differsAt: 2 },
      { form: 'readme_utf8', text: '{"a": "ä", "b": 1}', differsAt: 2 },
    ])
    const same = look({ body: '{"a":1}', header: header('x') }).expected
    assert.deepEqual(
      same.map(({ form, differsAt }) => [form, differsAt]),
      [
        ['original', null],
        ['readme', 5],
      ],
    )
  })

  test('reports why a body is not JSON, and still matches its bytes', () => {
    const { match, notJson, expected } = look({ body: '{', header: header('{') })
    assert.deepEqual(match, { form: 'raw', previousSecret: false })
    assert.match(notJson ?? '', /^Expecting property name/)
    assert.deepEqual(expected, [])
  })

  test('the result contains no secret and no signature', () => {
    const right = sign({ body, form: 'original', secret: SECRET })
    const given = JSON.stringify([look({ header: '' }), look({ header: right }), look({ header: header('x') })])
    for (const secret of [SECRET, PREVIOUS, right, right.slice(0, 16), header(body)]) assert.ok(!given.includes(secret))
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
    assert.match(seen.text, /does not match/)
    assert.match(seen.text, /at character 6/)
    assert.ok(!seen.text.includes('<script>alert'))
    for (const form of ['raw', 'original', 'readme'] as const) {
      assert.ok(!seen.text.includes(sign({ body: nasty, form, secret: SECRET })))
    }
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
})
