import { setImmediate as turn } from 'node:timers/promises'

interface Waiting<Item, Result> {
  readonly item: Item
  readonly resolve: (result: Result) => void
  readonly reject: (reason: unknown) => void
}

/**
 * Group commit: what arrives while one write runs goes into the next one together. `write` gets the items in order and
 * gives one result per item, in order. If a group fails, each of its items is written alone, so that one bad item fails
 * nobody else; unless `isHopeless` says of the reason that no item would fare better. Groups don't overlap, and
 * everything that waits for one group runs before the next group starts.
 */
export function createGroupCommit<Item, Result>({
  write,
  max,
  isHopeless,
}: {
  write: (items: readonly Item[]) => Promise<readonly Result[]>
  max: number
  isHopeless: (reason: unknown) => boolean
}): (item: Item) => Promise<Result> {
  let queue: Waiting<Item, Result>[] = []
  let running = false

  const writeOne = async ({ item, resolve, reject }: Waiting<Item, Result>): Promise<void> => {
    try {
      const [result] = await write([item])
      if (result === undefined) throw new Error('the write gave no result')
      resolve(result)
    } catch (reason) {
      reject(reason)
    }
  }

  const writeGroup = async (group: readonly Waiting<Item, Result>[]): Promise<void> => {
    try {
      const results = await write(group.map(({ item }) => item))
      for (const [i, { resolve, reject }] of group.entries()) {
        const result = results[i]
        if (result === undefined) reject(new Error('the write gave no result'))
        else resolve(result)
      }
    } catch (reason) {
      if (group.length === 1 || isHopeless(reason)) for (const { reject } of group) reject(reason)
      else for (const one of group) await writeOne(one)
    }
  }

  const drain = async (): Promise<void> => {
    running = true
    while (queue.length > 0) {
      await turn() // lets the requests of this turn join, and those who waited for the last group go on
      const group = queue.slice(0, max)
      queue = queue.slice(max)
      await writeGroup(group)
    }
    running = false
  }

  return (item) =>
    new Promise((resolve, reject) => {
      queue.push({ item, resolve, reject })
      if (!running) void drain()
    })
}
