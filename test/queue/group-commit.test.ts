import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createGroupCommit } from '../../src/queue/group-commit.ts'

const double = (items: readonly number[]): number[] => items.map((item) => item * 2)

const isHopeless = (reason: unknown): boolean => String(reason).includes('away')

/** A group write that ends when the test says so; `started` resolves when it begins. */
function held() {
  const groups: (readonly number[])[] = []
  let started = Promise.withResolvers<void>()
  let end = Promise.withResolvers<void>()
  const write = async (items: readonly number[]): Promise<number[]> => {
    groups.push(items)
    started.resolve()
    await end.promise
    return double(items)
  }
  const finish = (): void => {
    const ended = end
    started = Promise.withResolvers()
    end = Promise.withResolvers()
    ended.resolve()
  }
  return { groups, write, finish, started: () => started.promise }
}

/** A group commit that doubles its items; `groups` has what was written together. */
function recorded(bounds: { max: number; sizeOf?: (item: number) => number; maxSize?: number }) {
  const groups: (readonly number[])[] = []
  const write = createGroupCommit<number, number>({
    write: async (items) => {
      groups.push(items)
      return double(items)
    },
    isHopeless,
    ...bounds,
  })
  return { groups, write }
}

test('items of one turn of the event loop form one group, and each gets its own result', async () => {
  const { groups, write } = recorded({ max: 10 })
  assert.deepEqual(await Promise.all([write(1), write(2), write(3)]), [2, 4, 6])
  assert.deepEqual(groups, [[1, 2, 3]])
  assert.equal(await write(4), 8)
})

test('items that arrive during a write form the next group; groups do not overlap', async () => {
  const { groups, write, finish, started } = held()
  const one = createGroupCommit({ write, max: 10, isHopeless })
  const first = one(1)
  await started()
  const others = [one(2), one(3)]
  await new Promise(setImmediate)
  assert.deepEqual(groups, [[1]])
  finish()
  assert.equal(await first, 2)
  await started()
  assert.deepEqual(groups, [[1], [2, 3]])
  finish()
  assert.deepEqual(await Promise.all(others), [4, 6])
})

test('a group has at most max items, and the order is kept', async () => {
  const { groups, write } = recorded({ max: 2 })
  assert.deepEqual(await Promise.all([1, 2, 3, 4, 5].map(write)), [2, 4, 6, 8, 10])
  assert.deepEqual(groups, [[1, 2], [3, 4], [5]])
})

test('a group ends before its items are too large together; an item that is too large itself is alone', async () => {
  const { groups, write } = recorded({ max: 10, sizeOf: (item) => item, maxSize: 10 })
  await Promise.all([4, 6, 1, 20, 3, 8].map(write))
  assert.deepEqual(groups, [[4, 6], [1], [20], [3], [8]])
})

test('the callers of a group continue before the next group starts', async () => {
  const order: string[] = []
  const write = createGroupCommit<string, string>({
    write: async (items) => {
      order.push(`write ${items.join()}`)
      return items
    },
    max: 1,
    isHopeless,
  })
  const follow = async (item: string): Promise<void> => {
    await write(item)
    await Promise.resolve()
    order.push(`after ${item}`)
  }
  await Promise.all([follow('a'), follow('b')])
  assert.deepEqual(order, ['write a', 'after a', 'write b', 'after b'])
})

test('a bad item fails alone, and items that arrive meanwhile are written', async () => {
  const write = createGroupCommit<number, number>({
    write: async (items) => {
      if (items.includes(2)) throw new Error('bad item')
      return double(items)
    },
    max: 10,
    isHopeless,
  })
  const results = Promise.allSettled([write(1), write(2), write(3)])
  assert.deepEqual(
    (await results).map((result) => (result.status === 'fulfilled' ? result.value : String(result.reason))),
    [2, 'Error: bad item', 6],
  )
  assert.equal(await write(4), 8)
})

test('an item that is alone in its group is attempted once', async () => {
  let attempts = 0
  const write = createGroupCommit<number, number>({
    write: async () => {
      attempts++
      throw new Error('bad item')
    },
    max: 10,
    isHopeless,
  })
  await assert.rejects(write(1), /bad item/)
  assert.equal(attempts, 1)
})

test('a write with too few results fails the items without one', async () => {
  const write = createGroupCommit<number, number>({
    write: async (items) => double(items.slice(0, 1)),
    max: 10,
    isHopeless,
  })
  const [first, second] = await Promise.allSettled([write(1), write(2)])
  assert.deepEqual(first, { status: 'fulfilled', value: 2 })
  assert.equal(second.status, 'rejected')
})

test('if single items would fail too, the whole group fails at once', async () => {
  let attempts = 0
  const write = createGroupCommit<number, number>({
    write: async (items) => {
      attempts++
      if (items.includes(2)) throw new Error('the database is away')
      return double(items)
    },
    max: 10,
    isHopeless,
  })
  const results = await Promise.allSettled([write(1), write(2), write(3)])
  assert.deepEqual(
    results.map(({ status }) => status),
    ['rejected', 'rejected', 'rejected'],
  )
  assert.equal(attempts, 1)
  assert.equal(await write(4), 8)
})
