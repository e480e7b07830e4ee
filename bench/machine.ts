import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { quantile } from './load.ts'
import { round } from './row.ts'

/** The facts about the machine that the figures depend on. `folder` is where the databases of the bench are. */
export function machineFacts({ folder }: { folder: string }): Record<string, number | string> {
  const processors = cpus()
  const fsyncs = fsyncTimes(join(folder, 'fsync'))
  return {
    CPU: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    'memory, GiB': round(totalmem() / 1024 ** 3),
    'load before the run': round(loadavg()[0] ?? 0),
    'Node.js': process.versions.node,
    system: `${process.platform} ${process.arch}`,
    database: `SQLite ${sqliteVersion()}, WAL, synchronous FULL`,
    'fsync of 4 KiB, median ms': round(quantile(fsyncs, 0.5)),
    'fsync of 4 KiB, p99 ms': round(quantile(fsyncs, 0.99)),
  }
}

/** Whether the load of the last minute, before the bench, was more than a quarter of the processors. */
export const isBusy = (): boolean => (loadavg()[0] ?? 0) > cpus().length / 4

function fsyncTimes(file: string): number[] {
  const page = Buffer.alloc(4096, 1)
  const open = openSync(file, 'w')
  try {
    return Array.from({ length: 200 }, () => {
      writeSync(open, page)
      const began = performance.now()
      fsyncSync(open)
      return performance.now() - began
    })
  } finally {
    closeSync(open)
    rmSync(file)
  }
}

function sqliteVersion(): string {
  const database = new DatabaseSync(':memory:')
  const row = database.prepare('select sqlite_version() as version').get()
  database.close()
  return String(row?.version)
}
