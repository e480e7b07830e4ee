import { closeSync, openSync, readSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { isMainThread } from 'node:worker_threads'

/**
 * For a process that imports this file first: its monotonic clock leaves out the time that the file STANDSTILL_FILE
 * names. A process that is stopped by SIGSTOP has a monotonic clock that goes on. That of a paused virtual machine stands
 * still, which needs this.
 */
const { STANDSTILL_FILE } = process.env
if (STANDSTILL_FILE !== undefined && isMainThread) {
  const file = openSync(STANDSTILL_FILE, 'r')
  process.once('exit', () => closeSync(file))
  const left = new Float64Array(1)
  const stoodStillMs = (): number => {
    readSync(file, left, 0, left.byteLength, 0)
    return left[0] ?? 0
  }
  const { hrtime } = process
  const now = performance.now.bind(performance)
  const bigint = hrtime.bigint.bind(hrtime)
  performance.now = () => now() - stoodStillMs()
  hrtime.bigint = () => bigint() - BigInt(Math.round(stoodStillMs() * 1e6))
}

/** The options of Node.js with which a process has such a clock. */
export const STANDING_CLOCK = ['--import', pathToFileURL(import.meta.filename).href] as const

/** Writes for how long the clock has stood still in all, ms. */
export const writeStandstill = (file: string, ms: number): void =>
  writeFileSync(file, new Uint8Array(new Float64Array([ms]).buffer))
