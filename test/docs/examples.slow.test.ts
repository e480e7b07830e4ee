import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { test } from 'node:test'
import { withExamples } from '../../scripts/example-docs.ts'
import { codeBlocks, DOCUMENTS, ROOT, readDocument } from './documents.ts'

test('the blocks of the pages that come from examples are as npm run docs writes them', () => {
  const filled = DOCUMENTS.filter((path) => readDocument(path).includes('<!-- examples/'))
  assert.ok(filled.length >= 2)
  for (const path of filled) assert.equal(readDocument(path), withExamples(readDocument(path)), path)
})

test('every block in the language of an example comes from examples', () => {
  const inPages = DOCUMENTS.flatMap((path) => {
    const withoutFilled = readDocument(path).replaceAll(/^<!-- examples\/.*?^<!-- end of example -->$/gms, '')
    return ['python', 'php', 'go'].flatMap((language) => codeBlocks(withoutFilled, language).map(() => path))
  })
  assert.deepEqual(inPages, [])
})

test('a page of docs links to each program of examples', () => {
  const text = DOCUMENTS.map(readDocument).join('\n')
  const programs = globSync('examples/*/{*.*,*/main.go}', { cwd: ROOT }).filter((path) => !path.endsWith('go.mod'))
  assert.ok(programs.length >= 9)
  assert.deepEqual(
    programs.filter((path) => !text.includes(`${path})`) && !text.includes(`<!-- ${path}:`)),
    [],
  )
})
