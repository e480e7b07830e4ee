import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { sql } from 'kysely'
import { openDatabase } from '../../src/database/database.ts'
import { accepted, arrival, setUp } from '../queue/harness.ts'

/** What a power cut leaves of the write-ahead log: everything up to `length`, and perhaps a garbage block after it. */
interface Left {
  readonly length: number
  readonly rubbish: Buffer
}

test('after a power cut the database opens and holds everything that was stored before', async (t) => {
  const { url, store, db: serving } = await setUp(t)
  const { rows: synced } = await sql<{ synchronous: number }>`pragma synchronous`.execute(serving)
  assert.equal(synced[0]?.synchronous, 2, 'FULL: each commit is synced; test/service/fsync.slow.test.ts sees it done')
  const file = url.slice('sqlite:'.length)
  const stored: { email: string; length: number }[] = []
  for (let order = 0; order < 6; order++) {
    const email = `buyer${order}@example.com`
    await store.write([accepted(arrival({ email }))])
    stored.push({ email, length: statSync(`${file}-wal`).size }) // from now on the sender may have its answer
  }
  const log = readFileSync(`${file}-wal`)

  const copyWith = async ({ length, rubbish }: Left, name: string): Promise<string[]> => {
    const copy = join(dirname(file), name, 'lernito.db')
    mkdirSync(dirname(copy))
    copyFileSync(file, copy)
    writeFileSync(`${copy}-wal`, Buffer.concat([log.subarray(0, length), rubbish]))
    const { db, close } = openDatabase({ url: `sqlite:${copy}`, serve: true })
    const { rows } = await sql<{ integrity_check: string }>`pragma integrity_check`.execute(db)
    assert.deepEqual(
      rows.map((row) => row.integrity_check),
      ['ok'],
    )
    const emails = (await db.selectFrom('deliveries').select('email').execute()).map((row) => row.email ?? '')
    const events = await db.selectFrom('events').select('id').execute()
    assert.equal(events.length, emails.length)
    await close()
    return emails
  }

  const ends = stored.flatMap(({ length }) => [length - 1, length, length + 7, length + 4_000])
  for (const [index, length] of ends.filter((end) => end <= log.length).entries()) {
    const before = stored.filter((one) => one.length <= length).map(({ email }) => email)
    for (const rubbish of [Buffer.alloc(0), Buffer.alloc(4_120), Buffer.alloc(5_000, 0xa5)]) {
      const emails = await copyWith({ length, rubbish }, `cut-${index}-${rubbish.length}`)
      assert.deepEqual(emails.toSorted(), before.toSorted(), `cut after ${length} of ${log.length} bytes`)
    }
  }
})
