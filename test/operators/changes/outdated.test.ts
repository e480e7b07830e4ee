import assert from 'node:assert/strict'
import { test } from 'node:test'
import { auditedChange } from '../../../src/queue/events.ts'
import { sendAgain } from '../../../src/queue/outbox/send-again.ts'
import { withdrawalsShown } from '../../lines.ts'
import { accepted, arrival, COURSE, needsAttention, settled, setUp } from '../../queue/harness.ts'

const OTHER = 'course-v1:edX+Other+2026'

/** A delivery that needs attention, as bob sees it; alice then marks it as handled. */
async function handledMeanwhile(t: Parameters<typeof setUp>[0]) {
  const bench = await setUp(t)
  const [one] = await bench.store.write([accepted(arrival({ email: 'ada@x.example' }))])
  const id = one?.id ?? ''
  await bench.store.write([settled(needsAttention(id))])
  const { last_event: seen } = await bench.row(id)
  bench.clock.at += 1000
  await bench.operations.markHandled({ id, as: 'paid_back', note: 'refunded, order 1182', by: 'alice' })
  const change = {
    number: seen + 1,
    kind: 'paid_back',
    by: 'alice',
    at: bench.clock.at,
    detail: 'refunded, order 1182',
  } as const
  return { ...bench, id, seen, outdated: { kind: 'outdated', change } as const }
}

test('what an operator ordered before they saw another person’s change is not carried out, and says who did what', async (t) => {
  const { operations, id, seen, outdated, row, rows } = await handledMeanwhile(t)
  const [before, events] = [await row(id), await rows('events')]
  const order = { id, seen, by: 'bob' }
  assert.deepEqual(await operations.replayOne(order), outdated)
  assert.deepEqual(await operations.correct({ ...order, courseIds: [OTHER], withdraw: null }), outdated)
  assert.deepEqual(await operations.withdraw({ ...order, courses: [COURSE], paid: false }), outdated)
  assert.deepEqual(await row(id), before)
  assert.deepEqual(await rows('events'), events)
  assert.deepEqual(await withdrawalsShown(operations, id), [])
  const { last_event } = await row(id)
  assert.deepEqual(await operations.replayOne({ ...order, seen: last_event }), { kind: 'due' })
})

test('the number of the change that an order did not know of lets it through, unless somebody changed more since', async (t) => {
  const { operations, id, outdated } = await handledMeanwhile(t)
  const shown = outdated.change.number
  await operations.withdraw({ id, courses: [COURSE], paid: false, by: 'carol' })
  await operations.replayOne({ id, by: 'carol' })
  const again = await operations.replayOne({ id, seen: shown, by: 'bob' })
  assert.equal(again.kind === 'outdated' ? again.change.by : again.kind, 'carol')
  const { number } = again.kind === 'outdated' ? again.change : outdated.change
  assert.equal((await operations.markHandled({ id, seen: number, as: 'settled', note: '', by: 'bob' })).kind, 'handled')
})

test('handled is not written over a replay that came in between', async (t) => {
  const { operations, id, row } = await handledMeanwhile(t)
  const { last_event: seen } = await row(id)
  await operations.replayOne({ id, by: 'alice' })
  const done = await operations.markHandled({ id, seen, as: 'settled', note: 'mine', by: 'bob' })
  assert.equal(done.kind === 'outdated' ? done.change.kind : done.kind, 'replayed')
  assert.equal((await row(id)).state, 'queued')
})

test('what the service did meanwhile, a check, an event sent again, and a second click keep no order from being carried out', async (t) => {
  const { operations, id, seen } = await handledMeanwhile(t)
  const again = await operations.markHandled({ id, seen, as: 'paid_back', note: 'refunded, order 1182', by: 'alice' })
  assert.equal(again.kind, 'already')
  const bench = await setUp(t)
  const [one] = await bench.store.write([accepted(arrival({ email: 'ada@x.example' }))])
  const { last_event } = await bench.row(one?.id ?? '')
  await bench.store.write([settled(needsAttention(one?.id ?? ''))])
  const checked = { deliveryId: one?.id ?? '', kind: 'checked', detail: '', actor: 'alice' } as const
  await auditedChange(bench.context, async () => ({ result: null, listed: [checked] }))
  await sendAgain(bench.context, { id: one?.id ?? '', by: 'alice' })
  const done = await bench.operations.replayOne({ id: one?.id ?? '', seen: last_event, by: 'bob' })
  assert.equal(done.kind, 'due')
  const order = { id: one?.id ?? '', seen: (await bench.row(one?.id ?? '')).last_event, by: 'bob' }
  const withdrawn = [1, 2].map(() => bench.operations.withdraw({ ...order, courses: null, paid: false }))
  assert.deepEqual((await Promise.all(withdrawn)).map(({ kind }) => kind).sort(), ['ordered', 'pending'])
})
