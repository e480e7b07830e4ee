import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accepted, arrival, only, settled, setUp, succeeded } from '../../queue/harness.ts'

test('the timeline lists the events of one delivery, oldest first', async (t) => {
  const { store, operations, clock } = await setUp(t)
  const [one, two] = await store.write([accepted(arrival()), accepted(arrival({ order: 2 }))])
  assert(one && two)
  clock.at += 1000
  await store.write([settled(succeeded(one.id))])
  clock.at += 1000
  await operations.replay({ ids: [one.id], by: 'alice' })
  const events = await operations.timeline(one.id)
  assert.deepEqual(
    events.map(({ kind, actor }) => [kind, actor]),
    [
      ['received', null],
      ['enrolled', null],
      ['replayed', 'alice'],
    ],
  )
  assert.deepEqual(await operations.timeline('NONE'), [])
})

test('a clock that was set back between two replicas does not change the order of the timeline', async (t) => {
  const { store, operations, clock, replica } = await setUp(t)
  const { id } = only(await store.write([accepted(arrival())]))
  await store.write([settled(succeeded(id))])
  await operations.replay({ ids: [id], by: 'alice' })
  await operations.markHandled({ id, as: 'settled', note: 'by hand', by: 'alice' })
  clock.at -= 3_600_000
  const other = await replica('replica-2') // its ids begin with the earlier time
  await other.operations.replay({ ids: [id], by: 'alice' })
  await other.operations.markHandled({ id, as: 'paid_back', note: 'refunded', by: 'alice' })
  assert.deepEqual(
    (await operations.timeline(id)).map(({ kind }) => kind),
    ['received', 'enrolled', 'replayed', 'settled', 'replayed', 'paid_back'],
  )
  const shown = await operations.list({ filter: {} })
  assert.deepEqual(shown.items[0]?.handled, { note: 'refunded', by: 'alice', at: clock.at })
})

test('a long timeline returns its last 500 events', async (t) => {
  const { store, operations, clock } = await setUp(t)
  const { id } = only(await store.write([accepted(arrival())]))
  for (let i = 0; i < 500; i++) {
    clock.at += 1
    await store.write([accepted(arrival())])
  }
  const events = await operations.timeline(id)
  assert.deepEqual([events.length, events[0]?.kind, events.at(-1)?.at], [500, 'repeated', clock.at])
})

test('the audit lists only the changes by operators, newest first, in pages', async (t) => {
  const { store, operations, clock } = await setUp(t)
  const emails = Array.from({ length: 5 }, (_, i) => `p${i}@x.example`)
  const ids = (await store.write(emails.map((email) => accepted(arrival({ email }))))).map(({ id }) => id)
  for (const id of ids.slice(0, 4)) {
    clock.at += 1000
    await operations.replay({ ids: [id], by: 'alice' })
  }
  clock.at += 1000
  await operations.markHandled({ id: ids[4] ?? '', as: 'paid_back', note: 'refunded', by: 'bob' })
  const first = await operations.audit({ limit: 2 })
  assert.deepEqual(
    first.items.map(({ deliveryId, kind, actor, detail }) => [deliveryId, kind, actor, detail]),
    [
      [ids[4], 'paid_back', 'bob', 'refunded'],
      [ids[3], 'replayed', 'alice', ''],
    ],
  )
  clock.at += 1000
  await operations.replay({ ids: [ids[0] ?? ''], by: 'carol' })
  const rest = await operations.audit({ after: first.next })
  assert.deepEqual(
    rest.items.map(({ deliveryId }) => deliveryId),
    [ids[2], ids[1], ids[0]],
  )
  assert.equal(rest.next, null)
})

test('a bulk replay and its stop are one audit entry each', async (t) => {
  const { store, operations } = await setUp(t)
  await store.write([accepted(arrival())])
  const { id } = await operations.startReplay({ filter: { email: 'ada@example.com' }, by: 'alice' })
  await operations.stopReplay({ id, by: 'bob' })
  const { items } = await operations.audit({})
  assert.deepEqual(
    items.map(({ deliveryId, kind, actor, detail }) => [deliveryId, kind, actor, detail]),
    [
      ['', 'bulk_replay_stopped', 'bob', `bulk replay ${id} after 0`],
      ['', 'bulk_replay_started', 'alice', `bulk replay ${id} of 1`],
    ],
  )
})
