import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { joinAsGuest } from '../../../src/queue/replicas/guest.ts'
import { until } from '../../service/process.ts'
import { setUp } from '../harness.ts'

async function joined(t: TestContext) {
  const timing = { heartbeatMs: 20, deadAfterMs: 60_000, landsMs: 1000 }
  const bench = await setUp(t)
  let names = 0
  const newName = () => `reconcile-${++names}`
  const guest = await joinAsGuest({ database: bench.database, newName, random: () => 0.5, timing })
  t.after(() => guest.leave().catch(() => {}))
  return { ...bench, guest }
}

test('a command that joins counts as one of the replicas until it leaves', async (t) => {
  const { replicas, guest } = await joined(t)
  await replicas.findDead()
  assert.deepEqual([replicas.liveCount(), guest.replicas.liveCount()], [2, 2])
  await guest.leave()
  await replicas.findDead()
  assert.equal(replicas.liveCount(), 1)
})

test('it sends heartbeats', async (t) => {
  const { db } = await joined(t)
  await db.updateTable('replicas').set({ seen_at: 0 }).where('id', '=', 'reconcile-1').execute()
  await until('a heartbeat', async () => {
    const { seen_at } = await db
      .selectFrom('replicas')
      .selectAll()
      .where('id', '=', 'reconcile-1')
      .executeTakeFirstOrThrow()
    return seen_at > 0 ? true : undefined
  })
})

test('a command that was removed joins again, with an empty share of the call budget', async (t) => {
  const { db, guest, replicas } = await joined(t)
  await db.deleteFrom('replicas').where('id', '=', 'reconcile-1').execute()
  await until('another name', () => (guest.replicas.me() === 'reconcile-2' ? true : undefined))
  await replicas.findDead()
  assert.equal(replicas.liveCount(), 2)
})

test('a command that leaves during a heartbeat does not join again', async (t) => {
  const bench = await setUp(t)
  const [arrived, held] = [1, 2].map(() => Promise.withResolvers<void>())
  const sent: string[] = []
  let isHolding = false
  const db = bench.db.withPlugin({
    transformQuery: ({ node }) => {
      sent.push(node.kind)
      return node
    },
    transformResult: async ({ result }) => {
      if (isHolding && result.numAffectedRows === 0n) {
        isHolding = false
        arrived?.resolve()
        await held?.promise
      }
      return result
    },
  })
  let names = 0
  const newName = () => `reconcile-${++names}`
  const timing = { heartbeatMs: 20, deadAfterMs: 60_000, landsMs: 1000 }
  const guest = await joinAsGuest({ database: { ...bench.database, db }, newName, random: () => 0.5, timing })
  isHolding = true
  await bench.db.deleteFrom('replicas').where('id', '=', 'reconcile-1').execute()
  await arrived?.promise // a heartbeat has found that it was removed
  const left = guest.leave()
  held?.resolve()
  await left
  const isJoin = (kind: string): boolean => kind === 'InsertQueryNode'
  await until('the second join', () => sent.filter(isJoin).length === 2 || undefined)
  assert.ok(sent.lastIndexOf('DeleteQueryNode') > sent.findLastIndex(isJoin))
  assert.deepEqual(await bench.db.selectFrom('replicas').selectAll().where('id', 'like', 'reconcile-%').execute(), [])
})
