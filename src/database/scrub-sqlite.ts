import { createReadStream, statSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import { AppError } from '../errors.ts'
import type { Tables } from './schema.ts'

/** Written anew without asking: it takes about a second, and webhooks wait for it. */
const SMALL_BYTES = 64 * 1024 * 1024
const CHECKPOINT_TRIES = 50
const AGAIN_MS = 100

/**
 * Sees to it that what was deleted stands nowhere in the file any more. `secure_delete` overwrites what is deleted, but
 * not the copies that SQLite leaves in the gaps of pages when it moves rows between them (seen in one of a hundred
 * deliveries). Only a file that is written anew has none. A large one is searched first, and written anew only if
 * `atAnySize`, for nothing can be stored meanwhile. Gives whether no trace is left.
 * Throws AppError database.busy if a reader keeps the write-ahead log from being emptied.
 */
export async function scrubSqlite({
  db,
  file,
  traces,
  atAnySize,
}: {
  db: Kysely<Tables>
  file: string
  traces: readonly string[]
  atAnySize: boolean
}): Promise<boolean> {
  await emptyLog(db)
  if (!(await holds(file, traces))) return true
  const isSmall = statSync(file).size <= SMALL_BYTES
  if (!isSmall && !atAnySize) return false
  // The copy would otherwise lie in the folder for temporary files.
  if (isSmall) await sql`pragma temp_store = memory`.execute(db)
  await sql`vacuum`.execute(db)
  await emptyLog(db)
  return true
}

/** Writes the log's content into the file and cuts it to nothing. */
async function emptyLog(db: Kysely<Tables>): Promise<void> {
  for (let tries = 1; ; tries++) {
    const { rows } = await sql<{ busy: number }>`pragma wal_checkpoint(truncate)`.execute(db)
    if (rows[0]?.busy === 0) return
    if (tries === CHECKPOINT_TRIES) {
      throw new AppError(
        'database.busy',
        "The person is erased, but the write-ahead log can't be emptied, for another program reads the database. Repeat the command.",
      )
    }
    await delay(AGAIN_MS)
  }
}

/** Whether one of the texts stands anywhere in the file. */
async function holds(file: string, texts: readonly string[]): Promise<boolean> {
  const wanted = texts.filter((text) => text !== '').map((text) => Buffer.from(text))
  const longest = Math.max(0, ...wanted.map(({ length }) => length))
  let before: Uint8Array = new Uint8Array()
  for await (const piece of createReadStream(file, { highWaterMark: 1024 * 1024 })) {
    const chunk = Buffer.concat([before, piece])
    if (wanted.some((text) => chunk.includes(text))) return true
    before = chunk.subarray(Math.max(0, chunk.length - longest))
  }
  return false
}
