import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { DELIVERY_STATES } from '../../src/delivery/types.ts'
import { codes, ROOT, readDocument, section, tables } from './documents.ts'

const operations = readDocument('docs/operations.md')
const source = globSync('src/!(sandbox)/**/*.ts', { cwd: ROOT })
  .concat(globSync('src/*.ts', { cwd: ROOT }))
  .map((file) => readFileSync(join(ROOT, file), 'utf8'))
  .join('\n')

test('the log lines and reasons that the operator’s page quotes stand in the source, to the word', () => {
  const log = tables(section(operations, '## The log'))
  const reasons = tables(section(operations, '## States of a delivery')).slice(1)
  const quoted = [...log, ...reasons].flat().map(([quote = '']) => codes(quote)[0] ?? '')
  assert.ok(quoted.length > 30)
  // A delivery's lines are made of its events' kinds.
  const written = quoted.filter((quote) => quote !== 'delivery retry scheduled')
  const missing = written.flatMap((quote) => quote.split('…').filter((part) => !source.includes(part)))
  assert.deepEqual(missing, [])
})

test('the operator’s page has every state of a delivery', () => {
  const [rows = []] = tables(section(operations, '## States of a delivery'))
  assert.deepEqual(
    rows.map(([state = '']) => codes(state)[0]),
    DELIVERY_STATES,
  )
})
