import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { sql } from 'kysely'
import { forget } from '../../src/operators/changes/forget.ts'
import { timeline } from '../../src/operators/find/timeline.ts'
import { createShopAnswers } from '../../src/queue/shop-answers.ts'
import type { Written } from '../../src/queue/store.ts'
import { AppError } from '../../src/service/lib/errors.ts'
import { plansOf } from '../database/dialects.ts'
import { accepted, arrival, only, onSqlite, START, setUp } from './harness.ts'

const STATUS = 200
/** With few rows every plan is a scan. */
const ROWS = 2000

async function setUpAnswers(t: TestContext) {
  const bench = await setUp(t)
  const fault: { error: Error | null } = { error: null }
  const guard = <T>(work: () => Promise<T>): Promise<T> => (fault.error === null ? work() : Promise.reject(fault.error))
  const answers = createShopAnswers({ context: bench.context, guard })
  const { db, store, clock } = bench
  /** Sells, and notes the answer. */
  const sell = async (status: number | null = STATUS, email = 'ada@example.com') => {
    clock.at += 1000
    const { id, events } = only(await store.write([accepted(arrival({ email }))]))
    answers.note({ events: events.slice(0, 1), at: clock.at + 5, status, ms: 5 })
    return id
  }
  const statuses = async (id: string) =>
    (await timeline(db, id)).flatMap(({ answer }) => (answer === undefined ? [] : [answer.status]))
  return { ...bench, guard, answers, fault, sell, statuses }
}

test('an answer is stored with the event of its webhook, and adds no row', async (t) => {
  const { db, answers, sell, rows, statuses } = await setUpAnswers(t)
  const id = await sell(500)
  assert.equal(await sell(null), id)
  assert.deepEqual(await statuses(id), [])
  await answers.flush()
  assert.deepEqual(
    (await timeline(db, id)).map(({ kind, answer }) => [kind, answer]),
    [
      ['received', { at: START + 1005, status: 500, ms: 5 }],
      ['repeated', { at: START + 2005, status: null, ms: 5 }],
    ],
  )
  assert.equal((await rows('events')).length, 2)
})

test('an answer about a delivery that was erased meanwhile leaves no trace', async (t) => {
  const { answers, context, db, sell, statuses } = await setUpAnswers(t)
  await sell()
  const other = await sell(202, 'grace@example.com')
  await forget(context, { email: 'ada@example.com', by: 'alice', silentMs: 0, landsMs: 0 })
  await answers.flush()
  const events = await db.selectFrom('events').select('kind').execute()
  assert.deepEqual(events.map(({ kind }) => kind).sort(), ['forgotten', 'received'])
  assert.deepEqual(await statuses(other), [202])
})

test('answers outlast an outage of the database, and no other error', async (t) => {
  const { answers, fault, sell, statuses } = await setUpAnswers(t)
  const id = await sell(500)
  fault.error = new AppError('database.unreachable', 'away')
  await assert.rejects(answers.flush(), /away/)
  fault.error = null
  await answers.flush()
  assert.deepEqual(await statuses(id), [500])
  await sell(200)
  fault.error = new Error('broken')
  await assert.rejects(answers.flush(), /broken/)
  fault.error = null
  await answers.flush()
  assert.deepEqual(await statuses(id), [500])
})

test('storing and reading answers finds each event by the primary key', async (t) => {
  const { database, db, context, store, guard } = await setUpAnswers(t)
  const written: Written[] = []
  for (let from = 0; from < ROWS; from += 200) {
    const emails = Array.from({ length: 200 }, (_, i) => `p${from + i}@x.example`)
    written.push(...(await store.write(emails.map((email) => accepted(arrival({ email }))))))
  }
  await sql.raw(onSqlite() ? 'analyze' : 'analyze table events').execute(db)
  const events = written.slice(0, 100).flatMap((one) => one.events.slice(0, 1))
  const plans = await plansOf(database, async (noting) => {
    const answers = createShopAnswers({ context: { ...context, database: { ...database, db: noting } }, guard })
    answers.note({ events, at: START, status: STATUS, ms: 5 })
    await answers.flush()
    await timeline(noting, written[0]?.id ?? '')
  })
  assert.ok(plans.some(({ sql: text }) => /^update/.test(text)))
  for (const { sql: text, plan } of plans) {
    for (const line of plan) assert.doesNotMatch(line, onSqlite() ? /SCAN/ : /^(ALL|index) /, `${text}\n${line}`)
  }
})
