import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DueRow } from '../../src/queue/due.ts'
import { insertEvents } from '../../src/queue/events.ts'
import { refuseInserts } from '../database/dialects.ts'
import { accepted, arrival, only, rejectedArrival, retry, START, settled, setUp, succeeded } from './harness.ts'

test('due rows are listed oldest first, then in the order in which they were received, and page by page without gaps', async (t) => {
  const { store, clock } = await setUp(t)
  const ids: string[] = []
  for (const at of [START, START, START - 1000, START + 1000, START, START + 1000]) {
    clock.at = at
    ids.push(only(await store.write([accepted(arrival({ order: ids.length }))])).id)
  }
  const wanted = [2, 0, 1, 4, 3, 5].map((i) => ids[i])
  const all = await store.due({ limit: 10, after: null })
  assert.deepEqual(
    all.map(({ id }) => id),
    wanted,
  )
  for (const limit of [1, 2, 4]) {
    const paged: string[] = []
    for (let after: DueRow | null = null; ; ) {
      const page: DueRow[] = await store.due({ limit, after })
      paged.push(...page.map(({ id }) => id))
      after = page.at(-1) ?? null
      if (after === null) break
    }
    assert.deepEqual(paged, wanted)
  }
})

test('only rows that are due and waiting are listed, whichever replica stored them', async (t) => {
  const { store, replica, clock } = await setUp(t)
  const other = await replica('replica-2')
  const [done, later, , due] = await store.write([
    accepted(arrival({ order: 1 })),
    accepted(arrival({ order: 2 })),
    accepted(rejectedArrival()),
    accepted(arrival({ order: 3 })),
  ])
  assert(done && later && due)
  const foreign = only(await other.store.write([accepted(arrival({ order: 4 }))]))
  await store.write([settled(succeeded(done.id)), settled(retry(later.id, START + 1))])
  const ids = [foreign.id, due.id, later.id, done.id]
  const listed = async (): Promise<string[]> => (await store.due({ limit: 10 })).map(({ id }) => id)
  const read = async (): Promise<string[]> => (await store.readClaimed(ids)).map(({ id }) => id)
  assert.deepEqual((await listed()).sort(), [due.id, foreign.id].sort())
  assert.deepEqual(await read(), [foreign.id, due.id])
  clock.at += 1
  assert.deepEqual((await listed()).at(-1), later.id)
  assert.deepEqual(await read(), [foreign.id, due.id, later.id])
  assert.deepEqual(await store.readClaimed([]), [])
})

test('what is due for a person whose hold somebody has is not listed', async (t) => {
  const { store, db } = await setUp(t)
  const held = only(await store.write([accepted(arrival({ email: 'a@x.example' }))]))
  const free = only(await store.write([accepted(arrival({ email: 'b@x.example' }))]))
  const listed = async () => (await store.due({ limit: 10 })).map(({ id }) => id)
  await db.insertInto('holds').values({ name: 'a@x.example', replica: 'replica-2' }).execute()
  assert.deepEqual(await listed(), [free.id])
  await db.deleteFrom('holds').execute()
  assert.deepEqual(await listed(), [held.id, free.id])
})

test('a bad write fails alone in its group, and the others are stored', async (t) => {
  const { inbox, db, database, store, published } = await setUp(t)
  await refuseInserts({ database, table: 'events', when: "new.detail like '%bad%'" })
  const done = only(await store.write([accepted(arrival({ order: 0 }))]))
  await inbox.claim(10, new AbortController().signal)
  await inbox.beginAttempt([done.id])
  const results = await Promise.allSettled([
    inbox.submit(arrival({ order: 1 }), null),
    inbox.submit({ ...arrival({ order: 2 }), form: 'bad' }, null),
    inbox.submit(arrival({ order: 3 }), null),
    inbox.settle([succeeded(done.id)]),
  ])
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  )
  assert.deepEqual(
    (await db.selectFrom('deliveries').selectAll().execute()).map(({ form, state }) => [form, state]).sort(),
    [
      ['original', 'enrolled'],
      ['original', 'queued'],
      ['original', 'queued'],
    ],
  )
  assert.deepEqual(published.map(({ kind }) => kind).sort(), ['enrolled', 'received', 'received'])
})

test('no event is stored of a delivery that was deleted meanwhile', async (t) => {
  const { db, context, rows } = await setUp(t)
  const draft = { deliveryId: context.newId(), kind: 'kept', detail: 'another delivery was refunded' } as const
  await db.transaction().execute((trx) => insertEvents({ ...context, trx, at: START }, [draft]))
  assert.deepEqual(await rows('events'), [])
})
