import assert from 'node:assert/strict'
import { test } from 'node:test'
import { REFUSALS } from '../../src/service/http/refusals.ts'
import { REFUSAL_CODES } from '../../src/shop/webhook/receive.ts'
import { codes, firstCodes, quotesMissingInSource, readDocument, section, tables } from './documents.ts'

const page = readDocument('docs/reference/errors.md')

/** The texts of a union type, which is gone when the program runs. */
function membersOf(file: string, type: string): string[] {
  const [, union = ''] = new RegExp(`type ${type} =([^\\n]*(?:\\n +\\|[^\\n]*)*)`).exec(readDocument(file)) ?? []
  const members = [...union.matchAll(/'([^']+)'/g)].map(([, member = '']) => member)
  assert.ok(members.length > 2, `${type} of ${file} is not as this test reads it`)
  return members
}

const named = (heading: string): string[] => firstCodes(section(page, heading)).sort()

test('every code with which a webhook or a request is refused has its cause and action', () => {
  const refusals = new Set<string>([...REFUSAL_CODES, ...Object.keys(REFUSALS)])
  assert.deepEqual(named('## Answers to the shop'), [...refusals].sort())
})

test('every kind of failure of the LMS has its cause and action', () => {
  const [kinds = []] = tables(section(page, '## The LMS'))
  const documented = kinds.flatMap(([kind = '']) => codes(kind))
  assert.deepEqual(documented.sort(), membersOf('src/lms/client/failure.ts', 'FailureKind').sort())
})

test('no row has an empty cell', () => {
  const cells = tables(page).flat(2)
  assert.ok(cells.length > 70)
  assert.ok(cells.every((cell) => cell !== ''))
})

test('the messages that it quotes are in the source, word for word', () => {
  const [, lmsReasons = []] = tables(section(page, '## The LMS'))
  const rows = [
    ...tables(section(page, '## Messages of the commands')).flat(),
    ...tables(section(page, '## Settings')).flat(),
    ...lmsReasons,
  ]
  const quoted = rows.flatMap(([message = '']) => codes(message))
  assert.ok(rows.every(([message = '']) => codes(message).length > 0))
  assert.ok(quoted.length > 10)
  assert.deepEqual(quotesMissingInSource(quoted), [])
})
