/** Runs a function some ms from now. */
export type Later = (ms: number, then: () => void) => void

/** Gives the slot back, `afterMs` from now. */
export type Leave = (afterMs: number) => void

/** Lets only so many calls be under way at once; the others wait in the order in which they came. */
export interface Gate {
  enter(): Promise<Leave>
}

/**
 * @param from.slots how many may be inside at once
 * @param from.later the timer for slots that are given back later
 */
export function createGate(from: { slots: number; later: Later }): Gate {
  const waiting: (() => void)[] = []
  let free = from.slots

  function release() {
    const next = waiting.shift()
    if (next === undefined) free += 1
    else next()
  }

  return {
    async enter() {
      if (free > 0) free -= 1
      else await new Promise<void>((resolve) => waiting.push(resolve))
      let inside = true
      return (afterMs) => {
        if (!inside) return
        inside = false
        if (afterMs > 0) from.later(afterMs, release)
        else release()
      }
    },
  }
}
