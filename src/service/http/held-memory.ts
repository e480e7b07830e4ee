/** The memory of one webhook. */
interface Held {
  readonly bytes: number
  /** Answers it and cuts its connection. */
  readonly giveWay: () => void
}

/** A webhook that was admitted. */
export interface Admitted {
  /** Its body is complete: it now keeps its memory until `release`. */
  complete(): void
  /** It is answered, or its sender is gone. To be called once. */
  release(): void
}

/**
 * Bounds the memory of all webhooks in flight. Complete webhooks keep their place. Incomplete ones give way to later
 * ones, the oldest first. So thousands of slow senders push out one another, and not a sale, which is complete within a
 * moment.
 *
 * @param from.memoryBytes the limit for all together
 */
export function createHeldMemory({ memoryBytes }: { memoryBytes: number }) {
  const incomplete = new Set<Held>() // the oldest first
  let [completeBytes, incompleteBytes] = [0, 0]

  const remove = (held: Held): boolean => {
    if (!incomplete.delete(held)) return false
    incompleteBytes -= held.bytes
    return true
  }
  const makeRoom = (): void => {
    for (const oldest of incomplete) {
      if (completeBytes + incompleteBytes <= memoryBytes) return
      remove(oldest)
      oldest.giveWay()
    }
  }

  return {
    /** Admits a webhook whose headers have come in. Returns null if complete webhooks leave no room for it. */
    admit: (held: Held): Admitted | null => {
      if (completeBytes + held.bytes > memoryBytes) return null
      incomplete.add(held)
      incompleteBytes += held.bytes
      makeRoom()
      let isComplete = false
      return {
        complete: () => {
          if (!remove(held)) return
          isComplete = true
          completeBytes += held.bytes
        },
        release: () => {
          if (isComplete) completeBytes -= held.bytes
          else remove(held)
        },
      }
    },
  }
}
