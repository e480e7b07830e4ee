import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Transaction } from 'kysely'
import type { Tables } from '../../../src/database/schema.ts'
import { createReplicas } from '../../../src/queue/replicas/replicas.ts'
import { setUp } from '../harness.ts'

test('a replica whose commit was lost is no leader, if another one became it before the next try', async (t) => {
  const { database } = await setUp(t)
  const lost = new Error('the connection was lost before the commit')
  const commit = Promise.withResolvers<void>()
  let commits = 0
  const execute = (body: (trx: Transaction<Tables>) => Promise<unknown>) =>
    database.db.transaction().execute(async (trx) => {
      const result = await body(trx)
      if (commits++ === 0) {
        commit.resolve()
        throw lost
      }
      return result
    })
  const db = new Proxy(database.db, {
    get: (target, name) => (name === 'transaction' ? () => ({ execute }) : Reflect.get(target, name).bind(target)),
  })
  const errorKindOf = (error: unknown) => (error === lost ? 'unavailable' : database.dialect.errorKindOf(error))
  const of = { deadAfterMs: 60_000, random: () => 0.5 }
  const one = createReplicas({
    database: { db, dialect: { ...database.dialect, errorKindOf } },
    newName: () => 'one',
    ...of,
  })
  const two = createReplicas({ database, newName: () => 'two', ...of })
  for (const each of [one, two]) {
    await each.join()
    each.lease.extend(performance.now())
  }
  const leading = one.lead()
  await commit.promise
  await two.lead()
  await leading
  assert.deepEqual([one.isLeader(), two.isLeader()], [false, true])
})
