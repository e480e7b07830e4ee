/** What one webhook holds. */
interface Held {
  readonly bytes: number
  /** Answers it and cuts its connection. */
  readonly giveWay: () => void
}

/** A webhook that was admitted. */
export interface Admitted {
  /** Its body has come in whole: from now on it is finished, whatever else comes. */
  complete(): void
  /** It is answered or gone. To be called once. */
  release(): void
}

/**
 * Bounds what all webhooks under way hold. Those that have come in whole keep their place; those that haven't give way
 * to what comes later, the oldest first. Thousands of slow senders therefore push out one another, and not a sale, which
 * is there in a moment.
 *
 * @param from.memoryBytes how much all together may hold
 */
export function createHeldMemory({ memoryBytes }: { memoryBytes: number }) {
  const incomplete = new Set<Held>() // in the order in which they began
  let [wholeBytes, incompleteBytes] = [0, 0]

  const remove = (held: Held): boolean => {
    if (!incomplete.delete(held)) return false
    incompleteBytes -= held.bytes
    return true
  }
  const makeRoom = (): void => {
    for (const oldest of incomplete) {
      if (wholeBytes + incompleteBytes <= memoryBytes) return
      remove(oldest)
      oldest.giveWay()
    }
  }

  return {
    /** Admits one whose headers are there; null if the whole ones leave it no room. */
    admit: (held: Held): Admitted | null => {
      if (wholeBytes + held.bytes > memoryBytes) return null
      incomplete.add(held)
      incompleteBytes += held.bytes
      makeRoom()
      let isWhole = false
      return {
        complete: () => {
          if (!remove(held)) return
          isWhole = true
          wholeBytes += held.bytes
        },
        release: () => {
          if (isWhole) wholeBytes -= held.bytes
          else remove(held)
        },
      }
    },
  }
}
