import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inTransaction } from '../../src/database/transaction.ts'
import { createHolds } from '../../src/queue/replicas/holds.ts'
import { claimNow, submit } from './claiming.ts'
import { pruneAlone, type Replica, setUp } from './harness.ts'

const ADA = 'ada@x.example'
const LANDS_MS = 60_000

/** Takes the hold, unless somebody has it. */
const take = ({ replicas: { holds } }: Replica, of = { enrolls: false }): Promise<boolean> =>
  holds.take([ADA], async (_trx, taken) => ({ result: taken.has(ADA), kept: taken }), of)
/** The same for an attempt. */
const takeToEnroll = (replica: Replica): Promise<boolean> => take(replica, { enrolls: true })
const mayUndo = ({ database, replicas: { holds } }: Replica): Promise<void> =>
  inTransaction({ database, random: () => 0.5, body: (trx) => holds.mayUndo(trx, [ADA]) })
async function end({ database, replicas: { holds } }: Replica, isLate: boolean): Promise<void> {
  await inTransaction({ database, random: () => 0.5, body: (trx) => holds.end(trx, [ADA], { isLate }) })
  holds.ended([ADA])
}
/** The replica looks at the holds for so long. */
async function lookFor({ replicas, monotonic }: Replica, ms: number): Promise<void> {
  await replicas.holds.sweep()
  for (let left = ms; left > 0; left -= 20_000) {
    monotonic.at += Math.min(20_000, left)
    await replicas.holds.sweep()
  }
}

test('a hold whose last call undoes something and got no answer lasts until it can land no more, and nobody has it', async (t) => {
  const bench = await setUp(t)
  assert.equal(await take(bench), true)
  await mayUndo(bench)
  await end(bench, true)
  assert.deepEqual(
    [await bench.replicas.holds.has(ADA), await take(bench), await takeToEnroll(bench)],
    [false, false, false],
  )
  await lookFor(bench, LANDS_MS - 1)
  assert.equal(await take(bench), false)
  bench.monotonic.at += 1
  await bench.replicas.holds.sweep()
  assert.equal(await take(bench), true)
})

test('a hold whose calls were all answered is free at once', async (t) => {
  const bench = await setUp(t)
  await take(bench)
  await mayUndo(bench)
  await end(bench, false)
  assert.equal(await take(bench), true)
})

test('a hold under which no call began is free at once, whatever ended it', async (t) => {
  const bench = await setUp(t)
  await take(bench)
  await end(bench, true)
  assert.equal(await take(bench), true)
})

test('a hold whose call enrolls and got no answer is free for attempts at once, and else when the call can land no more', async (t) => {
  const bench = await setUp(t)
  assert.equal(await takeToEnroll(bench), true)
  await end(bench, true)
  assert.deepEqual([await bench.replicas.holds.has(ADA), await take(bench)], [false, false])
  const other = await bench.replica('replica-2')
  await lookFor(other, LANDS_MS - 1)
  for (const attempt of ['second', 'third']) {
    assert.equal(await takeToEnroll(bench), true, attempt)
    await other.replicas.holds.sweep()
    await end(bench, false)
    assert.equal(await take(bench), false, 'an attempt that was answered says nothing of the call before it')
  }
  other.monotonic.at += 1
  await other.replicas.holds.sweep()
  assert.equal(await take(bench), true)
})

test('what is due to a buyer is claimed while a call that enrolls may land late, but not while one that undoes may', async (t) => {
  const bench = await setUp(t)
  const id = await submit(bench, ADA)
  const late = { name: ADA, replica: '', effect: 'undoes', late_at: 1 } as const
  await bench.db.insertInto('holds').values(late).execute()
  assert.deepEqual(await claimNow(bench), [])
  await bench.db.updateTable('holds').set({ effect: 'enrolls' }).execute()
  assert.deepEqual(await claimNow(bench), [id])
})

test('an attempt lasts on after the earlier call can land no more, and its own late call counts anew', async (t) => {
  const bench = await setUp(t)
  await takeToEnroll(bench)
  await end(bench, true)
  await bench.replicas.holds.sweep()
  await takeToEnroll(bench)
  await lookFor(bench, LANDS_MS)
  assert.equal(await bench.replicas.holds.has(ADA), true)
  await bench.db.updateTable('holds').set({ late_at: 1 }).execute() // else both may be of the same millisecond
  await end(bench, true)
  await lookFor(bench, LANDS_MS - 1)
  assert.equal(await take(bench), false)
})

test('what an attempt does not keep stays with nobody', async (t) => {
  const bench = await setUp(t)
  await takeToEnroll(bench)
  await end(bench, true)
  const { holds } = bench.replicas
  await holds.take([ADA], async (_trx, taken) => ({ result: taken, kept: new Set() }), { enrolls: true })
  assert.deepEqual([await holds.has(ADA), await take(bench), await takeToEnroll(bench)], [false, false, true])
})

test('a call of an attempt that undoes something and got no answer makes the next attempt wait, too', async (t) => {
  const bench = await setUp(t)
  await takeToEnroll(bench)
  await mayUndo(bench)
  await end(bench, true)
  assert.equal(await takeToEnroll(bench), false)
})

test('one that was answered does not, but an earlier call that enrolls stays late', async (t) => {
  const bench = await setUp(t)
  await takeToEnroll(bench)
  await end(bench, true)
  await takeToEnroll(bench)
  await mayUndo(bench)
  await end(bench, false)
  assert.deepEqual([await take(bench), await takeToEnroll(bench)], [false, true])
})

test('the hold of a replica that died in such a call lasts, and a time in which nobody looked does not count', async (t) => {
  const bench = await setUp(t)
  const other = await bench.replica('replica-2')
  assert.equal(await take(other), true)
  await mayUndo(other)
  assert.equal(await pruneAlone(bench, 'replica-2'), 1)
  assert.equal(await take(bench), false)
  bench.monotonic.at += 3_600_000
  await bench.replicas.holds.sweep()
  assert.equal(await take(bench), false)
  await lookFor(bench, LANDS_MS)
  assert.equal(await take(bench), true)
})

test('a step of the database’s clock does not end it earlier', async (t) => {
  const bench = await setUp(t)
  await take(bench)
  await mayUndo(bench)
  await end(bench, true)
  await bench.db.updateTable('holds').set({ late_at: 0 }).where('name', '=', ADA).execute()
  await lookFor(bench, LANDS_MS - 1)
  assert.equal(await take(bench), false)
})

test('a hold that was left once more since the look lasts as long again', async (t) => {
  const bench = await setUp(t)
  const leave = async () => {
    assert.equal(await take(bench), true)
    await mayUndo(bench)
    await end(bench, true)
  }
  await leave()
  await bench.db.updateTable('holds').set({ late_at: 1 }).execute()
  const { database, monotonic } = await bench.replica('replica-2')
  /** Happens after the other replica has read the holds, and before it ends one. */
  let then = (): Promise<void> => Promise.resolve()
  const db = database.db.withPlugin({
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      await then()
      return result
    },
  })
  const of = { me: () => 'replica-2', random: () => 0.5, landsMs: LANDS_MS, clock: () => monotonic.at }
  const holds = createHolds({ database: { ...database, db }, ...of })
  const other = { ...bench, replicas: { ...bench.replicas, holds } }
  await lookFor(other, LANDS_MS - 1)
  then = async () => {
    then = () => Promise.resolve()
    await bench.db.deleteFrom('holds').execute()
    await leave()
  }
  monotonic.at += 1
  assert.equal(await holds.sweep(), 0)
  assert.equal(await take(bench), false)
})
