import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { sql } from 'kysely'
import {
  answerOf,
  arrival,
  deadline,
  only,
  onSqlite,
  progressOf,
  setUp,
  succeeded,
  timeline,
} from '../queue/harness.ts'

const running = new AbortController().signal
const quick = { timeout: 30_000 }

const fullDisk = 'on a full disk a webhook is refused and leaves nothing; a result is kept until it fits'
const onFullDisk = async (t: TestContext): Promise<void> => {
  const bench = await setUp(t)
  const { inbox, db } = bench
  const answered = inbox.submit(arrival(), deadline())
  const { id } = only(await inbox.claim(10, running))
  await inbox.submit(arrival({ email: 'waits@x.example' }), null)
  const published = bench.published.length
  const events = await bench.rows('events')

  await sql`pragma max_page_count = 1`.execute(db) // SQLite keeps at least the pages in use
  const big = { ...arrival({ email: 'big@x.example' }), body: Buffer.alloc(60_000, 'x') }
  await assert.rejects(inbox.submit(big, deadline()), (error: Error) => {
    assert.match(String(error.cause), /database or disk is full/)
    return true
  })
  const result = { ...succeeded(id), detail: 'x'.repeat(60_000) }
  const settling = inbox.settle([result])
  await bench.failed
  assert.match(String(only(bench.errors)), /database or disk is full/)
  assert.deepEqual(await bench.rows('events'), events)
  assert.equal((await bench.rows('deliveries')).length, 2)
  assert.equal(bench.published.length, published)
  assert.equal((await bench.row(id)).state, 'queued')

  await sql`pragma max_page_count = 100000`.execute(db)
  await settling
  assert.deepEqual(answerOf(await answered), { id, progress: progressOf(result) })
  assert.deepEqual(await timeline(bench, id), ['received', 'enrolled'])
  assert.equal((await inbox.submit(big, null)).progress, null)
}
// Only on SQLite, where a limit simulates a full disk: a server has no such limit.
if (onSqlite()) test(fullDisk, { timeout: 10_000 }, onFullDisk)

test('nothing is published and no sender is answered before the write has ended', quick, async (t) => {
  const bench = await setUp(t)
  const seen: number[] = []
  const { inbox, published } = await bench.replica('replica-2', (store) => ({
    ...store,
    write: async (writes) => {
      const written = await store.write(writes)
      await new Promise(setImmediate)
      seen.push(published.length)
      return written
    },
  }))
  const answered = inbox.submit(arrival(), deadline())
  const { id } = only(await inbox.claim(10, running))
  await inbox.settle([succeeded(id)])
  await answered
  assert.deepEqual(seen, [0, 1])
  assert.deepEqual(
    published.map(({ kind }) => kind),
    ['received', 'enrolled'],
  )
})

test('until a result is stored, its person is not claimed again; a close drops the result', quick, async (t) => {
  const bench = await setUp(t)
  const { inbox, failed } = await bench.replica('replica-2', (store) => ({
    ...store,
    write: (writes) => {
      if (writes.some(({ kind }) => kind === 'settle')) throw new Error('no connection')
      return store.write(writes)
    },
  }))
  const { id } = await inbox.submit(arrival(), null)
  await inbox.submit(arrival({ order: 2 }), null)
  assert.equal(only(await inbox.claim(10, running)).id, id)
  const settling = inbox.settle([succeeded(id)])
  await failed
  const stop = new AbortController()
  const taking = inbox.claim(10, stop.signal)
  stop.abort()
  assert.deepEqual(await taking, [])
  inbox.close()
  await settling
  assert.equal((await bench.row(id)).state, 'queued')
})
