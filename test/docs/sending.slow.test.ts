import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { promisify } from 'node:util'
import { z } from 'zod'
import { canonicalJson } from '../../src/sale/json/canonical.ts'
import { readJson } from '../../src/sale/json/json.ts'
import { sign } from '../../src/shop/signature/signature.ts'
import { signStandard } from '../../src/shop/signature/standard.ts'
import { DEMO, exchange, type Product, payload, startProduct } from '../harness.ts'
import { has } from '../package/tools.ts'
import { until } from '../service/process.ts'
import { recordedCases } from '../shop/webhook/recorded-cases.ts'
import { codeBlocks, codes, readDocument, section, tables } from './documents.ts'

const run = promisify(execFile)
const guide = readDocument('docs/reference/sending.md')
const SECRET = 'lernito-sandbox-secret'

interface Language {
  readonly heading: string
  readonly block: string
  readonly program: string
  readonly file: string
  /** Prints the signatures of the webhooks in vectors.json, one a line, each body as its bytes in hex. */
  readonly signAll: string
  /** The same with X-Lernito-Signature. */
  readonly signAllLernito: string
}

const LANGUAGES: readonly Language[] = [
  {
    heading: 'Python',
    block: 'python',
    program: 'python3',
    file: 'sell.py',
    signAll: `for hex, key, name, at in json.load(open("vectors.json")): print(sign(bytes.fromhex(hex), key, name, at))`,
    signAllLernito: `import json
for hex, key in json.load(open("vectors.json")): print(sign(bytes.fromhex(hex), key))`,
  },
  {
    heading: 'PHP',
    block: 'php',
    program: 'php',
    file: 'sell.php',
    signAll: `foreach (json_decode(file_get_contents('vectors.json')) as [$hex, $key, $id, $at])
  echo sign(hex2bin($hex), $key, $id, $at), "\\n";`,
    signAllLernito: `foreach (json_decode(file_get_contents('vectors.json')) as [$hex, $key])
  echo sign(hex2bin($hex), $key), "\\n";`,
  },
  {
    heading: 'JavaScript',
    block: 'js',
    program: process.execPath,
    file: 'sell.mjs',
    signAll: `const { readFileSync } = await import('node:fs')
for (const [hex, key, id, at] of JSON.parse(readFileSync('vectors.json')))
  console.log(sign(Buffer.from(hex, 'hex'), key, id, at))`,
    signAllLernito: `const { readFileSync } = await import('node:fs')
for (const [hex, key] of JSON.parse(readFileSync('vectors.json'))) console.log(sign(Buffer.from(hex, 'hex'), key))`,
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

/** What the reference libraries have signed. */
const standard = z
  .object({
    cases: z.array(
      z.object({
        secret: z.string(),
        id: z.string(),
        timestamp: z.number(),
        body: z.string(),
        signatures: z.object({ javascript: z.string() }),
      }),
    ),
  })
  .parse(JSON.parse(readDocument('test/shop/signature/vectors/standard-webhooks.json'))).cases

for (const { heading, block, program, file, signAll, signAllLernito } of LANGUAGES) {
  const missing = has(program) || process.env.CI ? false : `no ${program} on this machine`
  const [code = ''] = codeBlocks(section(guide, `## ${heading}`), block)
  const execute = async (text: string, env = {}): Promise<string> => {
    writeFileSync(join(product.folder, file), text)
    const options = { cwd: product.folder, env: { ...process.env, ...env }, timeout: 30_000 }
    return (await run(program, [file], options)).stdout
  }

  test(`the ${heading} program has at most 20 lines`, () => {
    const lines = code.split('\n').filter((line) => line.trim() !== '')
    assert.ok(lines.length > 10 && lines.length <= 20, `${lines.length} lines`)
  })

  const [lernito = ''] = codeBlocks(section(guide, '## X-Lernito-Signature'), block)

  test(`the ${heading} program signs as the libraries of Standard Webhooks do`, { skip: missing }, async () => {
    const vectors = standard.map(({ body, secret, id, timestamp }) => [
      Buffer.from(body).toString('hex'),
      secret,
      id,
      timestamp,
    ])
    writeFileSync(join(product.folder, 'vectors.json'), JSON.stringify(vectors))
    const withoutCall = code.slice(0, code.lastIndexOf('\n\n'))
    const signatures = (await execute(`${withoutCall}\n${signAll}\n`)).trimEnd().split('\n')
    assert.deepEqual(
      signatures,
      standard.map(({ signatures: made }) => made.javascript),
    )
  })

  test(`X-Lernito-Signature in ${heading} is that of the recorded sales`, { skip: missing }, async () => {
    assert.ok(golden.length > 90)
    const vectors = golden.map(({ body }) => [Buffer.from(body).toString('hex'), 'lernito-test-secret'])
    writeFileSync(join(product.folder, 'vectors.json'), JSON.stringify(vectors))
    const signatures = (await execute(`${lernito}\n${signAllLernito}\n`)).trimEnd().split('\n')
    assert.deepEqual(
      signatures,
      golden.map(({ signature }) => signature),
    )
  })

  test(`the ${heading} program sends a sale and prints the answer`, { skip: missing }, async () => {
    const said = await execute(code, { LERNITO_WEBHOOK_URL: product.webhook })
    assert.equal(said, '200 {"success":true,"message":"User enrollment status verified for 1 course(s)"}\n')
    const { enrollments } = await product.lms.state()
    assert.ok(enrollments.some(({ email, course }) => email === 'alice@example.com' && course === DEMO))
  })

  test(`the ${heading} program sends with a secret that begins with whsec_`, { skip: missing }, async (t) => {
    const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
    const other = await startProduct({ env: { LERNITO_WEBHOOK_SECRET: secret } })
    t.after(() => other.stop())
    const said = await execute(code, { LERNITO_WEBHOOK_URL: other.webhook, LERNITO_WEBHOOK_SECRET: secret })
    assert.match(said, /^200 /)
  })

  test(`the ${heading} program prints a refusal`, { skip: missing }, async () => {
    const env = { LERNITO_WEBHOOK_URL: product.webhook, LERNITO_WEBHOOK_SECRET: 'another-secret' }
    assert.equal(await execute(code, env), '401 {"success":false,"message":"Invalid signature"}\n')
  })
}

test('the example of the module does what its comments say', async () => {
  const [, code = ''] = codeBlocks(section(guide, '## JavaScript'), 'js')
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

const [trials = []] = tables(section(guide, '## Try it'))
for (const [email = '', course = '', answer = ''] of trials) {
  test(`${codes(email)} buying ${codes(course)} is answered ${answer}`, async () => {
    const { status, text } = await sendTo(codes(email)[0] ?? '', codes(course)[0] ?? '')
    assert.equal(`${status} \`${JSON.parse(text).message}\``, answer)
  })
}

test('the LMS fails and recovers as the guide shows', async () => {
  assert.equal(trials.length, 5)
  const [, commands = ''] = codeBlocks(section(guide, '## Try it'), 'sh')
  const [down, up] = commands.split('\n').map((line) => {
    const form = /^curl -X (\w+) http:\/\/127\.0\.0\.1:8791(\S+)(?: -d '(.*)')?$/
    const [, method = '', path = '', body = ''] = form.exec(line) ?? []
    return () => exchange({ url: product.lmsUrl + path, method, body })
  })
  assert.ok(down && up)
  assert.equal((await down()).status, 200)
  assert.equal((await sendTo('alice@example.com', DEMO)).status, 500)
  assert.equal((await up()).status, 200)
  await until('the enrollment', async () => {
    const { enrollments } = await product.lms.state()
    return enrollments.some(({ email, course }) => email === 'alice@example.com' && course === DEMO) || undefined
  })
})

test('the table of answers has every status that the contract has', () => {
  const [rows = []] = tables(section(guide, '## What the answers mean'))
  const [contract = []] = tables(section(readDocument('docs/reference/webhook.md'), '## Answers'))
  const told = rows.flatMap(([status = '']) => status.split(', '))
  assert.deepEqual(
    contract.map(([status = '']) => status).filter((status) => !told.includes(status)),
    [],
  )
})
