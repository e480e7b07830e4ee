import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { stepReplay } from '../../../src/operators/changes/bulk-steps.ts'
import { forget } from '../../../src/operators/changes/forget.ts'
import { createOperations } from '../../../src/operators/changes/operations.ts'
import type { DeliveryFilter } from '../../../src/operators/find/filter.ts'
import { neighborsOf } from '../../../src/operators/find/search.ts'
import { countByState, salesByCourse, salesBySpan } from '../../../src/operators/reports/counts.ts'
import { readCauses } from '../../../src/operators/reports/overview.ts'
import { plansOf } from '../../database/dialects.ts'
import {
  accepted,
  arrival,
  COURSE,
  needsAttention,
  onSqlite,
  type Replica,
  settled,
  setUp,
  succeeded,
} from '../../queue/harness.ts'

const ROWS = 2000
const OTHER = 'course-v1:edX+Other+2026'

async function fill({ db, store, operations }: Replica, clock: { at: number }): Promise<string[]> {
  const all: string[] = []
  for (let from = 0; from < ROWS; from += 200) {
    const people = Array.from({ length: 200 }, (_, i) =>
      arrival({
        email: `p${from + i}@x.example`,
        username: `u${from + i}`,
        courseIds: i < 150 ? [COURSE, OTHER] : [COURSE],
      }),
    )
    const ids = (await store.write(people.map(accepted))).map(({ id }) => id)
    await store.write(ids.slice(0, 180).map((id) => settled(succeeded(id))))
    await store.write(ids.slice(180, 190).map((id) => settled(needsAttention(id))))
    all.push(...ids)
    clock.at += 1000
  }
  await operations.replay({ ids: all.slice(0, 40), by: 'alice' })
  // More than the ids of a step of a bulk replay, for which a scan of a shorter table would be the best plan.
  for (const id of all.slice(100, 500)) await operations.withdraw({ id, courses: null, paid: false, by: 'alice' })
  // Not replicas: the one row of a test would make a scan the best plan.
  const tables = ['deliveries', 'events', 'bulk_replays', 'delivery_lines', 'replayed_deliveries', 'webhook_ids']
  for (const table of tables) await sql.raw(`analyze ${onSqlite() ? '' : 'table '}${table}`).execute(db)
  return all
}

/**
 * Checks that a plan reads every table through an index in the right order, and through the index that a hint names, if
 * there is one. A derived table is only as long as its limit. What a person, a cause or a bulk replay has is sorted.
 */
