import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resultsOf } from '../../src/sale/line.ts'
import type { Delivery } from '../../src/sale/types.ts'
import {
  answerOf,
  arrival,
  DEADLINE,
  deadline,
  needsAttention,
  only,
  progressOf,
  type Replica,
  rejectedArrival,
  retry,
  START,
  setUp,
  succeeded,
  timeline,
} from './harness.ts'

const running = new AbortController().signal
const DAY_MS = 24 * 3_600_000
const quick = { timeout: 30_000 } // a test that waits for the deadline instead of the event fails by it

const claimOne = async ({ inbox }: Replica): Promise<Delivery> => only(await inbox.claim(10, running))

test('a submit waits for the result of the attempt and resolves to it', quick, async (t) => {
  const bench = await setUp(t)
  for (const end of [succeeded, needsAttention]) {
    const answered = bench.inbox.submit(arrival({ email: end.name }), deadline())
    const { id, request } = await claimOne(bench)
    assert.equal(request?.email, end.name)
    await bench.inbox.settle([end(id)])
    assert.deepEqual(answerOf(await answered), { id, progress: progressOf(end(id)) })
  }
})

test(
  'an attempt answers the equal webhooks from before its start, and the next attempt those that arrive during it',
  quick,
  async (t) => {
    const bench = await setUp(t)
    const before = [bench.inbox.submit(arrival(), deadline()), bench.inbox.submit(arrival(), deadline())]
    const { id } = await claimOne(bench)
    await bench.inbox.beginAttempt([id])
    const during = bench.inbox.submit(arrival(), deadline())
    await bench.inbox.submit(arrival(), null)
    const first = succeeded(id, 'enrolled', 1)
    await bench.inbox.settle([first])
    for (const answer of await Promise.all(before))
      assert.deepEqual(answerOf(answer), { id, progress: progressOf(first) })
    const next = await claimOne(bench)
    await bench.inbox.beginAttempt([id])
    assert.deepEqual(
      [next.id, resultsOf(next.lines), next.generation],
      [id, {}, 2],
      'two that arrived together count once',
    )
    const second = succeeded(id, 'allowed', 2)
    await bench.inbox.settle([second])
    assert.deepEqual(answerOf(await during), { id, progress: progressOf(second) })
    const kinds = ['received', 'repeated', 'repeated', 'repeated', 'enrolled', 'pre_enrolled']
    assert.deepEqual(await timeline(bench, id), kinds)
  },
)

test('a repeat during the last attempt restarts the schedule', quick, async (t) => {
  const bench = await setUp(t)
  const { id } = await bench.inbox.submit(arrival(), null)
  await claimOne(bench)
  await bench.inbox.submit(arrival(), null)
  await bench.inbox.settle([needsAttention(id)])
  const { state, attempts } = await claimOne(bench)
  assert.deepEqual([state, attempts], ['queued', 0])
})

test('a repeat of a queued delivery gets no earlier result: a finished course is enrolled again', quick, async (t) => {
  const bench = await setUp(t)
  const { id } = await bench.inbox.submit(arrival(), null)
  await claimOne(bench)
  await bench.inbox.settle([{ ...retry(id, START + 5000), outcome: succeeded(id).outcome }])
  void bench.inbox.submit(arrival(), deadline())
  const { lines, generation } = await claimOne(bench)
  assert.deepEqual([resultsOf(lines), generation], [{}, 1])
})

test('a repeat of a finished delivery waits for a new attempt', quick, async (t) => {
  const bench = await setUp(t)
  const { id } = await bench.inbox.submit(arrival(), null)
  await claimOne(bench)
  await bench.inbox.settle([succeeded(id)])
  const again = bench.inbox.submit(arrival(), deadline())
  assert.deepEqual(resultsOf((await claimOne(bench)).lines), {})
  await bench.inbox.settle([succeeded(id, 'allowed', 1)])
  assert.deepEqual(answerOf(await again), { id, progress: progressOf(succeeded(id, 'allowed', 1)) })
})

for (const order of ['result first', 'repeat first']) {
  test(`a repeat in the same group as the result of its row does not get that result (${order})`, quick, async (t) => {
    const bench = await setUp(t)
    const first = bench.inbox.submit(arrival(), deadline())
    const { id } = await claimOne(bench)
    await bench.inbox.beginAttempt([id])
    const settle = () => bench.inbox.settle([succeeded(id)])
    const settling = order === 'result first' ? settle() : null
    const repeat = bench.inbox.submit(arrival(), deadline())
    await (settling ?? settle())
    assert.deepEqual(await timeline(bench, id), ['received', 'enrolled', 'repeated'])
    assert.deepEqual((await first).progress, progressOf(succeeded(id)))
    assert.equal((await claimOne(bench)).id, id)
    await bench.inbox.settle([succeeded(id, 'allowed', 1)])
    assert.deepEqual((await repeat).progress, progressOf(succeeded(id, 'allowed', 1)))
  })
}

