import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { readOutbox } from '../../src/operators/reports/outbox.ts'
import { claimEvents } from '../../src/queue/outbox/claim.ts'
import { openEndpoint } from '../../src/queue/outbox/endpoint.ts'
import { purgeAuditStep, purgeStep } from '../../src/queue/retention.ts'
import { createStore } from '../../src/queue/store.ts'
import { plansOf } from '../database/dialects.ts'
import {
  accepted,
  arrival,
  joined,
  needsAttention,
  onSqlite,
  type Replica,
  START,
  settled,
  setUp,
  succeeded,
} from './harness.ts'

const ROWS = 2000

/** How many finished deliveries to store, besides some that wait: with few rows every plan is a scan. */
async function fill({ db, store }: Replica): Promise<void> {
  for (let from = 0; from < ROWS; from += 200) {
    const emails = Array.from({ length: 200 }, (_, i) => `p${from + i}@x.example`)
    const written = await store.write(emails.map((email) => accepted(arrival({ email }))))
    await store.write(written.slice(0, 190).map(({ id }) => settled(succeeded(id))))
  }
  await sql.raw(onSqlite() ? 'analyze' : 'analyze table deliveries, delivery_lines, events, replicas').execute(db)
}

test('with thousands of deliveries', async (t) => {
  const bench = await setUp(t)
  await fill(bench)

  await t.test(
    'the query for due rows reads the index alone and sorts nothing, on the first page and on the next',
    async () => {
      const plans = await plansOf(bench.database, async (db) => {
        const { due } = createStore({
          database: { ...bench.database, db },
          replicas: bench.replicas,
          now: () => START,
          newId: bench.context.newId,
          random: () => 0.5,
          hasOutbox: false,
          publish: () => {},
        })
        const [after = null] = await due({ limit: 1, after: null })
        assert(after)
        assert.equal((await due({ limit: 10, after })).length, 10)
      })
      assert.equal(plans.length, 2)
      for (const { plan } of plans) {
        const [deliveries = '', holds = ''] = plan
        assert.match(
          deliveries,
          onSqlite()
            ? /^SEARCH deliveries USING COVERING INDEX deliveries_due \(state=\? AND due_at/
            : /^(range|ref) deliveries_due: Using where; Using index$/,
        )
        assert.match(holds, onSqlite() ? /^SEARCH holds USING .*\(name=\?\)/ : /^(eq_ref|ref|system|ALL|const) /)
        assert.equal(plan.length, 2)
      }
    },
  )

  await t.test('every statement of the inbox finds its rows by an index', async () => {
    const [first, second] = await bench.store.due({ limit: 2, after: null })
    assert(first && second)
    const { id } = first
    const plans = await plansOf(bench.database, async (db) => {
      const database = { ...bench.database, db }
      const { replicas, store } = await joined({ database, me: 'replica-1', now: () => START })
      await store.write([accepted(arrival({ email: 'new@x.example' })), settled(succeeded(id))])
      await store.write([settled(needsAttention(second.id))])
      await store.write([accepted(arrival({ email: 'new@x.example' })), accepted(arrival({ email: 'p0@x.example' }))])
      const named = { ...arrival({ email: 'p0@x.example' }), webhookId: 'msg_1' }
      await store.write([accepted(named), accepted({ ...arrival({ order: 2 }), webhookId: 'msg_1' })])
      await store.readClaimed([id])
      await store.progress([id])
      await store.due({ limit: 10, among: [id] })
      const deliveries = await store.readClaimed([id])
      await store.beginAttempt(deliveries)
      await store.mayContinue([id])
      await replicas.holds.sweep()
      await replicas.leave()
    })
    const found = plans.filter(({ sql }) => !/^insert/.test(sql) && /deliveries|delivery_lines|events/.test(sql))
    assert(found.length >= 15, `${found.length} statements`)
    for (const { sql, plan } of found) {
      for (const line of plan) {
        assert.doesNotMatch(line, onSqlite() ? /SCAN|USE TEMP B-TREE/ : /^(ALL|index) |filesort/, `${sql}\n${line}`)
      }
    }
  })

  await t.test(
    'the next event for the shop and the oldest ones are found in their order, however many wait',
    async () => {
      const { db } = bench
      const about = {
        type: 'delivery.enrolled',
        body: '{}',
        created_at: START,
        attempts: 0,
        failed_at: null,
        error: null,
      }
      const rows = Array.from({ length: ROWS }, (_, n) => {
        const id = `event-${String(n).padStart(8, '0')}`
        return { ...about, id, about: `delivery-${n}`, seq: n, due_at: START + n }
      })
      for (let from = 0; from < ROWS; from += 200) {
        await db
          .insertInto('outbox')
          .values(rows.slice(from, from + 200))
          .execute()
      }
      await sql.raw(onSqlite() ? 'analyze' : 'analyze table outbox').execute(db)
      await openEndpoint(db, 'https://shop.example.com/events')
      const { replicas } = await joined({ database: bench.database, me: 'sender', now: () => START })
      const plans = await plansOf(bench.database, async (planned) => {
        const context = { ...bench.context, database: { ...bench.database, db: planned }, now: () => START + 5 }
        const { holds } = replicas
        assert.equal((await claimEvents({ context, holds, max: 8 })).length, 6)
        await db.updateTable('endpoints').set({ state: 'down', probe_at: START }).execute()
        assert.deepEqual(
          (await claimEvents({ context, holds, max: 8 })).map(({ id }) => id),
          [rows.at(-1)?.id],
        )
        assert.equal((await readOutbox(planned)).oldestAt, START)
      })
      const found = plans.filter(({ sql: text }) => /^select.*outbox/.test(text))
      assert.ok(found.length >= 6, `${found.length} statements`)
      for (const { sql: text, plan } of found) {
        for (const line of plan) {
          const dear = onSqlite() ? /SCAN (?!\(?subquery|some)|USE TEMP B-TREE/ : /^ALL (?!null)|filesort/
          assert.doesNotMatch(line, dear, `${text}\n${plan.join('\n')}`)
        }
      }
    },
  )

  // The last one, because it deletes deliveries.
  await t.test('retention finds old rows by an index, however many rows are kept', async () => {
    const plans = await plansOf(bench.database, async (db) => {
      const context = { ...bench.context, database: { ...bench.database, db } }
      assert.equal(await purgeStep({ ...context, before: START }), 0)
      assert.equal(await purgeStep({ ...context, before: START + 1 }), 200)
      await purgeAuditStep({ ...context, before: START })
    })
    const found = plans.filter(({ sql }) => /deliveries|events/.test(sql))
    assert(found.length >= 7, `${found.length} statements`)
    for (const { sql, plan } of found) {
      for (const line of plan) {
        assert.doesNotMatch(line, onSqlite() ? /SCAN|USE TEMP B-TREE/ : /^(ALL|index) |filesort/, `${sql}\n${line}`)
      }
    }
  })
})
