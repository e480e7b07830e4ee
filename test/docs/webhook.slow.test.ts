import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { RETRY_SCHEDULE_MS } from '../../src/queue/retry-schedule.ts'
import { canonicalJson } from '../../src/sale/json/canonical.ts'
import { readJson } from '../../src/sale/json/json.ts'
import { sign } from '../../src/shop/signature/signature.ts'
import { signStandard } from '../shop/signature/sign-standard.ts'
import { ARTIFACT, DIFFERENCES } from '../shop/webhook/intended-differences.ts'
import { codeBlocks, readDocument, section, tables } from './documents.ts'

const contract = readDocument('docs/reference/webhook.md')
const secret = 'lernito-sandbox-secret'
const example = section(contract, '### A worked example')
const [body = ''] = codeBlocks(example, 'json')
const [standard = '', raw = '', original = '', readme = ''] = codeBlocks(example, 'text')

const hmac = (text: string): string => createHmac('sha256', secret).update(text).digest('hex')

test('the worked example: the secret, the length of the body and its raw signature are as stated', () => {
  assert.ok(example.includes(`The secret is \`${secret}\``))
  assert.ok(example.includes(`over those ${Buffer.byteLength(body)} bytes`))
  assert.equal(raw, hmac(body))
  assert.equal(raw, sign({ body, form: 'raw', secret }))
})

test('the worked example: the signature of Standard Webhooks is as stated, for the id and the time that it names', () => {
  const [, id = '', timestamp = ''] = /`webhook-id: (\S+)` and `webhook-timestamp: (\d+)`/.exec(example) ?? []
  assert.equal(standard, signStandard({ id, timestamp: Number(timestamp), body, secret }))
})

for (const [form, block, spaces] of [
  ['original', original, false],
  ['readme', readme, true],
] as const) {
  test(`the worked example: text and signature of the form ${form} are as stated`, () => {
    const [text = '', signature] = block.split('\n')
    assert.equal(text, canonicalJson(readJson(body), { spaces, ascii: true }))
    assert.equal(signature, hmac(text))
    assert.equal(signature, sign({ body, form, secret }))
  })
}

test('the table of recorded differences has a row for each reason in intended-differences.ts, and no other', () => {
  const [recorded = []] = tables(section(contract, '### Recorded requests'))
  const reasons = new Set(Object.values(DIFFERENCES).map(({ reason }) => reason))
  assert.ok(reasons.delete(ARTIFACT))
  assert.deepEqual(recorded.map(([reason]) => reason).sort(), [...reasons].sort())
})

test('the schedule of retries is as stated', () => {
  const hours = Math.round(RETRY_SCHEDULE_MS.reduce((sum, ms) => sum + ms, 0) / 3_600_000)
  assert.ok(
    section(contract, '## In time, or later')
      .replaceAll(/\s+/g, ' ')
      .includes(`${RETRY_SCHEDULE_MS.length + 1} attempts in about ${hours} hours`),
  )
  const seconds = [5, 30, 120, 600, 1800, 3600, 7200, 14_400, ...Array.from({ length: 8 }, () => 28_800)]
  assert.deepEqual(
    RETRY_SCHEDULE_MS,
    seconds.map((second) => second * 1000),
    'the page states these',
  )
})
