import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import { type Inspected, type Inspection, PRE_ENROLLED_SQL } from '../inspection.ts'
import { isBusy } from './connection.ts'
import { assertSinglePath, resolveSymlinks } from './file.ts'

const BUSY_TIMEOUT_MS = 1000

const tables = z.array(z.object({ name: z.string() }))
const replicas = z.array(z.object({ id: z.string() }))
const outcomes = z.array(z.object({ outcome: z.string() }))
const migrations = z.array(z.object({ oldest_code: z.number() }))

/** See inspectDatabase. */
export function inspectSqlite({ file: name }: { file: string }): Inspected {
  const obstacle = writeObstacle(resolve(name))
  if (obstacle !== null) return { ok: false, name, obstacle: 'not_writable', reason: obstacle }
  try {
    const file = existsSync(dirname(resolve(name))) ? resolveSymlinks(name) : name
    assertSinglePath(file)
    const alive = isServed(file) ? 1 : 0
    const { names, ...content } = readContent(file)
    return { ok: true, name, found: { ...content, clock: null, server: null, services: { alive, silent: 0, names } } }
  } catch (error) {
    return { ok: false, name, obstacle: 'unusable', reason: error instanceof Error ? error.message : String(error) }
  }
}

/** What prevents the service from writing, or from creating the file and its folder; null: nothing. */
function writeObstacle(file: string): string | null {
  if (existsSync(file))
    return statSync(file).isFile() ? (unwritable(file) ?? unwritable(dirname(file))) : `${file} is not a file`
  let folder = dirname(file)
  while (!existsSync(folder)) folder = dirname(folder)
  return statSync(folder).isDirectory() ? unwritable(folder) : `${folder} is not a folder`
}

function unwritable(path: string): string | null {
  try {
    accessSync(path, constants.W_OK)
    return null
  } catch {
    return `this user may not write to ${path}`
  }
}

const EMPTY = { level: 0, oldestCode: 0, preEnrolled: [], names: [] }

function readContent(
  file: string,
): Pick<Inspection, 'level' | 'oldestCode' | 'preEnrolled'> & { readonly names: readonly string[] } {
  if (!existsSync(file)) return EMPTY
  const connection = openReadOnly(file)
  try {
    const named = tables.parse(connection.prepare('select name from sqlite_master').all())
    const has = (table: string): boolean => named.some(({ name }) => name === table)
    if (!has('migrations')) return EMPTY
    const services = has('replicas') ? replicas.parse(connection.prepare('select id from replicas').all()) : []
    const applied = migrations.parse(connection.prepare('select oldest_code from migrations').all())
    const preEnrolled = applied.length === 0 ? [] : outcomes.parse(connection.prepare(PRE_ENROLLED_SQL).all())
    return {
      level: applied.length,
      oldestCode: Math.max(0, ...applied.map(({ oldest_code }) => oldest_code)),
      preEnrolled: preEnrolled.map(({ outcome }) => outcome),
      names: services.map(({ id }) => id),
    }
  } finally {
    connection.close()
  }
}

/**
 * Opens the file without leaving files behind. A reader of a WAL database creates the files -wal and -shm if they are
 * missing, and can't delete them. The service's user might then lack the permission to write to them. If they are
 * missing, no process has the database open, so it can be read as immutable.
 */
function openReadOnly(file: string): DatabaseSync {
  const location = pathToFileURL(file)
  if (!existsSync(`${file}-wal`)) location.searchParams.set('immutable', '1')
  return new DatabaseSync(location, { readOnly: true, timeout: BUSY_TIMEOUT_MS })
}

/** Whether a service holds FILE.lock. A starting service waits for the lock longer than this check takes. */
function isServed(file: string): boolean {
  if (!existsSync(`${file}.lock`)) return false
  const lock = new DatabaseSync(`${file}.lock`, { readOnly: true, timeout: 0 })
  try {
    lock.prepare('select 1 from sqlite_master').all()
    return false
  } catch (error) {
    if (isBusy(error)) return true
    throw error
  } finally {
    lock.close()
  }
}
