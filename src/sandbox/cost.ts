import type { Tally } from './state.ts'

/** 'measured': an LMS of two workers that takes its time, as measured. 'none': it answers at once. */
export type Cost = 'none' | 'measured'
export type Workers = ReturnType<typeof createWorkers>

const workerCount = 2

/** Milliseconds that a call holds a worker, given what it does (measured: test/recordings/README.md, 'Cost of a call'). */
export function callCost({ newEnrollments, newAllowances, already }: Tally): number {
  return 20 + 3 * newAllowances + 20 * newEnrollments + already
}

/** The LMS's workers. `enter` waits in a queue for a free one; what it returns gives it back. */
export function createWorkers({ cost }: { cost: Cost }) {
  const queue: (() => void)[] = []
  let free = workerCount

  async function enter(): Promise<() => void> {
    if (cost === 'none') return () => {}
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => queue.push(resolve))
    return () => {
      const next = queue.shift()
      if (next) next()
      else free += 1
    }
  }

  return { enter, measured: cost === 'measured' }
}
