import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createIds } from '../../src/sale/ids.ts'

const idsAt = (clock: { at: number }, count: number): string[] => {
  const newId = createIds({ now: () => clock.at })
  return Array.from({ length: count }, () => newId())
}

test('an id is 26 characters of Crockford base 32 and begins with its time', () => {
  // 01ARZ3NDEK is the time part of the example in the ULID specification.
  const [id = ''] = idsAt({ at: 1_469_922_850_259 }, 1)
  assert.match(id, /^[0-9A-HJKMNP-TV-Z]{26}$/)
  assert.equal(id.slice(0, 10), '01ARZ3NDEK')
})

test('ids made within one millisecond sort in the order in which they were made', () => {
  const ids = idsAt({ at: 1_769_860_800_000 }, 10_000)
  assert.deepEqual([...ids].sort(), ids)
  assert.equal(new Set(ids).size, ids.length)
})

test('ids sort when the clock steps back, and follow it again when it has caught up', () => {
  const clock = { at: 2000 }
  const newId = createIds({ now: () => clock.at })
  const before = newId()
  clock.at = 1000
  const back = newId()
  clock.at = 2001
  const after = newId()
  assert.equal(back.slice(0, 10), before.slice(0, 10))
  assert(after.slice(0, 10) > back.slice(0, 10))
  assert.deepEqual([before, back, after].sort(), [before, back, after])
})

test('two processes that make ids in the same millisecond make different ones', () => {
  const clock = { at: 1_769_860_800_000 }
  assert.equal(new Set([...idsAt(clock, 100), ...idsAt(clock, 100)]).size, 200)
})

test('a millisecond that has no number left is followed by the next one', () => {
  const newId = createIds({ now: () => 1000 })
  let [before, id] = ['', newId()]
  for (let count = 1; count <= 32 ** 4; count++) [before, id] = [id, newId()]
  assert.equal(before.slice(10, 14), 'ZZZZ')
  assert.equal(id.slice(10, 14), '0000')
  assert(id > before)
})
