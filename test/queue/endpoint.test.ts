import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noteAnswer, noteFailure, openEndpoint, readEndpoint, resumeEndpoint } from '../../src/queue/outbox/endpoint.ts'
import { type Replica, setUp } from './harness.ts'

test('an endpoint that fails does so since it first did, also after an operator sends again, until it answers', async (t) => {
  const { db, clock } = await setUp(t)
  const began = clock.at
  await openEndpoint(db, 'https://shop.example/events')
  const fail = () => noteFailure(db, { isGone: false, error: 'refused', at: clock.at })
  assert.deepEqual([await fail(), await fail(), await fail(), await fail()], [null, null, 'down', null])
  clock.at += 60_000
  await resumeEndpoint(db, clock)
  const resumed = await readEndpoint(db)
  assert.deepEqual([resumed?.state, resumed?.since], ['down', began])
  await fail()
  assert.equal((await readEndpoint(db))?.since, began)
  await noteAnswer(db, { accepted: true, at: clock.at })
  const answered = await readEndpoint(db)
  assert.deepEqual([answered?.state, answered?.since], ['up', null])
})

test('the next probe of an endpoint that fails is due when an operator sends again', async (t) => {
  const { db, clock } = await setUp(t)
  await openEndpoint(db, 'https://shop.example/events')
  for (let count = 0; count < 3; count++) await noteFailure(db, { isGone: false, error: 'refused', at: clock.at })
  clock.at += 10
  await resumeEndpoint(db, clock)
  assert.equal((await readEndpoint(db))?.probe_at, clock.at)
})

test('an endpoint that wanted no more events gets all that wait once an operator sends again', async (t) => {
  const { db, clock } = await setUp(t)
  await openEndpoint(db, 'https://shop.example/events')
  await noteFailure(db, { isGone: true, error: '410', at: clock.at })
  await resumeEndpoint(db, clock)
  assert.equal((await readEndpoint(db))?.state, 'up')
})

test('an endpoint that wants no more events stays so, however attempts end that were in flight', async (t) => {
  const { db, clock } = await setUp(t)
  await openEndpoint(db, 'https://shop.example/events')
  await noteFailure(db, { isGone: true, error: '410', at: clock.at })
  for (let count = 0; count < 3; count++) await noteFailure(db, { isGone: false, error: 'refused', at: clock.at })
  assert.equal((await readEndpoint(db))?.state, 'gone')
  await noteAnswer(db, { accepted: true, at: clock.at })
  assert.equal((await readEndpoint(db))?.state, 'gone')
})

/** Stores an event for the shop that failed before, and is to be sent again in eight hours. */
async function storeWaiting({ db, clock }: Pick<Replica, 'db'> & { clock: { at: number } }): Promise<void> {
  const of = { id: 'event', about: 'delivery', seq: 1, type: 'delivery.enrolled', body: '{}', created_at: clock.at }
  const waits = { due_at: clock.at + 8 * 3_600_000, attempts: 9, failed_at: null, error: 'refused' }
  await db
    .insertInto('outbox')
    .values({ ...of, ...waits })
    .execute()
}

const dueAt = async (db: Replica['db']): Promise<number | undefined> =>
  (await db.selectFrom('outbox').select('due_at').executeTakeFirst())?.due_at

test('what failed while the endpoint was away is due as soon as the endpoint answers', async (t) => {
  const { db, clock } = await setUp(t)
  await openEndpoint(db, 'https://shop.example/events')
  for (let count = 0; count < 3; count++) await noteFailure(db, { isGone: false, error: 'refused', at: clock.at })
  await storeWaiting({ db, clock })
  clock.at += 60_000
  await noteAnswer(db, { accepted: true, at: clock.at })
  assert.equal(await dueAt(db), clock.at)
})

test('an endpoint that works changes nothing about an event that it refuses', async (t) => {
  const { db, clock } = await setUp(t)
  await openEndpoint(db, 'https://shop.example/events')
  await storeWaiting({ db, clock })
  const before = await dueAt(db)
  await noteAnswer(db, { accepted: true, at: clock.at })
  assert.equal(await dueAt(db), before)
})

test('what waits for its next attempt is due when an operator sends again', async (t) => {
  const { db, clock } = await setUp(t)
  await openEndpoint(db, 'https://shop.example/events')
  await storeWaiting({ db, clock })
  await resumeEndpoint(db, clock)
  assert.equal(await dueAt(db), clock.at)
})
