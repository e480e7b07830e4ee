import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noteAnswer, noteFailure, openEndpoint, readEndpoint, resumeEndpoint } from '../../src/queue/outbox/endpoint.ts'
import { setUp } from './harness.ts'

test('an endpoint that fails does so since it first did, also after an operator sends again, until it answers', async (t) => {
  const { db, clock } = await setUp(t)
  const began = clock.at
  await openEndpoint(db, 'https://shop.example/events')
  const fail = () => noteFailure(db, { isGone: false, error: 'refused', at: clock.at })
  assert.deepEqual([await fail(), await fail(), await fail(), await fail()], [null, null, 'down', null])
  clock.at += 60_000
  await resumeEndpoint(db)
  const resumed = await readEndpoint(db)
  assert.deepEqual([resumed?.state, resumed?.since, resumed?.probe_at], ['down', began, 0])
  await fail()
  assert.equal((await readEndpoint(db))?.since, began)
  await noteAnswer(db, { accepted: true, at: clock.at })
  const answered = await readEndpoint(db)
  assert.deepEqual([answered?.state, answered?.since], ['up', null])
})

test('an endpoint that wanted no more events gets all that wait once an operator sends again', async (t) => {
  const { db, clock } = await setUp(t)
  await openEndpoint(db, 'https://shop.example/events')
  await noteFailure(db, { isGone: true, error: '410', at: clock.at })
  await resumeEndpoint(db)
  assert.equal((await readEndpoint(db))?.state, 'up')
})
