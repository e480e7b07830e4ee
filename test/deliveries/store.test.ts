import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CompiledQuery, type Kysely, sql } from 'kysely'
import type { Tables } from '../../src/deliveries/schema.ts'
import { createStore, type DueRow } from '../../src/deliveries/store.ts'
import { accepted, arrival, only, rejectedArrival, retry, START, settled, setUp, succeeded } from './harness.ts'

test('due rows come oldest first, then in the order of their arrival, and page by page without gaps', async (t) => {
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

test('only rows that are due now, waiting and ours are handed out', async (t) => {
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
  const claimed = async (): Promise<string[][]> => {
    const rows = await store.due({ limit: 10, after: null })
    const deliveries = await store.waiting(ids)
    return [rows.map(({ id }) => id), deliveries.map(({ id }) => id)]
  }
  assert.deepEqual(await claimed(), [[due.id], [due.id]])
  clock.at += 1
  assert.deepEqual(await claimed(), [
    [due.id, later.id],
    [due.id, later.id],
  ])
  assert.deepEqual(await store.waiting([]), [])
})

test('a take-over makes all unfinished rows ours, those of nobody too, and leaves the rest', async (t) => {
  const { store, replica, db, row } = await setUp(t)
  const dead = await replica('dead')
  const [lost, orphan, done] = await dead.store.write([1, 2, 3].map((order) => accepted(arrival({ order }))))
  const mine = only(await store.write([accepted(arrival({ order: 4 }))]))
  assert(lost && orphan && done)
  await dead.store.write([settled(succeeded(done.id)), settled(retry(lost.id, START + 5000, 4))])
  await db.updateTable('deliveries').set({ owner: null }).where('id', '=', orphan.id).execute()
  assert.equal(await store.takeOver(), 2)
  const { owner, attempts, due_at } = await row(lost.id)
  assert.deepEqual([owner, attempts, due_at], ['replica-1', 4, START + 5000])
  assert.equal((await row(orphan.id)).owner, 'replica-1')
  assert.equal((await row(done.id)).owner, null)
  assert.deepEqual(
    (await store.due({ limit: 10, after: null })).map(({ id }) => id).sort(),
    [orphan.id, mine.id].sort(),
  )
  assert.deepEqual((await dead.store.write([settled(succeeded(orphan.id))]))[0]?.events, [])
})

test('a bad write fails alone in its group, and the others are stored', async (t) => {
  const { inbox, db, store, published } = await setUp(t)
  await sql
    .raw(
      "create trigger bad before insert on events when new.detail like '%bad%' begin select raise(abort, 'bad'); end",
    )
    .execute(db)
  const done = only(await store.write([accepted(arrival({ order: 0 }))]))
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
      ['canonical', 'succeeded'],
      ['canonical', 'waiting'],
      ['canonical', 'waiting'],
    ],
  )
  assert.deepEqual(published.map(({ kind }) => kind).sort(), ['received', 'received', 'succeeded'])
})

/** The statements that reading the due rows sends, each with how SQLite would run it. */
async function plansOf(db: Kysely<Tables>, read: (noting: Kysely<Tables>) => Promise<unknown>): Promise<string[][]> {
  const statements: CompiledQuery[] = []
  await read(
    db.withPlugin({
      transformQuery: ({ node, queryId }) => {
        statements.push(db.getExecutor().compileQuery(node, queryId))
        return node
      },
      transformResult: async ({ result }) => result,
    }),
  )
  return Promise.all(
    statements.map(async ({ sql, parameters }) => {
      const plan = await db.executeQuery(CompiledQuery.raw(`explain query plan ${sql}`, [...parameters]))
      return plan.rows.map((row) => String(Object(row).detail))
    }),
  )
}

test('looking for due rows reads the index alone and sorts nothing, on the first page and on the next', async (t) => {
  const { db, me, store } = await setUp(t)
  await store.write([1, 2, 3].map((order) => accepted(arrival({ order }))))
  const plans = await plansOf(db, async (noting) => {
    const { due } = createStore({ db: noting, me, now: () => START, newId: () => '' })
    const [after = null] = await due({ limit: 1, after: null })
    assert(after)
    assert.equal((await due({ limit: 10, after })).length, 2)
  })
  assert.equal(plans.length, 2)
  for (const plan of plans) {
    assert.match(
      only(plan),
      /^SEARCH deliveries USING COVERING INDEX deliveries_due \(owner=\? AND state=\? AND due_at/,
    )
  }
})