function assertCheap(plans: readonly { sql: string; plan: readonly string[] }[]): void {
  for (const { sql, plan } of plans) {
    const [, hinted] = /INDEX\(deliveries (\w+)\)/.exec(sql) ?? []
    if (hinted !== undefined)
      assert.ok(
        plan.some((line) => new RegExp(`\\b${hinted}\\b`).test(line)),
        `${sql}\n${plan.join('\n')}`,
      )
    // There are few replicas, holds and bulk replays, which retention deletes.
    if (sql.startsWith('insert') || /bulk_replays|from .(replicas|holds)/.test(sql)) continue
    for (const line of plan) {
      const derived = /SCAN (some|part|CONSTANT)|^ALL null|derived|union|Select tables optimized/i.test(line)
      const few = /deliveries_(email|username|cause)|`(id|replay_id)` (in|=)|\(select/.test(sql)
      const sorts = few ? '' : onSqlite() ? '|USE TEMP B-TREE' : '|filesort|temporary'
      const dear = new RegExp(`${onSqlite() ? 'SCAN (?!.*USING .*INDEX)' : '^(ALL|index null)'}${sorts}`)
      if (!derived) assert.doesNotMatch(line, dear, `${sql}\n${plan.join('\n')}`)
    }
  }
}

const FILTERS: Readonly<Record<string, DeliveryFilter>> = {
  'no condition': {},
  'a time': { from: 0, to: Number.MAX_SAFE_INTEGER },
  'an address': { email: 'p7@x.example' },
  'a username': { username: 'u7' },
  'a text': { find: 'p7' },
  'a fragment of a course key': { find: 'X+Other' },
  'an id or a text': { find: 'ABCDEFGHI' },
  'a course': { course: COURSE },
  'a further course': { course: OTHER },
  'a state': { states: ['needs_attention'] },
  'several states': { states: ['queued', 'needs_attention', 'rejected'] },
  'a bulk replay': { replay: 'X' },
  'what a bulk replay starts': { states: ['handled'], startable: true },
  'a course and a state': { course: COURSE, states: ['needs_attention'] },
}

test('with thousands of deliveries', async (t) => {
  const bench = await setUp(t)
  const [one = '', two = ''] = await fill(bench, bench.clock)
  const operationsOn = (db: Replica['db']) => {
    const context = { ...bench.context, database: { ...bench.database, db } }
    return { context, operations: createOperations({ context, guard: (work) => work() }) }
  }

  for (const [name, filter] of Object.entries(FILTERS)) {
    await t.test(`a list by ${name} finds its rows through an index, on the first page and on the next`, async () => {
      const plans = await plansOf(bench.database, async (db) => {
        const { operations } = operationsOn(db)
        const first = await operations.list({ filter, limit: 5 })
        if (first.next !== null) await operations.list({ filter, limit: 5, after: first.next })
      })
      assert.ok(plans.length > 0)
      assertCheap(plans)
    })
  }

  // A server chooses by what is stored.
  if (onSqlite()) {
    await t.test('the sales that wait for an outage that goes on are found by the time of receiving', async () => {
      const plans = await plansOf(bench.database, async (db) => {
        const context = { ...bench.context, database: { ...bench.database, reports: db } }
        const operations = createOperations({ context, guard: (work) => work() })
        await operations.waitedSales({ from: bench.clock.at - 3_600_000 })
      })
      assert.equal(plans.length, 1)
      for (const { sql, plan } of plans) assert.match(plan.join('\n'), /deliveries_received/, sql)
    })
  }

  await t.test('the reports read the deliveries through an index', async () => {
    const plans = await plansOf(bench.database, async (db) => {
      const now = bench.clock.at
      await readCauses(db)
      await countByState(db)
      await salesBySpan(db, [now - 3_600_000, now])
      await salesByCourse(db, { from: now - 3_600_000 })
      await countByState(db, { sales: true })
      await countByState(db, { from: now - 3_600_000, to: now })
      await neighborsOf(db, { id: one, filter: {} })
      await neighborsOf(db, { id: one, filter: { states: ['queued', 'needs_attention'] } })
    })
    assert.ok(plans.length >= 10, `${plans.length}`)
    for (const { sql, plan } of plans) {
      const read = plan.filter((line) => (onSqlite() ? /(SEARCH|SCAN) deliveries/ : / deliveries_|PRIMARY/).test(line))
      assert.ok(read.length > 0, `${sql}\n${plan.join('\n')}`)
      for (const line of read) assert.match(line, onSqlite() ? /USING .*INDEX/ : /^(range|ref|eq_ref|const|index)/, sql)
    }
  })

  // The last one, because it changes deliveries.
  await t.test(
    'every other operation of the console and the command line finds its rows through an index',
    async () => {
      const plans = await plansOf(bench.database, async (db) => {
        const { context, operations } = operationsOn(db)
        await operations.show(one)
        await operations.timeline(one)
        await operations.person('p7@x.example')
        await operations.buyerOf(two)
        const { next } = await operations.audit({ limit: 5 })
        await operations.audit({ limit: 5, after: next })
        await operations.summaries([one, two])
        await operations.overview()
        await operations.replay({ ids: [one, two], by: 'alice' })
        await operations.markHandled({ id: one, as: 'settled', note: '', by: 'alice' })
        const { id } = await operations.startReplay({ filter: { states: ['needs_attention'] }, by: 'alice' })
        await stepReplay(context, id)
        await operations.replayResults(id)
        await operations.countByState({})
        await operations.list({ filter: { states: ['handled'] } })
        await forget(context, { email: 'p9@x.example', by: 'alice' })
        await bench.store.mayContinue([two])
      })
      assert.ok(plans.length > 25, `${plans.length}`)
      assertCheap(plans)
    },
  )
})
