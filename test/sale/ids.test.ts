import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createIds, idsOf } from '../../src/sale/ids.ts'

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

test('a block of ids sorts where it was reserved, even if the ids are made later, and has no more than its number', () => {
  const newId = createIds({ now: () => 1_769_860_800_000 })
  const before = newId()
  const blocks = [newId.block(3), newId.block(2)].map(idsOf)
  const after = newId()
  const [first = assert.fail(), second = assert.fail()] = blocks
  const later = [second(), second()]
  const ids = [before, first(), first(), first(), ...later, after]
  assert.deepEqual([...ids].sort(), ids)
  assert.throws(first, /all 3 ids that were reserved are used/)
})

test('a block that the rest of a millisecond has no room for begins in the next one', () => {
  const newId = createIds({ now: () => 1000 })
  const big = newId.block(32 ** 4 - 1)
  assert.deepEqual(newId.block(2), { at: big.at + 1, from: 0, count: 2 })
  assert(newId() > idsOf(big)())
})
