import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Transaction } from 'kysely'
import type { Tables } from '../../../src/database/schema.ts'
import { storeChecks } from '../../../src/enroll/follow-up/store-checks.ts'
import { lockDelivery } from '../../../src/queue/change-deliveries.ts'
import { storeLines, withLines } from '../../../src/queue/lines.ts'
import { DEMO } from '../../harness.ts'
import { factsIn, linesWith } from '../../lines.ts'
import { onSqlite } from '../../queue/harness.ts'
import { type FollowUp, setUp } from './harness.ts'

const ADA = 'ada@x.example'

/** What a check has seen: the buyer of this delivery is enrolled. */
async function checkOf(bench: FollowUp, id: string) {
  const row = { active: true, mode: 'audit', modePending: false, against: null }
  const account = { status: 'registered', username: 'ada', id: 7 } as const
  const seen = { account, left: new Map(), rows: new Map([[DEMO, row]]), allowed: null }
  return { reported: await bench.delivery(id), courses: [DEMO], seen, askedAt: bench.clock.at }
}

/**
 * Stores a check while another transaction changes the delivery: the check has read the delivery by then, and waits for
 * its lock. On SQLite, one transaction that writes comes after the other.
 */
async function storedDuring(t: TestContext, change: (trx: Transaction<Tables>, id: string) => Promise<unknown>) {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA })
  const check = await checkOf(bench, id)
  const other = await bench.replica('other')
  const { context } = await bench.replica('checking')
  const read = Promise.withResolvers<void>()
  // The check's own statements: it writes after it has read.
  const db = context.database.db.withPlugin({
    transformQuery: ({ node }) => {
      if (node.kind === 'UpdateQueryNode') read.resolve()
      return node
    },
    transformResult: async ({ result }) => result,
  })
  const database = { ...context.database, db }
  const storing = Promise.withResolvers<unknown>()
  await other.db.transaction().execute(async (trx) => {
    await change(trx, id)
    const stored = storeChecks({ ...context, database }, { checks: [check], guard: (work) => work() })
    stored.then(storing.resolve, storing.reject)
    if (!onSqlite()) await read.promise
  })
  await storing.promise
  return { ...bench, id }
}

test('a check is not stored over a newer generation that another replica stores at the same time', async (t) => {
  const { id, row, db } = await storedDuring(t, (trx, one) =>
    trx.updateTable('deliveries').set({ generation: 1 }).where('id', '=', one).execute(),
  )
  const { standings } = await factsIn(db, id)
  assert.deepEqual([(await row(id)).state, standings], ['pre_enrolled', {}])
})

test('a check is not stored over standings that another replica stores at the same time', async (t) => {
  const standing = {
    standing: 'not_activated',
    mode: null,
    checkedAt: Date.UTC(2030, 0, 1),
    since: 0,
  } as const
  const { id, row, db } = await storedDuring(t, async (trx, one) => {
    await lockDelivery({ trx }, one)
    const [{ lines: before = [] } = {}] = await withLines(trx, [{ id: one }])
    const lines = linesWith(before, { standings: { [DEMO]: standing } })
    await storeLines(trx, [{ id: one, before, lines }])
  })
  const { standings } = await factsIn(db, id)
  assert.deepEqual([(await row(id)).state, standings], ['pre_enrolled', { [DEMO]: standing }])
})

test('a check is not stored once the delivery is sent again', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA })
  const check = await checkOf(bench, id)
  await bench.db.updateTable('deliveries').set({ generation: 1 }).where('id', '=', id).execute()
  const { context } = bench
  const stored = await storeChecks(context, { checks: [check], guard: (work) => work() })
  assert.equal(stored.get(id), null)
  assert.equal((await bench.row(id)).state, 'pre_enrolled')
})
