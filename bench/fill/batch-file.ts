import { closeSync, openSync, writeSync } from 'node:fs'

const BATCH = 1024 * 1024

/**
 * A new file that is written a line at a time, in batches. It doesn't return before the batch is written, so that a long
 * file isn't kept in memory.
 */
export function createBatchFile(file: string) {
  const open = openSync(file, 'w')
  let batch = ''
  const flush = (): void => {
    writeSync(open, batch)
    batch = ''
  }
  return {
    file,
    add: (line: string): void => {
      batch += `${line}\n`
      if (batch.length >= BATCH) flush()
    },
    end: (): void => {
      flush()
      closeSync(open)
    },
  }
}
