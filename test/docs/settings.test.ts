import assert from 'node:assert/strict'
import { test } from 'node:test'
import { envExample, withSettingsTable } from '../../scripts/settings-docs.ts'
import { readDocument } from './documents.ts'

const REMEDY = 'it is not what src/settings.ts declares: run npm run docs'

test('.env.example is what the settings declare', () => {
  assert.equal(readDocument('.env.example'), envExample(), `.env.example: ${REMEDY}`)
})

test('the README has the table of settings as they are declared', () => {
  const readme = readDocument('README.md')
  assert.equal(readme, withSettingsTable(readme), `README.md: ${REMEDY}`)
})
