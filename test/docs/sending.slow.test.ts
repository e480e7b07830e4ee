import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { promisify } from 'node:util'
import { canonicalJson } from '../../src/sale/json/canonical.ts'
import { readJson } from '../../src/sale/json/json.ts'
import { sign } from '../../src/shop/signature/signature.ts'
import { signStandard } from '../../src/shop/signature/standard.ts'
import { exchange, type Product, payload, startProduct } from '../harness.ts'
import { has } from '../package/tools.ts'
import { recordedCases } from '../shop/webhook/recorded-cases.ts'
import { codeBlocks, codes, readDocument, section, tables } from './documents.ts'

const run = promisify(execFile)
const guide = readDocument('docs/reference/sending.md')
const SECRET = 'lernito-sandbox-secret'

/** Each prints the values of X-Lernito-Signature of the bodies in vectors.json, one a line; EXPRESSION is the page's. */
const LANGUAGES = [
  {
    heading: 'Python',
    program: 'python3',
    file: 'sign.py',
    code: `import hashlib, hmac, json
for hex, secret in json.load(open("vectors.json")):
    body = bytes.fromhex(hex)
    print(EXPRESSION)`,
  },
  {
    heading: 'PHP',
    program: 'php',
    file: 'sign.php',
    code: `<?php
foreach (json_decode(file_get_contents('vectors.json')) as [$hex, $secret]) {
    $body = hex2bin($hex);
    echo EXPRESSION, "\\n";
}`,
  },
  {
    heading: 'Node.js',
    program: process.execPath,
    file: 'sign.mjs',
    code: `import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
for (const [hex, secret] of JSON.parse(readFileSync('vectors.json'))) {
  const body = Buffer.from(hex, 'hex')
  console.log(EXPRESSION)
}`,
  },
]

let product: Product
before(async () => {
  product = await startProduct({ env: { LERNITO_WEBHOOK_SECRET: SECRET } })
})
after(() => product.stop())
beforeEach(() => product.lms.reset())

/**
 * The recorded sales that the original plugin accepted. It was sent a signature of their canonical JSON: sent as that,
 * a sale has the same signature over its body as it is.
 */
const golden = recordedCases('lernito-webhook.json')
  .filter(({ response, request }) => response.status === 200 && request.method === 'POST' && request.body !== '')
  .filter(({ request }) => request.headers['content-type']?.startsWith('application/json'))
  .map(({ request }) => {
    const body = canonicalJson(readJson(request.body), { spaces: false, ascii: true })
    return { body, signature: request.headers['x-lernito-signature'] }
  })

const [, expressions = []] = tables(section(readDocument('docs/reference/webhook.md'), '### X-Lernito-Signature'))
for (const { heading, program, file, code } of LANGUAGES) {
  const missing = has(program) || process.env.CI ? false : `no ${program} on this machine`
  test(`X-Lernito-Signature in ${heading} is that of the recorded sales`, { skip: missing }, async () => {
    assert.ok(golden.length > 90)
    const expression = codes(expressions.find(([language]) => language === heading)?.[1] ?? '')[0] ?? ''
    const vectors = golden.map(({ body }) => [Buffer.from(body).toString('hex'), 'lernito-test-secret'])
    writeFileSync(join(product.folder, 'vectors.json'), JSON.stringify(vectors))
    writeFileSync(
      join(product.folder, file),
      code.replace('EXPRESSION', () => expression),
    )
    const { stdout } = await run(program, [file], { cwd: product.folder, timeout: 30_000 })
    assert.deepEqual(
      stdout.trimEnd().split('\n'),
      golden.map(({ signature }) => signature),
    )
  })
}

test('the example of the module does what its comments say', async () => {
  const [code = ''] = codeBlocks(section(guide, '## Sign in tests of your own'), 'js')
  const entry = new URL('../../src/shop/signature/published.ts', import.meta.url)
  const printing = code.replaceAll(
    /^((?:sign|signStandardWebhook|verify)\(.*\)) \/\/.*$/gm,
    'console.log(JSON.stringify($1))',
  )
  const file = join(product.folder, 'module.mjs')
  writeFileSync(file, printing.replace("'lernito-openedx/signature'", JSON.stringify(entry.href)))
  const { stdout } = await run(process.execPath, [file])
  const body = '{"name": "Zoë"}'
  const [headers, ...printed] = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  const timestamp = Number(headers['webhook-timestamp'])
  assert.ok(Math.abs(Date.now() / 1000 - timestamp) < 60)
  assert.deepEqual(headers, {
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signStandard({ id: 'msg_1', timestamp, body, secret: 'the-secret' }),
  })
  assert.deepEqual(printed, [
    sign({ body, secret: 'the-secret', form: 'raw' }),
    sign({ body, secret: 'the-secret', form: 'original' }),
    { form: 'raw', secretIndex: 0 },
  ])
  const forms = [...code.matchAll(/'(original|readme)\w*'/g)].map(([, form]) => form)
  assert.deepEqual(forms, ['original', 'readme'])
})

const sendTo = (email: string, courseId: string) => {
  const body = payload({ email, courseIds: [courseId] })
  const signature = sign({ body, form: 'raw', secret: SECRET })
  const headers = { 'content-type': 'application/json', 'x-lernito-signature': signature }
  return exchange({ url: product.webhook, headers, body })
}

const [trials = []] = tables(section(guide, '## Try each answer'))
for (const [email = '', course = '', answer = ''] of trials) {
  test(`${codes(email)} buying ${codes(course)} is answered ${answer}`, async () => {
    const { status, text } = await sendTo(codes(email)[0] ?? '', codes(course)[0] ?? '')
    assert.equal(`${status} \`${JSON.parse(text).message}\``, answer)
  })
}

test('the table of answers has every status that the contract has', () => {
  assert.equal(trials.length, 5)
  const [rows = []] = tables(section(guide, '## Act on the answer'))
  const [contract = []] = tables(section(readDocument('docs/reference/webhook.md'), '## Answers'))
  const told = rows.flatMap(([status = '']) => status.match(/\b\d{3}\b/g) ?? [])
  assert.deepEqual(
    contract.map(([status = '']) => status).filter((status) => !told.includes(status)),
    [],
  )
})
