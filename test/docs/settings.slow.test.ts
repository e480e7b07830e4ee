import assert from 'node:assert/strict'
import { test } from 'node:test'
import { envExample, withSettingsTable } from '../../scripts/settings-docs.ts'
import { readDocument } from './documents.ts'

const REMEDY = 'it is not what src/service/settings/settings.ts declares: run npm run docs'

test('.env.example is generated from the settings', () => {
  assert.equal(readDocument('.env.example'), envExample(), `.env.example: ${REMEDY}`)
})

test('the page of settings has the generated table', () => {
  const page = readDocument('docs/reference/settings.md')
  assert.equal(page, withSettingsTable(page), `docs/reference/settings.md: ${REMEDY}`)
})
