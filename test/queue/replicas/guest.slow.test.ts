import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { joinAsGuest } from '../../../src/queue/replicas/guest.ts'
import { until } from '../../service/process.ts'
import { setUp } from '../harness.ts'

async function joined(t: TestContext, timing = { heartbeatMs: 20, deadAfterMs: 60_000, landsMs: 1000 }) {
  const bench = await setUp(t)
  const guest = await joinAsGuest({ database: bench.database, name: 'reconcile', random: () => 0.5, timing })
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
  await db.updateTable('replicas').set({ seen_at: 0 }).where('id', '=', 'reconcile').execute()
  await until('a heartbeat', async () => {
    const { seen_at } = await db
      .selectFrom('replicas')
      .selectAll()
      .where('id', '=', 'reconcile')
      .executeTakeFirstOrThrow()
    return seen_at > 0 ? true : undefined
  })
})

test('a command that was removed ends its call and makes no other', async (t) => {
  const { db, guest } = await joined(t)
  const right = guest.mayCall()
  const ended = once(right, 'abort')
  await db.deleteFrom('replicas').where('id', '=', 'reconcile').execute()
  await ended
  assert.throws(() => guest.mayCall(), { code: 'lease.lost' })
})

test('a command whose database is away makes no call after its lease', async (t) => {
  const { guest, database } = await joined(t, { heartbeatMs: 20, deadAfterMs: 2000, landsMs: 1000 })
  const ended = once(guest.mayCall(), 'abort')
  database.db.updateTable = () => {
    throw new Error('the database is away')
  }
  await ended
  assert.throws(() => guest.mayCall(), { code: 'lease.lost' })
})
