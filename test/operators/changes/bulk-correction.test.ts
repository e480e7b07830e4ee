import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stepReplay } from '../../../src/operators/changes/bulk-steps.ts'
import { totalOf } from '../../../src/operators/reports/counts.ts'
import { readRequest } from '../../../src/queue/rows.ts'
import type { DeliveryEvent } from '../../../src/sale/types.ts'
import { setFacts } from '../../lines.ts'
import { accepted, arrival, COURSE, needsAttention, only, settled, setUp as start } from '../../queue/harness.ts'

const by = 'alice'
const RIGHT = 'course-v1:edX+DemoX+Right'
const OTHER = 'course-v1:edX+DemoX+Other'
const corrects = { from: COURSE, to: RIGHT }
const filter = { cause: 'course.missing', about: COURSE } as const
type Bench = Awaited<ReturnType<typeof start>>

/** Stores a sale for each name that failed because the LMS has no COURSE; the clock is a second later afterwards. */
async function failed({ store, clock }: Bench, names: readonly string[], courseIds = [COURSE]): Promise<string[]> {
  const sales = names.map((name) => accepted(arrival({ email: `${name}@x.example`, courseIds })))
  const ids = (await store.write(sales)).map(({ id }) => id)
  await store.write(ids.map((id) => settled(needsAttention(id))))
  clock.at += 1000
  return ids
}

/** Takes all steps of a bulk correction, and returns how many sales they corrected. */
async function runAll({ context }: Pick<Bench, 'context'>, id: string): Promise<number> {
  let sum = 0
  const publish = ({ kind }: DeliveryEvent): void => {
    if (kind === 'corrected') sum++
  }
  while (await stepReplay({ ...context, publish }, id));
  return sum
}

/** The courses of each delivery that replaces another one, by that one's id. */
async function corrections({ db }: Bench): Promise<Record<string, readonly string[]>> {
  const made = (await db.selectFrom('deliveries').select(['replaces', 'request']).execute()).flatMap(
    ({ replaces, request }) => (replaces === null ? [] : [[replaces, readRequest(request ?? '').courseIds] as const]),
  )
  assert.equal(new Set(made.map(([id]) => id)).size, made.length, 'no sale has two corrections')
  return Object.fromEntries(made)
}

test('a bulk correction sells each failed sale again with the right course, and its other courses stay', async (t) => {
  const bench = await start(t)
  const ids = await failed(bench, ['a', 'b'])
  const [two = ''] = await failed(bench, ['c'], [COURSE.toLowerCase(), OTHER])
  await bench.operations.markHandled({ id: ids[1] ?? '', as: 'paid_back', note: 'refunded', by: 'bob' })
  bench.clock.at += 1000
  const order = await bench.operations.startReplay({ filter, corrects, by })
  assert.deepEqual([order.total, order.corrects, order.state], [2, corrects, 'running'])
  assert.equal(await runAll(bench, order.id), 2)
  assert.deepEqual(await corrections(bench), { [ids[0] ?? '']: [RIGHT], [two]: [RIGHT, OTHER] })
  const [old] = [await bench.row(ids[0] ?? '')]
  assert.equal(old.state, 'handled')
  assert.equal((await bench.row(old.replaced_by ?? '')).state, 'queued')
  assert.equal((await bench.row(ids[1] ?? '')).replaced_by, null)
  const done = await bench.operations.bulkReplay(order.id)
  assert.deepEqual([done?.state, done?.replayed], ['done', 2])
  assert.equal((await bench.operations.replayResults(order.id)).queued, 2)
})

test('two sales that differ in the spelling of the wrong key alone have one correction, and count as one', async (t) => {
  const bench = await start(t)
  const [id = ''] = await failed(bench, ['a'])
  const [spelled = ''] = await failed(bench, ['a'], [COURSE.toLowerCase()])
  const order = await bench.operations.startReplay({ filter, corrects, by })
  assert.equal(await runAll(bench, order.id), 2)
  assert.equal((await bench.row(id)).replaced_by, (await bench.row(spelled)).replaced_by)
  const done = await bench.operations.bulkReplay(order.id)
  assert.deepEqual([done?.replayed, done?.total], [1, 1])
})

test('a correction counts when the sale came, and is found by the webhook-id that it came with, as one of a correction is', async (t) => {
  const bench = await start(t)
  const webhook = { ...arrival({ courseIds: [COURSE] }), webhookId: 'Order-1004' }
  const { id } = only(await bench.store.write([accepted(webhook)]))
  const { received_at } = await bench.row(id)
  let last = id
  for (const course of [OTHER, RIGHT]) {
    bench.clock.at += 24 * 3_600_000
    const done = await bench.operations.correct({ id: last, courseIds: [course], withdraw: null, by })
    assert.ok(done.kind === 'corrected')
    last = done.id
    const row = await bench.row(last)
    assert.deepEqual([row.received_at, row.webhook_id], [received_at, 'Order-1004'])
    assert.ok(row.search_text.endsWith('\norder-1004\n'))
  }
})

