import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createBudget, createTurns, type Permit, unlimitedBudget } from '../../src/lms/client/budget.ts'

const MINUTE = 60_000
const { signal } = new AbortController()

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A clock that the test moves, and its timers. */
function clock() {
  let at = 0
  let timers: { at: number; then: () => void }[] = []
  return {
    now: () => at,
    startTimer: (ms: number, then: () => void) => void timers.push({ at: at + ms, then }),
    /** Moves the clock alone. */
    skip: (ms: number): void => {
      at += ms
    },
    /** Moves the clock, and runs the timers that expire in that time, in order. */
    async pass(ms: number): Promise<void> {
      const end = at + ms
      await turn() // granted permits are spent before the clock moves
      for (;;) {
        const [next] = timers.filter((one) => one.at <= end).sort((a, b) => a.at - b.at)
        if (next === undefined) break
        timers = timers.filter((one) => one !== next)
        at = Math.max(at, next.at)
        next.then()
        await turn()
      }
      at = end
    },
  }
}

const HEARTBEAT = 5_000
const DEAD_AFTER = 20_000

/** Replicas that share a budget. Each learns their number at its start and from its heartbeats. */
function cluster() {
  const time = clock()
  const spentAt: number[] = []
  const seenAt = new Map<string, number>()
  const live = (): number => [...seenAt.values()].filter((at) => time.now() - at < DEAD_AFTER).length
  let names = 0

  const startReplica = () => {
    let name = `replica-${names++}`
    let paused = false
    let missed: (() => void)[] = []
    const ended = new AbortController()
    seenAt.set(name, time.now())
    let known = live()
    const budget = createBudget({
      callsPerMinute: 110,
      replicas: { liveCount: () => known, me: () => name },
      clock: time.now,
      startTimer: (ms, then) => time.startTimer(ms, () => (paused ? missed.push(then) : then())),
    })
    const beat = (): void => {
      if (ended.signal.aborted) return
      if (!paused) {
        if (time.now() - (seenAt.get(name) ?? 0) >= DEAD_AFTER) name = `replica-${names++}`
        seenAt.set(name, time.now())
        known = live()
      }
      time.startTimer(HEARTBEAT, beat)
    }
    time.startTimer(HEARTBEAT, beat)
    const ask = (times: number): void => {
      if (paused) return void missed.push(() => ask(times))
      for (let i = 0; i < times; i++) {
        const spent = budget.acquire(ended.signal).then((permit) => {
          permit.spend()
          spentAt.push(time.now())
        })
        spent.catch(() => {}) // the replica has ended
      }
    }
    return {
      ask,
      kill: () => ended.abort(),
      leave: () => {
        ended.abort()
        seenAt.delete(name)
      },
      pause: () => {
        paused = true
      },
      /** The heartbeat comes before the next call: without one, the replica has no lease. */
      wake: () => {
        if (!paused) return
        paused = false
        beat()
        for (const then of missed) then()
        missed = []
      },
    }
  }
  return { time, spentAt, startReplica }
}

const mostInAMinute = (spentAt: readonly number[]): number =>
  Math.max(0, ...spentAt.map((from) => spentAt.filter((at) => at >= from && at < from + MINUTE).length))

function start({
  callsPerMinute = 110,
  replicas = (): number => 1,
  member = (): string => 'me',
  hasRested = true,
} = {}) {
  const time = clock()
  const budget = createBudget({
    callsPerMinute,
    replicas: { liveCount: replicas, me: member },
    ...time,
    clock: time.now,
  })
  if (hasRested) time.skip(2 * MINUTE) // even the smallest bucket is full then
  const spentAt: number[] = []
  const ask = (times: number): void => {
    for (let i = 0; i < times; i++) {
      void budget.acquire(signal).then((permit) => {
        permit.spend()
        spentAt.push(time.now())
      })
    }
  }
  return { time, budget, spentAt, ask }
}

test('a budget allows 30 calls at once, then 80 a minute', async () => {
  const { time, spentAt, ask } = start()
  ask(200)
  await time.pass(0)
  assert.equal(spentAt.length, 30)
  await time.pass(MINUTE)
  assert.equal(spentAt.length, 110)
})

