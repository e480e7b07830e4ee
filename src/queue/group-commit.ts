import { setImmediate as turn } from 'node:timers/promises'

interface Queued<Item, Result> {
  readonly item: Item
  readonly resolve: (result: Result) => void
  readonly reject: (reason: unknown) => void
}

/**
 * Group commit: items that are submitted during a write go into the next write together. `write` gets the items in order
 * and resolves to one result per item, in order. If a group fails, each item is written alone, so that a bad item fails
 * alone; unless `isHopeless` says of the error that single items would fail too. Groups don't overlap, and all callers
 * that wait for a group continue before the next group starts.
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
  let queue: Queued<Item, Result>[] = []
  let running = false

  const writeOne = async ({ item, resolve, reject }: Queued<Item, Result>): Promise<void> => {
    try {
      const [result] = await write([item])
      if (result === undefined) throw new Error('the write gave no result')
      resolve(result)
    } catch (reason) {
      reject(reason)
    }
  }

  const writeGroup = async (group: readonly Queued<Item, Result>[]): Promise<void> => {
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
      await turn() // lets the requests of this turn join, and the callers of the last group continue
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