test('a bulk correction is one entry of the audit; each of its sales says who ordered it', async (t) => {
  const bench = await start(t)
  const [id = ''] = await failed(bench, ['a', 'b'])
  const order = await bench.operations.startReplay({ filter, corrects, by })
  await runAll(bench, order.id)
  const { items } = await bench.operations.audit({})
  assert.deepEqual(
    items.map(({ kind, actor, deliveryId }) => [kind, actor, deliveryId]),
    [['bulk_correction_started', by, '']],
  )
  const made = (await bench.row(id)).replaced_by ?? ''
  const last = async (one: string) => (await bench.operations.timeline(one)).filter(({ actor }) => actor === by).at(-1)
  assert.deepEqual([(await last(id))?.kind, (await last(made))?.kind], ['handled', 'corrected'])
})

test('a process that dies anywhere in a step has corrected nothing, and the next one corrects each sale once', async (t) => {
  const bench = await start(t)
  const ids = await failed(bench, ['a', 'b'])
  const order = await bench.operations.startReplay({ filter, corrects, by })
  const before = await bench.rows('deliveries')
  for (let dies = 1; ; dies++) {
    let count = 0
    const db = bench.db.withPlugin({
      transformQuery: ({ node }) => {
        count += 1
        if (count === dies) throw new Error('died here')
        return node
      },
      transformResult: async ({ result }) => result,
    })
    const context = { ...bench.context, database: { ...bench.database, db } }
    const step = await stepReplay(context, order.id).catch((error: Error) => error.message)
    if (step !== 'died here') {
      assert.ok(dies > 20, `it died at ${dies - 1} statements only`)
      break
    }
    assert.deepEqual(await bench.rows('deliveries'), before)
    assert.equal((await bench.operations.bulkReplay(order.id))?.replayed, 0)
  }
  assert.deepEqual(await corrections(bench), { [ids[0] ?? '']: [RIGHT], [ids[1] ?? '']: [RIGHT] })
})

test('several replicas, several orders and a second click correct each sale once', async (t) => {
  const bench = await start(t)
  const ids = await failed(bench, ['a', 'b', 'c'])
  const order = await bench.operations.startReplay({ filter: { ...filter, to: bench.clock.at }, corrects, by })
  const again = await bench.operations.startReplay({ filter: { ...filter, to: bench.clock.at }, corrects, by })
  assert.equal(again.id, order.id, 'a second click')
  const other = await bench.operations.startReplay({ filter, corrects, by: 'bob' })
  const counts = await Promise.all([order, order, other].map(({ id }) => runAll(bench, id)))
  assert.equal(
    counts.reduce((sum, count) => sum + count, 0),
    3,
  )
  assert.deepEqual(Object.keys(await corrections(bench)).sort(), ids.sort())
})

test('a sale that failed for another reason than the key is left as it is, though in the same course', async (t) => {
  const bench = await start(t)
  const [wrong = '', refused = ''] = await failed(bench, ['a', 'b'])
  const reason = { reason: 'lms.refused', reason_text: 'full', reason_course: COURSE } as const
  await bench.db.updateTable('deliveries').set(reason).where('id', '=', refused).execute()
  const { id } = await bench.operations.startReplay({ filter: {}, corrects, by })
  await runAll(bench, id)
  assert.deepEqual(Object.keys(await corrections(bench)), [wrong])
})

test('the same order to another course is no second click', async (t) => {
  const { operations } = await start(t)
  const [first, second] = [RIGHT, OTHER].map((to) =>
    operations.startReplay({ filter, corrects: { from: COURSE, to }, by }),
  )
  assert.notEqual((await first)?.id, (await second)?.id)
})

test('a sale that fails after the preview is not corrected: nobody has seen it', async (t) => {
  const bench = await start(t)
  await failed(bench, ['a'])
  const seenAt = bench.clock.at
  await failed(bench, ['late'])
  const order = await bench.operations.startReplay({ filter: { ...filter, to: seenAt }, corrects, by })
  assert.deepEqual([order.total, await runAll(bench, order.id)], [1, 1])
})

