import assert from 'node:assert/strict'
import { test } from 'node:test'
import { logCalls } from '../../scripts/log-calls.ts'
import { differences, eventKinds, withLogTables } from '../../scripts/log-docs.ts'
import { readDocument, tables } from './documents.ts'

const page = readDocument('docs/reference/log-messages.md')

test('every message of the log has a meaning', () => {
  const { without, unused } = differences()
  assert.deepEqual(without, [], `say in scripts/log-meanings.ts what they mean; unused there: ${unused.join('; ')}`)
})

test('the page of messages is generated from the source', () => {
  assert.equal(page, withLogTables(page), 'docs/reference/log-messages.md is out of date: run npm run docs')
})

test('the calls of the log are found with their level and fields', () => {
  const calls = logCalls()
  assert.ok(calls.length > 30)
  assert.ok(eventKinds().length > 8)
  const one = calls.find(({ text }) => text === 'ready for webhooks')
  assert.deepEqual([one?.level, one?.fields], ['info', ['url', 'lms']])
  assert.ok(calls.every(({ level }) => /^(debug|info|warn|error)( or (info|warn))?$/.test(level)))
})

test('each message and each event says what it means', () => {
  const rows = tables(page).flat()
  assert.ok(rows.length > 30)
  assert.deepEqual(
    rows.filter((row) => row[0] === '' || row.at(-1) === ''),
    [],
  )
})
