import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { codes, ROOT, readDocument, tables } from './documents.ts'

const REASON = /^\*\*(By construction|Can't happen|Decided|Known limit|Not done)\*\*/

const rows = tables(readDocument('test/bad-input.md')).flat()
const filesIn = (proof: string): string[] => codes(proof).filter((code) => code.endsWith('.ts'))

test('each line of bad input names the test that proves what happens, or the reason why there is none', () => {
  assert.ok(rows.length > 45)
  const unproven = rows.filter(([, proof = '']) => filesIn(proof).length === 0 && !REASON.test(proof))
  assert.deepEqual(unproven, [])
})

test('every test that the list names exists', () => {
  const named = rows.flatMap(([, proof = '']) => filesIn(proof))
  const missing = [...new Set(named)].filter((file) => !existsSync(join(ROOT, 'test', file)))
  assert.deepEqual(missing, [])
})
