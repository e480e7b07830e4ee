import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimIds, claimNow, submit } from './claiming.ts'
import { arrival, deadline, only, retry, START, settled, setUp, succeeded } from './harness.ts'

const quick = { timeout: 30_000 }
const DAY = 86_400_000

test('the oldest deliveries are claimed first, and at most as many as requested', quick, async (t) => {
  const bench = await setUp(t)
  const ids: string[] = []
  for (const at of [START, START - 2000, START - 1000]) {
    bench.clock.at = at
    ids.push(await submit(bench, `p${at}@x.example`))
  }
  bench.clock.at = START
  assert.deepEqual(await claimIds(bench, 2), [ids[1], ids[2]])
  assert.deepEqual(await claimIds(bench, 2), [ids[0]])
})

test('a person has one claimed delivery at a time, however the address is written', quick, async (t) => {
  const bench = await setUp(t)
  const [first, second, other, third] = [
    await submit(bench, 'Ada@Example.com', 1),
    await submit(bench, 'ada@example.com', 2),
    await submit(bench, 'bob@example.com', 3),
    await submit(bench, 'ADA@EXAMPLE.COM', 4),
  ]
  assert.deepEqual(await claimIds(bench), [first, other])
  assert.deepEqual(await claimNow(bench), [])
  await bench.inbox.settle([succeeded(first)])
  assert.deepEqual(await claimIds(bench), [second])
  await bench.inbox.settle([retry(second, START + 1)])
  assert.deepEqual(await claimIds(bench), [third])
})

test('a delivery behind 500 deliveries of one person is claimed', quick, async (t) => {
  const bench = await setUp(t)
  const crowd = Array.from({ length: 500 }, (_, i) => bench.inbox.submit(arrival({ order: i }), null))
  const [first] = await Promise.all(crowd)
  bench.clock.at += 1
  const behind = await submit(bench, 'behind@x.example')
  assert.deepEqual(await claimIds(bench), [first?.id, behind])
  assert.deepEqual(await claimNow(bench), [])
})

test(
  'a delivery that was scheduled while the clock was far ahead is claimed as due, after those that are',
  quick,
  async (t) => {
    const bench = await setUp(t)
    const [retried, repeated] = [await submit(bench, 'a@x.example'), await submit(bench, 'b@x.example')]
    await bench.db
      .updateTable('deliveries')
      .set({ due_at: START + 4 * DAY })
      .where('id', '=', retried)
      .execute()
    await bench.db
      .updateTable('deliveries')
      .set({ due_at: START + DAY / 3 })
      .where('id', '=', repeated)
      .execute()
    const due = await submit(bench, 'c@x.example')
    assert.deepEqual(await claimIds(bench), [due, retried])
    assert.deepEqual(await claimNow(bench), [])
  },
)

test('two claims at the same time never get the same delivery', quick, async (t) => {
  const bench = await setUp(t)
  const ids = await Promise.all(Array.from({ length: 20 }, (_, i) => submit(bench, `p${i}@x.example`)))
  const claimed = await Promise.all([claimIds(bench, 12), claimIds(bench, 12)])
  assert.deepEqual(claimed.flat().sort(), ids.sort())
})

test('a claim waits until a delivery is stored', quick, async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] }) // no polling: only the wake-up signal wakes it
  const bench = await setUp(t)
  const claiming = claimIds(bench)
  await new Promise(setImmediate)
  const id = await submit(bench, 'a@x.example')
  assert.deepEqual(await claiming, [id])
})

test('a delivery that is stored during a claim is not missed', quick, async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const bench = await setUp(t)
  let arrives: Promise<string> | null = null
  const other = await bench.replica('replica-1', (store) => ({
    ...store,
    due: async (page) => {
      const rows = await store.due(page)
      arrives ??= submit(other, 'a@x.example')
      await arrives
      return rows
    },
  }))
  assert.deepEqual(await claimIds(other), [await arrives])
})

test('the next delivery of a person is claimed as soon as the previous one is settled', quick, async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const bench = await setUp(t)
  const first = await submit(bench, 'a@x.example', 1)
  const second = await submit(bench, 'a@x.example', 2)
  assert.deepEqual(await claimIds(bench), [first])
  const claiming = claimIds(bench)
  await new Promise(setImmediate)
  await bench.inbox.settle([succeeded(first)])
  assert.deepEqual(await claiming, [second])
})

test('a delivery that a command made due is claimed without a wake-up signal', quick, async (t) => {
  const bench = await setUp(t)
  const command = await bench.replica('replica-1')
  const claiming = claimIds(bench)
  const id = await submit(command, 'a@x.example')
  assert.deepEqual(await claiming, [id])
})

test('a retry is claimed when it is due and not before', quick, async (t) => {
  const bench = await setUp(t)
  const id = await submit(bench, 'a@x.example')
  await claimIds(bench)
  await bench.inbox.settle([retry(id, START + 5000)])
  bench.clock.at = START + 4999
  assert.deepEqual(await claimNow(bench), [])
  bench.clock.at = START + 5000
  assert.deepEqual(await claimNow(bench), [id])
})

test(
  'a row that is settled between listing and claiming is not claimed, and its person can be claimed again',
  quick,
  async (t) => {
    const bench = await setUp(t)
    let between = async (): Promise<void> => {}
    const other = await bench.replica('replica-1', (store) => ({
      ...store,
      due: async (page) => {
        const rows = await store.due(page)
        await between()
        return rows
      },
    }))
    const [ended, put, free] = [
      await submit(bench, 'a@x.example'),
      await submit(bench, 'b@x.example'),
      await submit(bench, 'c@x.example'),
    ]
    between = async () => {
      await bench.store.write([settled(succeeded(ended)), settled(retry(put, START + 5000))])
    }
    assert.deepEqual(await claimIds(other), [free])
    between = async () => {}
    const again = await submit(bench, 'a@x.example', 2)
    bench.clock.at += 5000
    assert.deepEqual((await claimNow(other)).sort(), [put, again].sort())
  },
)

test('a failed read is reported, and its delivery can be claimed afterwards', quick, async (t) => {
  const bench = await setUp(t)
  let fails = true
  const other = await bench.replica('replica-1', (store) => ({
    ...store,
    readClaimed: async (ids) => {
      if (fails) throw new Error('no connection')
      return store.readClaimed(ids)
    },
  }))
  const id = await submit(bench, 'a@x.example')
  await assert.rejects(claimIds(other), /no connection/)
  fails = false
  assert.equal(only(await claimIds(other)), id)
})

test('the deliveries that a sender waits for are claimed on top of the number that was asked for', quick, async (t) => {
  const bench = await setUp(t)
  const backlog = [await submit(bench, 'a@x.example'), await submit(bench, 'b@x.example')]
  const waiting = ['c@x.example', 'd@x.example'].map((email) => bench.inbox.submit(arrival({ email }), deadline()))
  await submit(bench, 'e@x.example') // by then the two are stored
  const ids = await claimIds(bench, 1)
  assert.equal(ids.length, 3)
  assert.deepEqual(ids.slice(2), backlog.slice(0, 1))
  bench.inbox.close()
  assert.deepEqual((await Promise.all(waiting)).map(({ id }) => id).sort(), ids.slice(0, 2).sort())
})
