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
 * @param from.max items in a group at most
 * @param from.maxSize the size of a group at most, by `sizeOf` its items: a larger item is written alone. Unlimited if absent
 */
export function createGroupCommit<Item, Result>({
  write,
  max,
  sizeOf = () => 0,
  maxSize = Number.POSITIVE_INFINITY,
  isHopeless,
}: {
  write: (items: readonly Item[]) => Promise<readonly Result[]>
  max: number
  sizeOf?: (item: Item) => number
  maxSize?: number
  isHopeless: (reason: unknown) => boolean
}): (item: Item) => Promise<Result> {
  const queue: Queued<Item, Result>[] = []
  let running = false

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
      else for (const one of group) await writeGroup([one])
    }
  }

  const takeGroup = (): Queued<Item, Result>[] => {
    let size = 0
    const end = queue.findIndex(({ item }, index) => {
      size += sizeOf(item)
      return index > 0 && (index === max || size > maxSize)
    })
    return queue.splice(0, end === -1 ? queue.length : end)
  }

  const drain = async (): Promise<void> => {
    running = true
    while (queue.length > 0) {
      await turn() // lets the requests of this turn join, and the callers of the last group continue
      await writeGroup(takeGroup())
    }
    running = false
  }

  return (item) =>
    new Promise((resolve, reject) => {
      queue.push({ item, resolve, reject })
      if (!running) void drain()
    })
}
