import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HEADER_BYTES, HEADERS_MS, MAX_HEADERS, REFUSALS, REQUEST_MS } from '../../src/service/http/refusals.ts'
import { codes, readDocument, section, tables } from './documents.ts'

const contract = readDocument('docs/reference/webhook.md')

// That each is answered so is tested in test/hostile.
test('the contract has the status, code and message of every refusal before the signature is verified', () => {
  const [answers = []] = tables(section(contract, '## Answers'))
  const [rows = []] = tables(section(contract, '### What is refused before it is a webhook'))
  const inAnswers = (message: string): boolean => answers.some(([, body = '']) => body.includes(message))
  const expected = Object.entries(REFUSALS)
    .filter(([, { message }]) => !inAnswers(message))
    .map(([code, { status, message }]) => ({ status: String(status), code, message }))
  assert.deepEqual(
    rows.map(([status, code = '', message]) => ({ status, code: codes(code)[0], message })),
    expected,
  )
  assert.ok(expected.length > 8)
})

test('the contract has the limits of requests', () => {
  const request = section(contract, '## Request')
  for (const limit of ['At most 100, and 16 KiB', 'within 5 seconds', '65,536 bytes', 'within 10 seconds']) {
    assert.ok(request.includes(limit), limit)
  }
})

test('the refusals name the limits that hold', () => {
  const { headers_too_large, too_slow } = REFUSALS
  assert.match(headers_too_large.message, new RegExp(` ${HEADER_BYTES / 1024} KiB or ${MAX_HEADERS} headers`))
  assert.match(too_slow.message, new RegExp(` ${HEADERS_MS / 1000} seconds .*, ${REQUEST_MS / 1000} seconds in all`))
})
