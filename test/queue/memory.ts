import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const TIMES = 2000
const ROUNDS = 6

/** How many bytes each `use` leaves in memory. A leak grows in every round, the rest of the process only in some. */
export async function bytesKept(use: () => Promise<unknown>): Promise<number> {
  setFlagsFromString('--expose-gc')
  const gc: unknown = runInNewContext('gc')
  assert(typeof gc === 'function')
  const growths: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.memoryUsage().heapUsed
    await Promise.all(Array.from({ length: TIMES }, use))
    await new Promise(setImmediate)
    gc()
    growths.push((process.memoryUsage().heapUsed - before) / TIMES)
  }
  return Math.min(...growths.slice(1)) // the first round also frees garbage from before
}
