import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DELIVERY_STATES, REASON_CODES, REASONS } from '../../src/sale/types.ts'
import { codes, firstCodes, readDocument, section } from './documents.ts'

const page = readDocument('docs/reference/states-and-reasons.md')
const reasons = section(page, '## Reasons')

test('the page has every state of a delivery, in their order', () => {
  assert.deepEqual(firstCodes(section(page, '## States of a delivery')), [...DELIVERY_STATES])
})

test('the page says which reasons reject a delivery', () => {
  const [sentence = ''] = /`payload.invalid`[^.]*\.[^.]*\.[^.]*\./s.exec(reasons) ?? []
  const rejected = REASON_CODES.filter((code) => REASONS[code].state === 'rejected')
  assert.deepEqual(codes(sentence), [...rejected, 'rejected', 'needs_attention'])
})
