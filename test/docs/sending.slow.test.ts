import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { promisify } from 'node:util'
import { sign } from '../../src/shop/signature/signature.ts'
import { exchange, type Product, payload, signed, startProduct } from '../harness.ts'
import { signStandard } from '../shop/signature/sign-standard.ts'
import { codeBlocks, codes, readDocument, section, tables } from './documents.ts'

const run = promisify(execFile)
const guide = readDocument('docs/reference/sending.md')
const SECRET = 'lernito-sandbox-secret'

let product: Product
before(async () => {
  product = await startProduct({ env: { LERNITO_WEBHOOK_SECRET: SECRET } })
})
after(() => product.stop())
beforeEach(() => product.lms.reset())

test('the example of the module does what its comments say', async () => {
  const [code = ''] = codeBlocks(section(readDocument('examples/README.md'), '## Sign in tests of your own'), 'js')
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
  return exchange({ url: product.webhook, headers: signed(body, SECRET), body })
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