test('no minute has more calls than the limit, however many are requested', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ ask: fc.nat(60), pass: fc.nat(30_000) }), { maxLength: 20 }),
      async (steps) => {
        const { time, spentAt, ask } = start()
        for (const step of steps) {
          ask(step.ask)
          await time.pass(step.pass)
        }
        for (const at of spentAt) assert.ok(spentAt.filter((one) => one >= at && one < at + MINUTE).length <= 110)
      },
    ),
    { numRuns: 50 },
  )
})

test('replicas share the budget', async () => {
  const { time, spentAt, ask } = start({ replicas: () => 2 })
  ask(200)
  await time.pass(MINUTE)
  assert.equal(spentAt.length, 55)
})

test('when a replica joins, the bucket holds the new share at once', async () => {
  let count = 1
  const { time, spentAt, ask } = start({ replicas: () => count })
  count = 2
  ask(200)
  await time.pass(0)
  assert.equal(spentAt.length, 15)
})

test('when a replica leaves, the bucket gets nothing for the time before', async () => {
  let count = 2
  const { time, spentAt, ask } = start({ replicas: () => count, hasRested: false })
  await time.pass(MINUTE / 4)
  count = 1
  ask(200)
  await time.pass(0)
  assert.equal(spentAt.length, 10)
})

test('a replica that was pruned starts again with an empty bucket', async () => {
  let name = 'me'
  const { time, spentAt, ask } = start({ member: () => name })
  await time.pass(MINUTE)
  name = 'me again'
  ask(200)
  await time.pass(0)
  assert.equal(spentAt.length, 0)
  await time.pass(MINUTE)
  assert.equal(spentAt.length, 80)
})

test('replicas that start together stay within the limit of the LMS, whatever they know of each other', async () => {
  const { time, spentAt, startReplica } = cluster()
  for (let i = 0; i < 3; i++) startReplica().ask(200)
  await time.pass(3 * MINUTE)
  assert.ok(mostInAMinute(spentAt) <= 120, `${mostInAMinute(spentAt)} calls in a minute`)
  assert.ok(spentAt.length > 3 * 75, 'and they use the budget')
})

test('no minute has more calls than the LMS allows while replicas join, leave, die, pause and wake up', async () => {
  const step = fc.record({
    which: fc.nat(3),
    what: fc.constantFrom('kill', 'leave', 'pause', 'wake', 'none'),
    ask: fc.constantFrom(0, 0, 10, 60),
    pass: fc.nat(60_000),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
      const { time, spentAt, startReplica } = cluster()
      const replicas = new Map<number, ReturnType<typeof startReplica>>()
      for (const { which, what, ask, pass } of steps) {
        const one = replicas.get(which)
        if (one === undefined) replicas.set(which, startReplica())
        else if (what === 'kill' || what === 'leave') {
          one[what]()
          replicas.delete(which)
        } else if (what !== 'none') one[what]()
        for (const replica of replicas.values()) replica.ask(ask)
        await time.pass(pass)
      }
      for (const one of replicas.values()) one.kill()
      await time.pass(0)
      assert.ok(mostInAMinute(spentAt) <= 120, `${mostInAMinute(spentAt)} calls in a minute`)
    }),
    { numRuns: 500 },
  )
})

test('a process starts with an empty bucket, so that no row of restarts exceeds the limit', async () => {
  const { time, spentAt, startReplica } = cluster()
  for (const seconds of [60, 2, 20, 20, 1, 30, 3, 3, 3, 60]) {
    const replica = startReplica()
    replica.ask(200)
    await time.pass(seconds * 1000)
    replica.leave()
  }
  assert.equal(mostInAMinute(spentAt), 80)
})

test('permits go to callers in their order; an aborted caller leaves the queue, and a released permit goes to the next', async () => {
  const { time, budget } = start({ callsPerMinute: 11 / 3 }) // a bucket for one permit
  await time.pass(MINUTE)
  let first: Permit | undefined
  void budget.acquire(signal).then((permit) => {
    first = permit
  })
  await time.pass(0)
  const order: string[] = []
  const leaver = new AbortController()
  const left = assert.rejects(budget.acquire(leaver.signal), /gone/)
  void budget.acquire(signal).then(() => order.push('second'))
  void budget.acquire(signal).then(() => order.push('third'))
  leaver.abort(new Error('gone'))
  await left
  first?.release()
  first?.release()
  await time.pass(0)
  assert.deepEqual(order, ['second'])
})

