import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DELIVERY_STATES, REASON_CODES, STATE_OF_REASON } from '../../src/delivery/types.ts'
import { codes, firstCodes, quotesMissingInSource, readDocument, section, tables } from './documents.ts'

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
  const rejected = REASON_CODES.filter((code) => STATE_OF_REASON[code] === 'rejected')
  assert.deepEqual(codes(sentence), [...rejected, 'rejected', 'needs_attention'])
})

test('the texts of reasons that it quotes are in the source, word for word', () => {
  const quoted = tables(reasons).flatMap((rows) => rows.flatMap(([, text = '']) => codes(text)))
  assert.equal(quoted.length, REASON_CODES.length)
  assert.deepEqual(quotesMissingInSource(quoted), [])
})
