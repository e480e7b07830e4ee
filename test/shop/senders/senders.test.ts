import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { purgeAuditStep } from '../../../src/queue/retention.ts'
import { createSenders, readRows, type Senders } from '../../../src/shop/senders/senders.ts'
import { wrongNow, wrongSignatures } from '../../../src/shop/senders/view.ts'
import { START, setUp } from '../../queue/harness.ts'

const MINUTE = 60_000
const SHOP = '192.0.2.1'

async function setUpSenders(t: TestContext) {
  const { context, clock, db } = await setUp(t)
  const broken = { is: false, meanwhile: () => {} }
  const guard = async <T>(work: () => Promise<T>): Promise<T> => {
    if (!broken.is) return work()
    broken.meanwhile()
    throw new Error('the database is away')
  }
  const replica = (guarded = guard): Senders => createSenders({ context, guard: guarded })
  type Result = Parameters<Senders['count']>[0]['result']
  const send = (senders: Senders, result: Result, { ip = SHOP, count = 1 } = {}): void => {
    for (let i = 0; i < count; i++) senders.count({ ip, result })
  }
  return { clock, context, db, broken, replica, send }
}

test('refusals outlast a restart: cause, sender, first, last and count', async (t) => {
  const { clock, replica, send } = await setUpSenders(t)
  const before = replica()
  send(before, 'signature', { count: 3 })
  await before.flush()
  clock.at += MINUTE
  send(before, 'signature', { count: 2 })
  send(before, 'json')
  await before.flush()
  const { refused } = await replica().read()
  assert.deepEqual(refused, [
    {
      address: SHOP,
      causes: [
        { code: 'signature', count: 5, firstAt: START, lastAt: START + MINUTE, lately: 5 },
        { code: 'json', count: 1, firstAt: START + MINUTE, lastAt: START + MINUTE, lately: 1 },
      ],
      signedAt: null,
    },
  ])
})

test('the counts of several replicas add up, with those that are not stored yet', async (t) => {
  const { clock, replica, send } = await setUpSenders(t)
  const [one, two] = [replica(), replica()]
  send(one, 'signature', { count: 3 })
  send(two, 'signature', { count: 4 })
  await Promise.all([one.flush(), two.flush()])
  clock.at += MINUTE
  send(one, 'signature')
  send(two, 'signed')
  await two.flush()
  const { refused, signedAt } = await one.read()
  const cause = { code: 'signature', count: 8, firstAt: START, lastAt: START + MINUTE, lately: 8 }
  assert.deepEqual(refused, [{ address: SHOP, causes: [cause], signedAt: START + MINUTE }])
  assert.deepEqual(signedAt, { current: START + MINUTE, previous: null })
})

test('while the database is away nothing is lost: what could not be stored stays counted', async (t) => {
  const { broken, replica, send } = await setUpSenders(t)
  const senders = replica()
  send(senders, 'signature', { count: 3 })
  broken.is = true
  await assert.rejects(senders.flush())
  send(senders, 'signature')
  broken.is = false
  await senders.flush()
  const { refused } = await replica().read()
  assert.deepEqual(
    refused.flatMap(({ causes }) => causes.map(({ count }) => count)),
    [4],
  )
})

test('a flood from many networks writes few rows, and counts every refusal', async (t) => {
  const { db, replica, send } = await setUpSenders(t)
  const senders = replica()
  for (let i = 0; i < 1000; i++) send(senders, 'signature', { ip: `10.0.${i >> 8}.${i & 255}` })
  await senders.flush()
  const rows = await readRows(db)
  assert.equal(rows.length, 201) // 200 networks, and the others in one row
  assert.equal(
    rows.reduce((sum, { count }) => sum + count, 0),
    1000,
  )
  assert.equal(rows.find(({ address }) => address === '')?.count, 800)
})

test('what can’t be stored stays few rows, and who knows the secret is not counted with strangers', async (t) => {
  const { db, broken, replica, send } = await setUpSenders(t)
  const senders = replica()
  broken.is = true
  let network = 0
  broken.meanwhile = () => {
    for (let i = 0; i < 100; i++) send(senders, 'signature', { ip: `10.0.${network}.${i}` })
    network++
  }
  send(senders, 'json')
  for (let i = 0; i < 5; i++) await assert.rejects(senders.flush())
  broken.is = false
  send(senders, 'signed')
  await senders.flush()
  const rows = await readRows(db)
  assert.ok(rows.length <= 203, `${rows.length}`)
  assert.equal(rows.find(({ result }) => result === 'signed')?.address, SHOP)
  assert.equal(
    rows.reduce((sum, { count }) => sum + count, 0),
    502,
  )
})

