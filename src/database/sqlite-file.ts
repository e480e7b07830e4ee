import { lstatSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { AppError } from '../errors.ts'

/**
 * The path of a file behind all symbolic links, as SQLite takes it too: it names the write-ahead log and the shared
 * memory after that path, and this service its lock. The file need not be there, but its folder.
 * Throws what the file system throws.
 */
export function realFile(file: string): string {
  const path = join(realpathSync(dirname(resolve(file))), basename(file))
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined || !stats.isSymbolicLink()) return path
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) return realpathSync(path)
  return realFile(resolve(dirname(path), readlinkSync(path)))
}

/**
 * Throws AppError database.unreachable for a file that has a second path which no symbolic link tells of: a hard link,
 * or a mount of the file itself. Who opens it by the other path has another write-ahead log and another lock, so that
 * what one stores is lost and the file becomes corrupt. `file` is a path as realFile gives it.
 */
export function assertOnePath(file: string): void {
  const stats = statSync(file, { throwIfNoEntry: false })
  if (stats === undefined || !stats.isFile()) return
  const folder = dirname(file)
  if (stats.nlink > 1) {
    throw new AppError(
      'database.unreachable',
      `The database ${file} has ${stats.nlink} names (hard links), and whoever opens it by another one destroys it. Stop everything that uses it, remove the other names (\`find / -xdev -samefile ${file}\` lists them), and start again.`,
    )
  }
  if (stats.dev !== statSync(folder).dev || mountPoints().includes(file)) {
    throw new AppError(
      'database.unreachable',
      `The database ${file} is itself a mount point, so that its write-ahead log would lie outside of what is mounted and be lost. Mount the folder ${folder} instead, with all files in it.`,
    )
  }
}

/** Where something is mounted, as this process sees it; none on a system without Linux's list. */
function mountPoints(): string[] {
  try {
    const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
    // The fifth field; a space, tab, line feed or backslash in it is written as three octal digits (proc(5)).
    return lines.map((line) =>
      (line.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, octal: string) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      ),
    )
  } catch {
    return []
  }
}
