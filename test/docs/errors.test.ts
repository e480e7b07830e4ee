import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { REASON_CODES } from '../../src/delivery/types.ts'
import { REFUSALS } from '../../src/http/refusals.ts'
import { REFUSAL_CODES } from '../../src/webhook/receive.ts'
import { codes, ROOT, readDocument, section, tables } from './documents.ts'

const guide = readDocument('docs/reference/errors.md')
const source = globSync(['src/**/*.ts', 'bin/*.js'], { cwd: ROOT })
  .map((file) => readFileSync(join(ROOT, file), 'utf8'))
  .join('\n')

/** The texts of a union type, which is gone when the program runs. */
function membersOf(file: string, type: string): string[] {
  const [, union = ''] = new RegExp(`type ${type} =([^\\n]*(?:\\n +\\|[^\\n]*)*)`).exec(readDocument(file)) ?? []
  const members = [...union.matchAll(/'([^']+)'/g)].map(([, member = '']) => member)
  assert.ok(members.length > 3, `${type} of ${file} is not as this test reads it`)
  return members
}

const rowsOf = (heading: string): string[][] => tables(section(guide, heading)).flat()
/** What the first column names between backquotes, each once. */
const named = (heading: string): string[] =>
  [...new Set(rowsOf(heading).flatMap(([first = '']) => codes(first)))].sort()

test('every code of an error has its cause and cure', () => {
  assert.deepEqual(named('## Messages of the commands'), membersOf('src/errors.ts', 'ErrorCode').sort())
})

test('every code with which a webhook or a request is refused has its cause and cure', () => {
  const refusals = new Set<string>([...REFUSAL_CODES, ...Object.keys(REFUSALS)])
  assert.deepEqual(named('## Answers to the shop'), [...refusals].sort())
})

test('every reason of a delivery has its cause and cure', () => {
  assert.deepEqual(named('## Deliveries'), [...REASON_CODES].sort())
})

test('every kind of failure of the LMS has its cause and cure', () => {
  assert.deepEqual(named('## The LMS'), membersOf('src/openedx/failure.ts', 'FailureKind').sort())
})

test('no row has an empty cell', () => {
  const cells = tables(guide).flat(2)
  assert.ok(cells.length > 150)
  assert.ok(cells.every((cell) => cell !== ''))
})

test('the messages that it quotes stand in the source, to the word', () => {
  const second = ['## Messages of the commands', '## Deliveries'].flatMap((heading) =>
    rowsOf(heading).map((row) => row[1]),
  )
  const answers = rowsOf('## Answers to the shop').map(([, answer = '']) => answer)
  const first = rowsOf('## Settings').map(([message]) => message)
  const quoted = [...second, ...answers, ...first].flatMap((cell = '') => codes(cell))
  assert.ok(quoted.length > 50)
  const parts = quoted.flatMap((quote) => quote.split('…')).filter((part) => part.trim().length > 3)
  assert.deepEqual(
    parts.filter((part) => !source.includes(part)),
    [],
  )
})
