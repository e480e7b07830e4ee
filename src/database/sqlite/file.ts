import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { sql } from 'kysely'
import { AppError } from '../../service/lib/errors.ts'
import type { Db } from '../schema.ts'

/**
 * Follows all symbolic links to the real path of a file, as SQLite does. SQLite names its write-ahead log and shared
 * memory after that path, and this service its lock. The folder must exist; the file need not.
 * Throws what the file system throws.
 */
export function resolveSymlinks(file: string): string {
  const path = join(realpathSync(dirname(resolve(file))), basename(file))
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined || !stats.isSymbolicLink()) return path
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) return realpathSync(path)
  return resolveSymlinks(resolve(dirname(path), readlinkSync(path)))
}

/**
 * Throws AppError database.unreachable for a file with a second path that isn't a symbolic link: a hard link, or a mount
 * of the file itself. A process that opens it by the other path uses another write-ahead log and another lock. Then
 * stored data is lost and the file becomes corrupt. `file` is a path from resolveSymlinks.
 */
export function assertSinglePath(file: string): void {
  const stats = statSync(file, { throwIfNoEntry: false })
  if (stats === undefined || !stats.isFile()) return
  const folder = dirname(file)
  if (stats.nlink > 1) {
    throw new AppError(
      'database.unreachable',
      `The database ${file} has ${stats.nlink} hard links, and a program that opens it under another name would corrupt it. Stop everything that uses it, remove the other names (\`find / -xdev -samefile ${file}\` lists them), and start again.`,
    )
  }
  // The device decides only without a list: on an overlay of two file systems, each file has another than its folder.
  if (mountPoints()?.includes(file) ?? stats.dev !== statSync(folder).dev) {
    throw new AppError(
      'database.unreachable',
      `The database ${file} is mounted as a single file, so its write-ahead log would be outside the mount and get lost. Mount the folder ${folder} instead, with all files in it.`,
    )
  }
}

/** All mount points that this process sees; null on a system without Linux's list of them. */
function mountPoints(): string[] | null {
  try {
    const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
    // The fifth field; a space, tab, line feed or backslash in it is written as three octal digits (proc(5)).
    return lines.map((line) =>
      (line.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, octal: string) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      ),
    )
  } catch {
    return null
  }
}

const OWNER_ONLY = 0o600

/**
 * Creates a file that only its owner may read and write, whatever the umask, or gives an existing file these
 * permissions. An existing file is not opened, because closing it would drop this process's locks on it.
 * Throws what the file system throws.
 */
export function makePrivate(file: string): void {
  try {
    closeSync(openSync(file, 'wx', OWNER_ONLY))
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error
  }
  keepPrivate(file)
}

/** The same for a file that may not exist: it is not created. */
export function keepPrivate(file: string): void {
  const mode = statSync(file, { throwIfNoEntry: false })?.mode
  if (mode === undefined || (mode & 0o777) === OWNER_ONLY) return
  try {
    chmodSync(file, OWNER_ONLY)
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error // another process closed the database in between
  }
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code

/** A sale writes some 120 KB to the log. With less, the disk would be full again at once. */
const ROOM_BYTES = 512 * 1024

/** Whether the disk of a folder has room for a few sales. Throws what the file system throws. */
export function hasRoom(folder: string): boolean {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize >= ROOM_BYTES
}

/** What prevents this user from writing to a file, or from creating it and its folder; null: nothing. `file`: its whole path. */
export function writeObstacle(file: string): string | null {
  let folder = dirname(file)
  if (existsSync(file)) {
    if (!statSync(file).isFile()) return `${file} is not a file`
    // A program of another user, such as root, may have left one of those beside it.
    const files = ['', '-wal', '-shm', '.lock'].map((suffix) => `${file}${suffix}`).filter((one) => existsSync(one))
    return unwritable([...files, folder]) ?? full(folder)
  }
  while (!existsSync(folder)) folder = dirname(folder)
  return statSync(folder).isDirectory() ? (unwritable([folder]) ?? full(folder)) : `${folder} is not a folder`
}

function unwritable(paths: readonly string[]): string | null {
  for (const path of paths) {
    try {
      accessSync(path, constants.W_OK)
    } catch {
      return `this user may not write to ${path}`
    }
  }
  return null
}

const full = (folder: string): string | null => (hasRoom(folder) ? null : `the disk of ${folder} is full`)

/** Between the name of a file and the time of a copy of it. */
const SAVED = '.saved-'

/**
 * Where a SQLite file is that is open. What is stored after its path leads elsewhere, nobody sees again. Call it while `db`
 * has the file open. `given`: the path in the settings. `file`: the same without symbolic links.
 */
export function placeOf({ given, file, db }: { given: string; file: string; db: Db }) {
  const path = resolve(given)
  const opened = identityOf(file)
  let openedLog: string | null = null // SQLite creates it later
  return {
    /** Whether the path leads to no file, or to another one. A path that can't be read proves nothing. */
    isLost: (): boolean => {
      try {
        const isLost = identityOf(path) !== opened
        if (!isLost) openedLog = identityOf(`${file}-wal`)
        return isLost
      } catch {
        return false
      }
    },
    /** The copies that saveCopy has made of files that were lost here: their whole paths. Throws what the file system throws. */
    copies: (): readonly string[] =>
      readdirSync(dirname(file))
        .filter((name) => name.startsWith(`${basename(file)}${SAVED}`))
        .map((name) => join(dirname(file), name)),
    /** Whether its disk has room: see hasRoom. */
    hasRoom: (): boolean => hasRoom(dirname(file)),
    /**
     * Copies all that is stored into a new file beside the path, and keeps the write-ahead log away from the file that is
     * at the path now: SQLite would carry the log out in that file at its next opening. For a file that is lost; nothing
     * may be stored afterwards. Returns the path of the copy. Throws what SQLite and the file system throw.
     */
    saveCopy: async (now: number): Promise<string> => {
      const copy = `${file}${SAVED}${new Date(now).toISOString().replace(/[^\dTZ]/g, '')}`
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
export type Place = ReturnType<typeof placeOf>

/** The device and inode of a path; null if it leads to no file. A file that is open keeps its inode to itself. */
function identityOf(path: string): string | null {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false })
  return stats === undefined ? null : `${stats.dev}:${stats.ino}`
}
