import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { followUpRound, type RoundResult, runFollowUp } from '../../../src/enroll/follow-up/follow-up.ts'
import { type Budget, unlimitedBudget } from '../../../src/lms/client/budget.ts'
import { DEMO } from '../../harness.ts'
import type { Replica } from '../../queue/harness.ts'
import { until } from '../../service/process.ts'
import { callsTo, type FollowUp, LIST, register, SEARCH, setUp } from './harness.ts'

const ADA = 'ada@x.example'
const enrollment = (email: string) => ({ email, course: DEMO, mode: 'audit', active: true })

/** The loop of one replica, until the end of the test. */
function started(
  t: TestContext,
  bench: FollowUp,
  {
    replica = bench,
    isLeader = () => true,
    isLmsUnavailable = () => false,
    budget = unlimitedBudget(),
  }: {
    replica?: Replica
    isLeader?: () => boolean
    isLmsUnavailable?: () => boolean
    budget?: Pick<Budget, 'tryAcquire'>
  } = {},
) {
  const stop = new AbortController()
  const rounds: RoundResult[] = []
  const errors: unknown[] = []
  const running = runFollowUp({
    context: { ...replica.context, publish: (event) => void bench.events.push(event) },
    guard: (work) => work(),
    replicas: { ...replica.replicas, isLeader },
    lms: bench.lms,
    budget,
    modeOf: () => null,
    isLmsUnavailable,
    makeRound: followUpRound,
    intervalMs: 100,
    onRound: (result) => void rounds.push(result),
    onError: (error) => void errors.push(error),
    signal: stop.signal,
  })
  const ended = async (): Promise<void> => {
    stop.abort()
    await running
  }
  t.after(ended)
  return { rounds, errors, stop: ended }
}

const someRounds = ({ rounds }: { rounds: readonly RoundResult[] }, count = 2) =>
  until('a round', () => (rounds.length >= count ? true : undefined))

test('rounds follow each other until the service stops', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA })
  const loop = started(t, bench)
  await someRounds(loop)
  await register(bench, ADA)
  await bench.seed({ enrollments: [enrollment(ADA)] })
  await until('the claim', async () => ((await bench.row(id)).state === 'enrolled' ? true : undefined))
  await loop.stop()
  assert.deepEqual(loop.errors, [])
  assert.ok(loop.rounds.every(({ failure }) => failure === null))
})

test('no round begins while the LMS is unavailable', async (t) => {
  const bench = await setUp(t)
  await bench.sellOne({ email: ADA })
  let asked = 0
  const loop = started(t, bench, { isLmsUnavailable: () => ++asked < 5 })
  await someRounds(loop, 1)
  assert.ok(asked >= 5)
})

test('a throttled call of a round waits while less than a quarter of the call budget is left', async (t) => {
  const bench = await setUp(t)
  await bench.sellOne({ email: ADA })
  await register(bench, ADA)
  await bench.forgetCalls()
  const { tryAcquire } = unlimitedBudget()
  const asked: number[] = []
  let isLeft = false
  const loop = started(t, bench, {
    budget: {
      tryAcquire: (reserve) => {
        asked.push(reserve)
        return isLeft ? tryAcquire(reserve) : null
      },
    },
  })
  await until('two looks at the budget', () => (asked.length >= 2 ? true : undefined))
  assert.deepEqual(await callsTo(bench, SEARCH, LIST), [1, 0])
  assert.deepEqual(new Set(asked), new Set([1 / 4]))
  isLeft = true
  await someRounds(loop, 1)
  assert.deepEqual(await callsTo(bench, LIST), [1])
})

test('of several replicas, the leader makes the rounds, and each buyer is claimed once', async (t) => {
  const bench = await setUp(t)
  const emails = Array.from({ length: 30 }, (_, n) => `buyer${n}@x.example`)
  await bench.sell(emails.map((email) => ({ email })))
  for (const email of emails) {
    await bench.people({ email, username: email.replace(/@.*/, ''), active: true })
    await bench.seed({ enrollments: [enrollment(email)] })
  }
  let [inRound, most] = [0, 0]
  const search = bench.lms.searchEmails
  bench.lms.searchEmails = async (...asked) => {
    most = Math.max(most, ++inRound)
    return search(...asked).finally(() => inRound--)
  }
  const others = [await bench.replica('replica-2'), await bench.replica('replica-3')]
  for (const { replicas, monotonic } of [bench, ...others]) {
    replicas.lease.extend(monotonic.at)
    await replicas.lead()
  }
  const loops = [bench, ...others].map((replica) => started(t, bench, { replica, isLeader: replica.replicas.isLeader }))
  await until('several rounds', () => (loops.flatMap(({ rounds }) => rounds).length >= 6 ? true : undefined))
  for (const loop of loops) await loop.stop()
  assert.equal(most, 1)
  assert.deepEqual(
    loops.slice(1).flatMap(({ rounds }) => rounds),
    [],
  )
  const claimed = await bench.db.selectFrom('events').select('delivery_id').where('kind', '=', 'claimed').execute()
  assert.equal(new Set(claimed.map(({ delivery_id }) => delivery_id)).size, 30)
  assert.equal(claimed.length, 30)
  assert.deepEqual(
    loops.flatMap(({ errors }) => errors),
    [],
  )
})

test('replicas that check the same buyers at the same time store each change once', async (t) => {
  const bench = await setUp(t)
  const emails = Array.from({ length: 20 }, (_, n) => `buyer${n}@x.example`)
  await bench.sell(emails.map((email) => ({ email })))
  for (const email of emails) {
    await bench.people({ email, username: email.replace(/@.*/, ''), active: true })
    await bench.seed({ enrollments: [enrollment(email)] })
  }
  const others = [await bench.replica('replica-2'), await bench.replica('replica-3')]
  await Promise.all([bench, ...others].map(({ context }) => bench.round({}, context)))
  const claimed = await bench.db.selectFrom('events').select('delivery_id').where('kind', '=', 'claimed').execute()
  assert.equal(claimed.length, 20)
})
