import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DELIVERY_STATES, REASON_CODES, REASONS } from '../../src/sale/types.ts'
import { reasonName, reasonText } from '../../src/sale/words.ts'
import { codes, firstCodes, readDocument, section, tables } from './documents.ts'

const page = readDocument('docs/reference/states-and-reasons.md')
const reasons = section(page, '## Reasons')

test('the page has every state of a delivery, in their order', () => {
  assert.deepEqual(firstCodes(section(page, '## States of a delivery')), [...DELIVERY_STATES])
})

test('every reason of a delivery has its cause and action', () => {
  assert.deepEqual(firstCodes(reasons), [...REASON_CODES])
  assert.ok(
    tables(page)
      .flat(2)
      .every((cell) => cell !== ''),
  )
})

test('the page says which reasons reject a delivery', () => {
  const [sentence = ''] = /`payload.invalid`[^.]*\.[^.]*\.[^.]*\./s.exec(reasons) ?? []
  const rejected = REASON_CODES.filter((code) => REASONS[code].state === 'rejected')
  assert.deepEqual(codes(sentence), [...rejected, 'rejected', 'needs_attention'])
})

test('the page has the name and the text of each reason, as the console and the command line show them', () => {
  const [rows = []] = tables(reasons)
  assert.deepEqual(
    rows.map(([, name, text]) => [name, text]),
    REASON_CODES.map((code) => [reasonName(code), `\`${reasonText({ code, subject: '…' })}\``]),
  )
})
