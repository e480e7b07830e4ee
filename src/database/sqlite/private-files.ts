import { chmodSync, closeSync, openSync, statSync } from 'node:fs'

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
