import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createBatchFile } from './batch-file.ts'
import type { Value } from './deliveries.ts'

/** The rows of the index of words, which are inserted in the order of their key: otherwise it takes hours. */
export interface SortedWords {
  add(row: readonly Value[]): void
  /** Sorts them in a file, and reads it. */
  sorted(): AsyncGenerator<string[]>
  /** Sorts them in a file, with tabs between the columns. Resolves to its path. */
  sortedFile(): Promise<string>
}

/** Returns an empty set of words, in files in `folder`. */
export function createSortedWords({ folder }: { folder: string }): SortedWords {
  const [given, sorted] = [join(folder, 'words.tsv'), join(folder, 'words-sorted.tsv')]
  const output = createBatchFile(given)

  const sortedFile = async (): Promise<string> => {
    output.end()
    const sort = spawn('sort', ['-S', '2G', '-T', folder, '-o', sorted, given], {
      env: { ...process.env, LC_ALL: 'C' },
    })
    const [code] = await once(sort, 'exit')
    if (code !== 0) throw new Error(`sort ended with ${code}`)
    return sorted
  }

  return {
    add: (row) => output.add(row.join('\t')),
    sorted: async function* () {
      const lines = createInterface({ input: createReadStream(await sortedFile()) })
      for await (const line of lines) yield line.split('\t')
    },
    sortedFile,
  }
}
