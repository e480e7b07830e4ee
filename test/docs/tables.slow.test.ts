import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pagesWithTables } from '../../scripts/table-docs.ts'

for (const { path, page, made } of pagesWithTables()) {
  test(`${path} has the table of what the source declares`, () => {
    assert.equal(page, made, `${path} is not what the source declares: run npm run docs`)
  })
}