test('a rejected webhook is answered at once, and so is one without a deadline', quick, async (t) => {
  const { inbox } = await setUp(t)
  const webhook = rejectedArrival()
  const { progress } = await inbox.submit(webhook, deadline())
  assert.deepEqual(progress, {
    state: 'rejected',
    dueAt: null,
    reason: webhook.reason,
    generation: 0,
  })
  assert.equal((await inbox.submit(arrival({ order: 2 }), null)).progress, null)
})

test('after the deadline there is no answer, and the delivery is still attempted', quick, async (t) => {
  const bench = await setUp(t)
  const { id, progress } = await bench.inbox.submit(arrival(), performance.now() + 5)
  assert.equal(progress, null)
  assert.equal((await claimOne(bench)).id, id)
})

test('a sender waits for the next attempt if it is before the deadline', quick, async (t) => {
  const bench = await setUp(t)
  const answered = bench.inbox.submit(arrival(), deadline())
  const { id } = await claimOne(bench)
  await bench.inbox.settle([retry(id, START + 1000)])
  bench.clock.at = START + 1000
  bench.inbox.resume() // sends the wake-up signal
  assert.equal((await claimOne(bench)).attempts, 1)
  await bench.inbox.settle([succeeded(id)])
  assert.deepEqual((await answered).progress, progressOf(succeeded(id)))
})

test('a clock that is set meanwhile ends no wait: of a sale, or of a refund', quick, async (t) => {
  const bench = await setUp(t)
  const setClock = <Result>(result: Result): Result => {
    bench.clock.at += DAY_MS
    return result
  }
  const ended = [new Map(), new Map([['a/b/c', 'done' as const]])]
  const { inbox } = await bench.replica('replica-2', (store) => ({
    ...store,
    write: (writes) => store.write(writes).then(setClock),
    withdrawn: async () => setClock(ended.shift() ?? new Map()),
  }))
  const answered = inbox.submit(arrival(), deadline())
  const { id } = only(await inbox.claim(10, running))
  await inbox.settle([succeeded(id)])
  assert.deepEqual((await answered).progress, progressOf(succeeded(id)))
  assert.equal(await inbox.withdrawn({ ids: ['a/b/c'], deadline: deadline() }), 'done')
})

test('a next attempt at the deadline or later is answered at once', quick, async (t) => {
  const bench = await setUp(t)
  const answered = bench.inbox.submit(arrival(), deadline())
  const { id } = await claimOne(bench)
  await bench.inbox.settle([retry(id, DEADLINE)])
  assert.deepEqual((await answered).progress, progressOf(retry(id, DEADLINE)))
})

test('a pause answers the waiting senders, and no sender waits during it', quick, async (t) => {
  const bench = await setUp(t)
  const waiting = bench.inbox.submit(arrival(), deadline())
  const { id } = await claimOne(bench)
  bench.inbox.pause()
  assert.deepEqual(answerOf(await waiting), { id, progress: null })
  assert.deepEqual(answerOf(await bench.inbox.submit(arrival(), deadline())), { id, progress: null })
  bench.inbox.resume()
  const answered = bench.inbox.submit(arrival(), deadline())
  await bench.inbox.submit(arrival(), null) // by then the previous one is stored
  await bench.inbox.settle([succeeded(id)])
  const { generation } = await claimOne(bench)
  await bench.inbox.settle([succeeded(id, 'enrolled', generation)])
  assert.deepEqual(answerOf(await answered), { id, progress: progressOf(succeeded(id, 'enrolled', generation)) })
})

test('a close answers the waiting senders, and no sender waits afterwards', quick, async (t) => {
  const { inbox } = await setUp(t)
  const stored = inbox.submit(arrival(), null)
  const waiting = inbox.submit(arrival(), deadline())
  await stored
  inbox.close()
  const late = inbox.submit(arrival({ order: 2 }), deadline())
  assert.equal((await waiting).progress, null)
  assert.equal((await late).progress, null)
})

test(
  '500 webhooks at the same time, some of them equal, are each stored and published exactly once',
  quick,
  async (t) => {
    const bench = await setUp(t)
    const numbers = Array.from({ length: 500 }, (_, i) => (i * 7) % 180)
    const answers = await Promise.all(
      numbers.map((n) => bench.inbox.submit(arrival({ email: `p${n}@x.example` }), null)),
    )
    const idOf = new Map(numbers.map((n, i) => [n, answers[i]?.id]))
    assert.equal(new Set(idOf.values()).size, 180)
    for (const [i, n] of numbers.entries()) assert.equal(answers[i]?.id, idOf.get(n))
    const rows = await bench.db.selectFrom('events').selectAll().orderBy('id').execute()
    assert.equal(rows.length, 500)
    assert.deepEqual(
      bench.published.map(({ id }) => id).sort(),
      rows.map(({ id }) => id),
    )
    for (const id of idOf.values()) assert.equal(rows.find((row) => row.delivery_id === id)?.kind, 'received')
    assert.equal(rows.filter(({ kind }) => kind === 'received').length, 180)
  },
)
