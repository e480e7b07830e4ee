import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { countNew } from '../../../src/operators/notify/notices.ts'
import type { Settlement } from '../../../src/sale/types.ts'
import { plansOf } from '../../database/dialects.ts'
import { accepted, arrival, needsAttention, onSqlite, settled, setUp, succeeded } from '../../queue/harness.ts'

const ROWS = 2000
const rejected = (id: string): Settlement => ({
  ...needsAttention(id),
  outcome: { courses: {}, reason: { code: 'course_key.malformed', subject: 'nonsense' } },
})

test('a look for causes reads the new deliveries and withdrawals alone, through an index', async (t) => {
  const { database, context, clock, db, store } = await setUp(t)
  await countNew(context, clock.at)
  for (let from = 0; from < ROWS; from += 200) {
    clock.at += 1000
    const people = Array.from({ length: 200 }, (_, i) => arrival({ email: `p${from + i}@x.example` }))
    const ids = (await store.write(people.map(accepted))).map(({ id }) => id)
    await store.write(ids.map((id, i) => settled(i < 80 ? needsAttention(id) : i < 160 ? rejected(id) : succeeded(id))))
    const ended = {
      withdrawal_id: 'W',
      withdrawal_state: 'failed',
      withdrawal_at: clock.at,
      withdrawal_message: 'x',
    } as const
    await db.updateTable('delivery_lines').set(ended).where('delivery_id', 'in', ids).execute()
    if (from + 400 === ROWS) await countNew(context, clock.at)
  }
  const tables = 'deliveries, delivery_lines, notices'
  await sql.raw(onSqlite() ? 'analyze' : `analyze table ${tables}`).execute(db)
  const plans = await plansOf(database, (noting) =>
    countNew({ ...context, database: { ...database, db: noting } }, clock.at),
  )
  // The lines of the deliveries that are found are read by their primary key.
  const reads = plans.filter(({ sql }) => /from .(deliveries|delivery_lines).(?!.*delivery_id. in)/.test(sql))
  assert.equal(reads.length, 2)
  for (const { sql, plan } of reads) {
    const index = /from .deliveries/.test(sql) ? 'deliveries_state' : 'delivery_lines_withdrawal'
    const good = onSqlite()
      ? new RegExp(`^SEARCH \\w+ USING INDEX ${index} \\(.*(active|withdrawal)_at>`)
      : new RegExp(`^range ${index}: `)
    assert.match(plan[0] ?? '', good, sql)
    // The deliveries are grouped by cause; the withdrawals come in order, and each has its delivery read.
    const [second = '', ...others] = plan.slice(1)
    if (index === 'delivery_lines_withdrawal')
      assert.match(second, /^(SEARCH deliveries USING INDEX \w+ \(id=\?\)|eq_ref)/)
    else assert.equal(second, onSqlite() ? 'USE TEMP B-TREE FOR GROUP BY' : '')
    assert.deepEqual(others, [])
    if (index === 'delivery_lines_withdrawal') assert.doesNotMatch(plan[0] ?? '', /filesort|temporary/)
  }
})
