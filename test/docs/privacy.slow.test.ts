import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codes, readDocument, section, tables } from './documents.ts'

/** OEP-30, "Docstring Annotations". */
const TYPES = [
  ...['name', 'username', 'password', 'location', 'phone_number', 'email_address', 'birth_date', 'ip'],
  ...['external_service', 'biography', 'gender', 'sex', 'image', 'video', 'other'],
]
const RETIREMENTS = ['retained', 'local_api', 'consumer_api', 'third_party']

const [rows = []] = tables(section(readDocument('docs/explanation/privacy.md'), '## In the database'))

test('docs/explanation/privacy.md has every table of the database', () => {
  const [, declared = ''] = readDocument('src/database/schema.ts').split('export interface Tables {')
  const names = [...declared.matchAll(/^ {2}(\w+): \w+Row$/gm)].map(([, name = '']) => name)
  assert.ok(names.length >= 5)
  const documented = rows.flatMap(([name = '']) => codes(name))
  assert.deepEqual(
    names.filter((name) => !documented.includes(name)),
    [],
    'say in docs/explanation/privacy.md what personal data these tables hold',
  )
})

test('each table is annotated in the words of OEP-30, or stated to hold no personal data', () => {
  for (const [name = '', pii = '', types = '', retirements = ''] of rows) {
    if (pii.startsWith('no_pii')) {
      assert.deepEqual([types, retirements], ['', ''], name)
      continue
    }
    assert.ok(pii.length > 20, name)
    const named = types
      .replaceAll(/\([^)]*\)/g, '')
      .split(',')
      .map((type) => type.trim().split(' ')[0] ?? '')
    assert.ok(named.length > 0 && named.every((type) => TYPES.includes(type)), `${name}: ${types}`)
    assert.ok(
      retirements.split(', ').every((retirement) => RETIREMENTS.includes(retirement)),
      `${name}: ${retirements}`,
    )
  }
})

test('SECURITY.md names a private way to report, and no invented address', () => {
  const policy = readDocument('SECURITY.md')
  assert.match(policy.replaceAll('\n', ' '), /report it privately, by a security advisory/)
  assert.doesNotMatch(policy, /\S@\S|https?:\/\//)
})
