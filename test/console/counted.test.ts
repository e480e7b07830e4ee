import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countedHtml } from '../../src/console/layout/format.ts'

test('a page says how old its counts are from two seconds on', () => {
  const at = Date.UTC(2026, 11, 1, 13, 5)
  assert.equal(countedHtml(at, at + 1_999), '')
  assert.match(countedHtml(at, at + 2_000), />Counted <time [^>]*>1 Dec 2026, 13:05 UTC<\/time>\./)
})
