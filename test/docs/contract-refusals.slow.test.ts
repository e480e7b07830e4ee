import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HEADER_BYTES, HEADERS_MS, MAX_HEADERS, REFUSALS, REQUEST_MS } from '../../src/service/http/refusals.ts'
import { BODY_LIMIT } from '../../src/shop/webhook/route.ts'
import { readDocument, section, tables } from './documents.ts'

const contract = readDocument('docs/reference/webhook.md')
const answers = section(contract, '## Answers')

// That each is answered so is tested in test/hostile.
test('the contract has the status of every refusal before the signature is verified', () => {
  const [rows = []] = tables(answers)
  const inTable = (message: string): boolean => rows.some(([, said = '']) => said.includes(message))
  const others = Object.values(REFUSALS).filter(({ message }) => !inTable(message))
  const [sentence = ''] = /A request that breaks HTTP or a limit.*?\./s.exec(answers) ?? []
  assert.deepEqual(
    [...sentence.matchAll(/\d{3}/g)].map(([status]) => Number(status)),
    [...new Set(others.map(({ status }) => status))].sort(),
  )
})

test('the contract has the limits of requests', () => {
  const request = section(contract, '## Request')
  const kib = HEADER_BYTES / 1024
  for (const limit of [
    `At most ${MAX_HEADERS}, and ${kib} KiB`,
    `within ${HEADERS_MS / 1000} seconds`,
    `${BODY_LIMIT.toLocaleString('en')} bytes`,
    `within ${REQUEST_MS / 1000} seconds`,
  ]) {
    assert.ok(request.includes(limit), limit)
  }
})