test('what is just being stored is counted once', async (t) => {
  const { replica, send } = await setUpSenders(t)
  const senders = replica()
  send(senders, 'signature', { count: 3 })
  const [{ refused }] = await Promise.all([senders.read(), senders.flush()])
  assert.deepEqual(
    refused.flatMap(({ causes }) => causes.map(({ count }) => count)),
    [3],
  )
})

test('what is stored is not counted again when the database is lost right after it', async (t) => {
  const { replica, send } = await setUpSenders(t)
  let uses = 0
  const senders = replica(async (work) => {
    if (++uses === 2) throw new Error('the database is away')
    return work()
  })
  send(senders, 'signature', { count: 3 })
  await assert.rejects(senders.flush())
  const { refused } = await senders.read()
  assert.deepEqual(
    refused.flatMap(({ causes }) => causes.map(({ count }) => count)),
    [3],
  )
})

test('several networks together are not named as the sender of wrong signatures', async (t) => {
  const { clock, replica, send } = await setUpSenders(t)
  const senders = replica()
  for (let i = 0; i < 300; i++) send(senders, 'signature', { ip: `10.0.${i >> 8}.${i & 255}` })
  const { refused } = await senders.read()
  assert.equal(refused.find(({ address }) => address === '')?.causes[0]?.count, 100)
  assert.equal(wrongNow(refused, clock.at), null)
  send(senders, 'signature', { count: 5, ip: '10.0.0.1' })
  const wrong = wrongNow((await senders.read()).refused, clock.at)
  assert.deepEqual([wrong?.address, wrong?.count], ['10.0.0.1', 6])
})

for (const [kept, isFlushed] of [
  ['stored', true],
  ['not stored yet', false],
] as const) {
  test(`one wrong signature a day is no problem, and five of an hour are one: ${kept}`, async (t) => {
    const { clock, replica, send } = await setUpSenders(t)
    const senders = replica()
    const wrongAfter = async (ms: number) => {
      clock.at += ms
      send(senders, clock.at % 2 === 0 ? 'signature' : 'too_old')
      if (isFlushed) await senders.flush()
      return wrongNow((await senders.read()).refused, clock.at)
    }
    for (let day = 0; day < 7; day++) assert.equal(await wrongAfter(24 * 60 * MINUTE), null)
    for (let i = 0; i < 3; i++) assert.equal(await wrongAfter(10 * MINUTE + 1), null)
    const wrong = await wrongAfter(10 * MINUTE)
    assert.deepEqual([wrong?.address, wrong?.count], [SHOP, 11])
    assert.equal(wrongNow((await senders.read()).refused, clock.at + 60 * MINUTE), null)
  })
}

test('sales under known webhook-ids are counted over all senders', async (t) => {
  const { clock, replica, send } = await setUpSenders(t)
  const senders = replica()
  for (const ip of ['192.0.2.1', '198.51.100.1']) send(senders, 'sale_reused', { ip })
  const { idsReused } = await senders.read()
  assert.deepEqual(idsReused, { count: 2, firstAt: clock.at, lastAt: clock.at })
})

test('at most 1,000 rows are kept, and strangers do not displace a sender with a valid signature', async (t) => {
  const { clock, db, replica, send } = await setUpSenders(t)
  const senders = replica()
  send(senders, 'signature')
  send(senders, 'signed')
  for (let i = 0; i < 1300; i++) {
    send(senders, 'signature', { ip: `10.0.${i >> 8}.${i & 255}` })
    clock.at++
    if (i % 100 === 99) await senders.flush()
  }
  const rows = await readRows(db)
  assert.equal(rows.length, 1002)
  const [first] = (await senders.read()).refused
  assert.deepEqual([first?.address, first?.signedAt], [SHOP, START])
  assert.ok(!rows.some(({ address }) => address === '10.0.0.0'), 'the oldest one')
})

test('what nobody sent for the time of the retention is deleted', async (t) => {
  const { clock, context, db, replica, send } = await setUpSenders(t)
  const senders = replica()
  send(senders, 'signature')
  await senders.flush()
  clock.at += MINUTE
  send(senders, 'json')
  await senders.flush()
  await purgeAuditStep({ ...context, before: START + 1 })
  assert.deepEqual(
    (await readRows(db)).map(({ result }) => result),
    ['json'],
  )
})

test('all faults of a signature count together, from the first to the last', async (t) => {
  const { clock, replica, send } = await setUpSenders(t)
  const senders = replica()
  send(senders, 'signature')
  clock.at += MINUTE
  send(senders, 'too_old', { count: 2 })
  clock.at += MINUTE
  send(senders, 'json')
  const [sender] = (await senders.read()).refused
  assert.ok(sender)
  assert.deepEqual(wrongSignatures(sender), { count: 3, firstAt: START, lastAt: START + MINUTE })
  assert.equal(wrongSignatures({ causes: [] }), null)
})