test('a buyer who was taken out of a course is left to a person: the corrected sale would enroll them there again', async (t) => {
  const bench = await start(t)
  const [withdrawn = '', unenrolled = '', lost = ''] = await failed(bench, ['a', 'b', 'c'], [COURSE, OTHER])
  await setFacts(bench.db, withdrawn, { courses: { [OTHER]: 'enrolled' } })
  await bench.operations.withdraw({ id: withdrawn, courses: [OTHER], paid: false, by: 'bob' })
  const standing = { standing: 'unenrolled', mode: null, checkedAt: 1, since: 1 } as const
  await setFacts(bench.db, unenrolled, { standings: { [OTHER]: standing } })
  const gone = { ...standing, standing: 'missing' } as const
  await setFacts(bench.db, lost, { courses: { [OTHER]: 'enrolled' }, standings: { [OTHER]: gone } })
  bench.clock.at += 1000
  const order = await bench.operations.startReplay({ filter, corrects, by })
  assert.deepEqual([order.total, await runAll(bench, order.id)], [3, 0])
  assert.equal((await bench.row(withdrawn)).state, 'needs_attention')
})

test('a corrected sale that the shop sent itself, and that was refunded since, does not start again', async (t) => {
  const bench = await start(t)
  const [id = ''] = await failed(bench, ['a'])
  const planned = await bench.operations.previewCorrection({ id, courseIds: [RIGHT] })
  assert(planned.kind === 'planned')
  const sent = only(await bench.store.write([accepted({ ...planned.webhook, source: 'shop' })])).id
  await bench.operations.markHandled({ id: sent, as: 'paid_back', note: 'refunded', by: 'bob' })
  const order = await bench.operations.startReplay({ filter, corrects, by })
  assert.equal(await runAll(bench, order.id), 0)
  assert.deepEqual([(await bench.row(sent)).state, (await bench.row(id)).state], ['handled', 'needs_attention'])
})

test('nor does one of which only a course was refunded: as a repeat, it would give that back', async (t) => {
  const bench = await start(t)
  const [id = ''] = await failed(bench, ['a'], [COURSE, OTHER])
  const planned = await bench.operations.previewCorrection({ id, courseIds: [RIGHT, OTHER] })
  assert(planned.kind === 'planned')
  const sent = only(await bench.store.write([accepted({ ...planned.webhook, source: 'shop' })])).id
  await setFacts(bench.db, sent, { courses: { [RIGHT]: 'enrolled', [OTHER]: 'enrolled' } })
  await bench.db.updateTable('deliveries').set({ state: 'enrolled', due_at: null }).where('id', '=', sent).execute()
  await bench.operations.withdraw({ id: sent, courses: [OTHER], paid: true, by: 'bob' })
  const order = await bench.operations.startReplay({ filter, corrects, by })
  assert.equal(await runAll(bench, order.id), 0)
  assert.deepEqual([(await bench.row(sent)).state, (await bench.row(id)).state], ['enrolled', 'needs_attention'])
})

test('a stop ends a bulk correction; what is corrected stays corrected', async (t) => {
  const bench = await start(t)
  await failed(
    bench,
    Array.from({ length: 25 }, (_, i) => `p${i}`),
  )
  const { id } = await bench.operations.startReplay({ filter, corrects, by })
  await stepReplay(bench.context, id)
  await bench.operations.stopReplay({ id, by: 'bob' })
  assert.equal(await runAll(bench, id), 0)
  assert.equal(Object.keys(await corrections(bench)).length, 20)
  const [last] = (await bench.operations.audit({})).items
  assert.deepEqual(
    [last?.kind, last?.actor, last?.detail],
    ['bulk_correction_stopped', 'bob', `bulk correction ${id} after 20`],
  )
})

test('the correction of a test sale is a test too', async (t) => {
  const bench = await start(t)
  const sold = await bench.operations.testSale({ email: 't@x.example', courseIds: [COURSE], nonce: '1', by })
  assert(sold.kind === 'sold')
  await bench.store.write([settled(needsAttention(sold.id))])
  bench.clock.at += 1000
  const order = await bench.operations.startReplay({ filter, corrects, by })
  assert.equal(await runAll(bench, order.id), 1)
  const made = (await bench.row(sold.id)).replaced_by ?? ''
  assert.equal((await bench.row(made)).source, 'test')
  const { value: sales } = await bench.operations.countByState({ sales: true })
  assert.equal(totalOf(sales), 0)
})

test('a sale that an operator handles while a step begins is left as it is', async (t) => {
  const bench = await start(t)
  const [id = ''] = await failed(bench, ['a'])
  const order = await bench.operations.startReplay({ filter, corrects, by })
  let looks = 0
  const db = bench.db.withPlugin({
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      if (++looks === 2) await bench.operations.markHandled({ id, as: 'paid_back', note: 'refunded', by: 'bob' }) // first the order is read, then it searches
      return result
    },
  })
  const before = bench.published.length
  assert.equal(await stepReplay({ ...bench.context, database: { ...bench.database, db } }, order.id), true)
  assert.deepEqual(
    bench.published.slice(before).map(({ kind }) => kind),
    ['paid_back'],
  )
  assert.deepEqual(await corrections(bench), {})
})
