import { renameSync, rmSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Kysely, sql } from 'kysely'
import type { Tables } from '../schema.ts'
import { makePrivate } from './file.ts'

/** Where a SQLite file is that is open. What is stored after its path leads elsewhere, nobody sees again. */
export interface Place {
  /** Whether the path leads to no file, or to another one. A path that can't be read proves nothing. */
  isLost(): boolean
  /**
   * Copies all that is stored into a new file beside the path, and keeps the write-ahead log away from the file that is
   * at the path now: SQLite would carry the log out in that file at its next opening. For a file that is lost; nothing
   * may be stored afterwards. Returns the path of the copy. Throws what SQLite and the file system throw.
   */
  saveCopy(now: number): Promise<string>
}

/** `given`: the path in the settings. `file`: the same without symbolic links. Call it while `db` has the file open. */
export function placeOf({ given, file, db }: { given: string; file: string; db: Kysely<Tables> }): Place {
  const path = resolve(given)
  const opened = identityOf(file)
  let openedLog: string | null = null // SQLite creates it later
  const base = (now: number): string => `${file}.saved-${new Date(now).toISOString().replace(/[^\dTZ]/g, '')}`
  return {
    isLost: () => {
      try {
        const isLost = identityOf(path) !== opened
        if (!isLost) openedLog = identityOf(`${file}-wal`)
        return isLost
      } catch {
        return false
      }
    },
    saveCopy: async (now) => {
      const copy = base(now)
      try {
        makePrivate(copy)
        await sql`vacuum into ${copy}`.execute(db)
      } finally {
        const isOurs = identityOf(file) !== opened && identityOf(`${file}-wal`) === openedLog
        if (openedLog !== null && isOurs) {
          renameSync(`${file}-wal`, `${copy}.log`)
          rmSync(`${file}-shm`, { force: true })
        }
      }
      rmSync(`${copy}.log`, { force: true })
      return copy
    },
  }
}

/** The device and inode of a path; null if it leads to no file. A file that is open keeps its inode to itself. */
function identityOf(path: string): string | null {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false })
  return stats === undefined ? null : `${stats.dev}:${stats.ino}`
}
