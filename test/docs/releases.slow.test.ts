import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readDocument, tables } from './documents.ts'

test('the page of releases names the Tutor versions that the plugin is tested with', () => {
  const [rows = []] = tables(readDocument('docs/reference/releases.md'))
  const named = rows.flatMap(([, , , plugin = '']) => plugin.match(/\d+\.\d+\.\d+/g) ?? [])
  const listed = readDocument('deploy/tutor/tests/requirements/tutor-versions.txt')
  const rendered = [...listed.matchAll(/^(\d+\.\d+\.\d+) /gm)].map(([, version]) => version)
  assert.ok(rendered.length >= 4)
  assert.deepEqual(named, rendered)
})
