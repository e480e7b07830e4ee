import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import type { TestContext } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const INPUTS = Number(process.env.FUZZ_INPUTS ?? 1_000_000)
const SEED = Number(process.env.FUZZ_SEED ?? randomInt(2 ** 31))

/** What part of all inputs goes where; one that is sent over a socket takes a hundred times as long as the others. */
const SHARES = { json: 0.45, payload: 0.45, http: 0.1 }

const LOOKS = 20
const MIB = 1024 * 1024
/** Code is compiled and caches are filled for a while; whatever the number of inputs, it may not come to more. */
const GROWTH_BYTES = 6 * MIB

/**
 * How many inputs a fuzzer makes of FUZZ_INPUTS (10^6 by default), with the seed of FUZZ_SEED or by chance; and what
 * is the same for all: the counts that are told at the end, and that memory stays flat.
 *
 * @param from.perRun how many inputs one run of the property makes
 */
export function startFuzzing(t: TestContext, { share, perRun = 1 }: { share: keyof typeof SHARES; perRun?: number }) {
  const numRuns = Math.ceil((INPUTS * SHARES[share]) / perRun)
  const counts = new Map<string, number>()
  const heap: number[] = []
  const gc = garbageCollector()
  const escaped: unknown[] = []
  const onEscaped = (error: unknown): void => void escaped.push(error)
  process.on('uncaughtExceptionMonitor', onEscaped) // told of unhandled rejections too
  let runs = 0
  t.diagnostic(`to repeat: FUZZ_SEED=${SEED} FUZZ_INPUTS=${INPUTS} npm run test:fuzz`)

  return {
    parameters: { seed: SEED, numRuns },
    count: (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1),

    /** After each run. */
    ran: (): void => {
      runs++
      if (runs % Math.ceil(numRuns / LOOKS) !== 0) return
      gc()
      heap.push(process.memoryUsage().heapUsed)
    },

    /** Of a property that held: tells what became of the inputs. Fails if it isn't as it should be. */
    end: (): void => {
      process.off('uncaughtExceptionMonitor', onEscaped)
      const [early, late] = [lowest(heap.slice(LOOKS / 4, LOOKS / 2)), lowest(heap.slice(-LOOKS / 4))]
      const said = [...counts].sort(([, a], [, b]) => b - a).map(([what, count]) => `${what} ${count}`)
      t.diagnostic(`${runs * perRun} inputs: ${said.join(', ')}`)
      t.diagnostic(`heap: ${(early / MIB).toFixed(1)} MiB after a quarter, ${(late / MIB).toFixed(1)} MiB at the end`)
      assert.equal(runs, numRuns)
      assert.deepEqual(escaped, [])
      assert.ok(late < early + GROWTH_BYTES, 'memory grows')
    },
  }
}

const lowest = (sizes: readonly number[]): number => Math.min(...sizes)

function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc')
  const gc: unknown = runInNewContext('gc')
  assert(typeof gc === 'function')
  return () => void gc()
}