test('a permit is good for one call', async () => {
  const permit = await unlimitedBudget().acquire(signal)
  permit.spend()
  assert.throws(() => permit.spend(), /one call/)
  await assert.rejects(unlimitedBudget().acquire(AbortSignal.abort(new Error('stopped'))), /stopped/)
})

test('tryAcquire gives a permit only if one is there at once, nobody waits for it, and the reserve is left', async () => {
  const { time, budget } = start()
  for (let taken = 0; taken < 20; taken++) assert.ok(budget.tryAcquire(1 / 3))
  assert.equal(budget.tryAcquire(1 / 3), null)
  const permits = Array.from({ length: 10 }, () => budget.tryAcquire(0))
  assert.ok(permits.every((permit) => permit !== null))
  assert.equal(budget.tryAcquire(0), null)
  let got: Permit | null = null
  const waiting = budget.acquire(signal).then((permit) => {
    got = permit
  })
  await time.pass(700)
  assert.equal(budget.tryAcquire(0), null)
  await time.pass(100)
  await waiting
  assert.ok(got)
  assert.equal(budget.tryAcquire(0), null)
  permits[0]?.release()
  assert.ok(budget.tryAcquire(0))
  assert.ok(unlimitedBudget().tryAcquire(1 / 3))
})

const ONE = { liveCount: () => 1, me: () => 'me' }

test('a step of the wall clock gives nobody more calls', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 })
  const budget = createBudget({ callsPerMinute: 1, replicas: ONE })
  for (const at of [1_000_000, 3_600_000, 0]) {
    t.mock.timers.setTime(at)
    assert.equal(budget.tryAcquire(0), null)
  }
})

test('a full bucket gives a permit despite a reserve, even if it holds only one', () => {
  for (const callsPerMinute of [1, 5]) {
    const { budget } = start({ callsPerMinute })
    assert.notEqual(budget.tryAcquire(1 / 2), null)
    assert.equal(budget.tryAcquire(1 / 2), null)
  }
})

/** Work that can wait. `slept`: its rests, in which the clock goes on. */
function turns({ time = clock(), budget = unlimitedBudget() } = {}) {
  const slept: number[] = []
  let isOver = false
  const over = new Error('over')
  const made = createTurns({
    budget,
    assertMay: () => {
      if (isOver) throw over
    },
    signal,
    clock: time.now,
    sleep: async (ms) => {
      slept.push(ms)
      await time.pass(ms)
    },
  })
  const end = (): void => {
    isOver = true
  }
  return { ...made, time, slept, over, end }
}

test('a call that can wait comes after a rest as long as the last one took', async () => {
  const { turn, acquire, time, slept } = turns()
  for (const [wait, ms] of [
    [turn, 300],
    [acquire, 20],
    [acquire, 1_000],
    [turn, 0],
  ] as const) {
    await wait()
    await time.pass(ms)
  }
  assert.deepEqual(slept, [300, 20, 1_000])
})

test('a throttled call that can wait leaves a quarter of the bucket, and waits until there is more', async () => {
  const { time, budget } = start()
  const { acquire, slept } = turns({ time, budget })
  for (let call = 0; call < 22; call++) (await acquire()).spend()
  assert.deepEqual(new Set(slept), new Set([0]))
  ;(await acquire()).spend()
  assert.deepEqual(slept.slice(-3), [0, 250, 250], 'until 375 ms have brought half a permit')
  const left = Array.from({ length: 8 }, () => budget.tryAcquire(0))
  assert.deepEqual(
    left.map((permit) => permit !== null),
    [true, true, true, true, true, true, true, false],
  )
})

test('work that can wait may end in any of its waits', async () => {
  for (const isEmpty of [true, false]) {
    const { time, budget } = start()
    while (isEmpty && budget.tryAcquire(0));
    const { turn, acquire, end, over, slept } = turns({ time, budget })
    await turn()
    const waiting = isEmpty ? acquire() : turn()
    end()
    await assert.rejects(waiting, over)
    assert.ok(slept.length > 0)
  }
})
