import assert from 'node:assert/strict'
import { test } from 'node:test'
import { logCalls } from '../../scripts/log-calls.ts'
import { differences, withLogTables } from '../../scripts/log-docs.ts'
import { readDocument, tables } from './documents.ts'

const page = readDocument('docs/reference/log-messages.md')

test('every message of the log has a meaning', () => {
  const { without, unused } = differences()
  assert.deepEqual(without, [], `say in scripts/log-meanings.ts what they mean; unused there: ${unused.join('; ')}`)
})

test('the page of messages is generated from the source', () => {
  assert.equal(page, withLogTables(page), 'docs/reference/log-messages.md is out of date: run npm run docs')
})

test('the calls of the log are found', () => {
  const texts = logCalls().map(({ text }) => text)
  assert.ok(texts.length > 30)
  assert.ok(texts.includes('ready for webhooks'))
})

test('each message and each event says what it means', () => {
  const rows = tables(page).flat()
  assert.ok(rows.length > 30)
  assert.deepEqual(
    rows.filter((row) => row[0] === '' || row.at(-1) === ''),
    [],
  )
})
