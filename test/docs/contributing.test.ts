import assert from 'node:assert/strict'
import { test } from 'node:test'
import { STATE_OF_REASON } from '../../src/delivery/types.ts'
import { codes, readDocument, section, tables } from './documents.ts'

test('the table of rooms says what test/structure allows', () => {
  const source = readDocument('test/structure/structure.test.ts')
  const [, declared = ''] = /MAY_IMPORT[^{]*\{(.*?)\n\}/s.exec(source) ?? []
  const allowed = [...declared.matchAll(/'?([a-z-]+)'?: \[([^\]]*)\]/g)].map(([, room, rooms = '']) => [
    room,
    rooms.match(/[a-z-]+/g) ?? [],
  ])
  assert.ok(allowed.length > 10)
  const [rows = []] = tables(section(readDocument('CONTRIBUTING.md'), '## The rooms'))
  assert.deepEqual(
    rows.map(([room = '', , imports = '']) => [codes(room)[0], codes(imports)]),
    allowed,
  )
})

test('the decision about refusals has the states as they are', () => {
  const [rows = []] = tables(readDocument('docs/decisions/0006-rejected-or-needs-attention.md'))
  const states = rows.map(([reason = '', state = '']) => [codes(reason)[0], state.replaceAll(' ', '_')])
  assert.deepEqual(states, Object.entries(STATE_OF_REASON))
})
