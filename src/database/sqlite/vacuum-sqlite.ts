import { createReadStream, statSync } from 'node:fs'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { sql } from 'kysely'
import { AppError } from '../../service/lib/errors.ts'
import type { Db } from '../schema.ts'

/** Files up to this size are always rewritten: it takes about a second, during which webhooks wait. */
const SMALL_BYTES = 64 * 1024 * 1024
/** So many texts are searched for in a part of the file between two turns of the event loop: some 15 ms. */
const TEXTS = 50
const CHECKPOINT_ATTEMPTS = 50
const AGAIN_MS = 100

/**
 * Removes what remains of deleted rows in the file. `secure_delete` overwrites deleted rows, but not the copies that
 * SQLite leaves in the free space of pages when it moves rows between them (seen for one in a hundred deliveries). Only
 * a rewritten file has no such copies. The file is searched for `traces` first, and a large file is rewritten only if
 * `evenIfLarge`, because nothing can be stored meanwhile. Resolves to whether no trace is left.
 * Throws AppError database.busy if a reader prevents the write-ahead log from being truncated.
 */
export async function vacuumSqlite({
  db,
  file,
  traces,
  evenIfLarge,
}: {
  db: Db
  file: string
  traces: readonly string[]
  evenIfLarge: boolean
}): Promise<boolean> {
  await truncateLog(db)
  if (!(await contains(file, traces))) return true
  const isSmall = statSync(file).size <= SMALL_BYTES
  if (!isSmall && !evenIfLarge) return false
  // Otherwise SQLite puts its copy into the folder for temporary files.
  if (isSmall) await sql`pragma temp_store = memory`.execute(db)
  await sql`vacuum`.execute(db)
  await sql`pragma temp_store = default`.execute(db) // a service keeps the connection
  await truncateLog(db)
  return true
}

/** Moves the content of the write-ahead log into the file, and truncates the log to zero bytes. */
async function truncateLog(db: Db): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const { rows } = await sql<{ busy: number }>`pragma wal_checkpoint(truncate)`.execute(db)
    if (rows[0]?.busy === 0) return
    if (attempt === CHECKPOINT_ATTEMPTS) {
      throw new AppError(
        'database.busy',
        'The person is erased, but the write-ahead log still holds copies, because another program is reading the database. Repeat the command when that program has finished.',
      )
    }
    await delay(AGAIN_MS)
  }
}

/** Whether the file contains one of the texts. */
async function contains(file: string, texts: readonly string[]): Promise<boolean> {
  const wanted = texts.filter((text) => text !== '').map((text) => Buffer.from(text))
  const longest = Math.max(0, ...wanted.map(({ length }) => length))
  let tail: Uint8Array = new Uint8Array() // a text may begin in one chunk and end in the next
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) {
    const bytes = Buffer.concat([tail, chunk])
    for (let from = 0; from < wanted.length; from += TEXTS) {
      if (wanted.slice(from, from + TEXTS).some((text) => bytes.includes(text))) return true
      await turn() // of a buyer with thousands of sales, there are ten thousands of texts
    }
    tail = bytes.subarray(Math.max(0, bytes.length - longest))
  }
  return false
}
