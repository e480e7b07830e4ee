import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commandsPage } from '../../scripts/command-docs.ts'
import { readDocument } from './documents.ts'

const page = readDocument('docs/reference/commands.md')

test('the page of commands is what the commands print with --help', () => {
  assert.equal(page, commandsPage(), 'docs/reference/commands.md is out of date: run npm run docs')
})

test('the page of commands has no list of settings', () => {
  assert.doesNotMatch(page, /LERNITO_PORT/)
})
