import type { Later } from './later.ts'

/** Gives the slot back, `afterMs` from now. */
export type Leave = (afterMs: number) => void

/** Lets only so many calls be under way at once; the others wait in the order in which they came. */
export interface Gate {
  enter(): Promise<Leave>
}

/**
 * @param from.slots how many may be inside at once, at least 1; asked anew each time, since it may change
 * @param from.later the timer for slots that are given back later
 */
export function createGate(from: { slots: () => number; later: Later }): Gate {
  const waiting: (() => void)[] = []
  let inside = 0

  function letIn() {
    while (inside < from.slots()) {
      const next = waiting.shift()
      if (next === undefined) return
      inside += 1
      next()
    }
  }

  function release() {
    inside -= 1
    letIn()
  }

  return {
    async enter() {
      const entered = new Promise<void>((resolve) => waiting.push(resolve))
      letIn()
      await entered
      let left = false
      return (afterMs) => {
        if (left) return
        left = true
        if (afterMs > 0) from.later(afterMs, release)
        else release()
      }
    },
  }
}
