import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { plansOf } from '../../database/dialects.ts'
import { DEMO } from '../../harness.ts'
import { onSqlite } from '../../queue/harness.ts'
import { DAY_MS, register, setUp } from './harness.ts'

test('a round finds its rows by an index, and writes them by their ids, however many buyers wait', async (t) => {
  const bench = await setUp(t)
  await bench.sell(Array.from({ length: 1_000 }, (_, n) => ({ email: `buyer${n}@x.example` })))
  await bench.sell(
    Array.from({ length: 2_000 }, (_, n) => ({
      email: `other${n}@x.example`,
      courses: { [DEMO]: 'enrolled' as const },
    })),
  )
  if (!onSqlite()) await sql`analyze table deliveries`.execute(bench.db)
  await register(bench, 'buyer1@x.example', false)
  const plans = await plansOf(bench.database, async (db) => {
    await bench.round({}, { ...bench.context, database: { ...bench.database, db } })
  })
  const found = plans.filter(({ sql: text }) => !/^insert/.test(text) && /deliveries/.test(text))
  assert.ok(found.length >= 10, `${found.length} statements`)
  for (const { sql: text, plan } of found) {
    for (const line of plan) {
      // A page of the list is read in order from an index, and then sorted once more: see in-order.ts.
      const isPage = / as .(some|part)./.test(text)
      const dear = isPage ? /SCAN (?!some|part)/ : /SCAN|USE TEMP B-TREE/
      const dearOnServer = isPage ? /^ALL (?!null)/ : /^(ALL|index) |filesort/
      assert.doesNotMatch(line, onSqlite() ? dear : dearOnServer, `${text}\n${line}`)
    }
  }
  const updates = found.filter(({ sql: text }) => /^update .deliveries/.test(text))
  assert.ok(updates.length > 0)
  for (const { sql: text, plan } of updates) {
    const byId = onSqlite() ? /sqlite_autoindex_deliveries_1 \(id=\?\)/ : /^(range|const) PRIMARY/
    assert.match(plan.join('\n'), byId, text)
  }
})

test('a round of those who are enrolled finds the sales along the index by time', async (t) => {
  const bench = await setUp(t)
  await bench.lookAgain()
  await bench.sell(
    Array.from({ length: 200 }, (_, n) => ({ email: `b${n}@x.example`, courses: { [DEMO]: 'enrolled' as const } })),
  )
  if (!onSqlite()) await sql`analyze table deliveries`.execute(bench.db)
  bench.later(7 * DAY_MS)
  const plans = await plansOf(bench.database, async (db) => {
    await bench.lookAgain({}, { ...bench.context, database: { ...bench.database, db } })
  })
  const walks = plans.filter(({ sql: text }) => /received_at/.test(text) && /deliveries/.test(text))
  assert.equal(walks.length >= 3, true)
  for (const { sql: text, plan } of walks) assert.match(plan.join('\n'), /deliveries_received/, text)
})

test('a round reads the sales of a time once, however many courses they are of', async (t) => {
  const readsFor = async (courses: number): Promise<number> => {
    const bench = await setUp(t)
    await bench.lookAgain()
    await bench.sell(
      Array.from({ length: courses }, (_, n) => ({
        email: `b${n}@x.example`,
        courses: { [`course-v1:Lernito+C${n}+2026`]: 'enrolled' as const },
      })),
    )
    bench.later(7 * DAY_MS)
    const plans = await plansOf(bench.database, async (db) => {
      const { deliveries } = await bench.lookAgain({}, { ...bench.context, database: { ...bench.database, db } })
      assert.equal(deliveries, courses)
    })
    return plans.filter(({ sql: text }) => /received_at. [<>]=?/.test(text)).length
  }
  assert.equal(await readsFor(10), await readsFor(1))
})

test('a step reads the other sales to a buyer once, however many of them have lost their access', async (t) => {
  const readsFor = async (sales: number): Promise<number> => {
    const bench = await setUp(t)
    await bench.lookAgain()
    await register(bench, 'company@x.example')
    await bench.sell(
      Array.from({ length: sales }, (_, order) => {
        return { email: 'company@x.example', order, courses: { [DEMO]: 'enrolled' as const } }
      }),
    )
    bench.later(7 * DAY_MS)
    const plans = await plansOf(bench.database, async (db) => {
      const { events } = await bench.lookAgain({}, { ...bench.context, database: { ...bench.database, db } })
      assert.equal(events, sales, 'each sale says that its access has ended')
    })
    return plans.filter(({ sql: text }) => /^select .id. from .deliveries. where .email. in/.test(text)).length
  }
  assert.deepEqual([await readsFor(1), await readsFor(10)], [1, 1])
})
