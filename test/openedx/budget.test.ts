import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createBudget, type Permit, unlimitedBudget } from '../../src/openedx/budget.ts'

const MINUTE = 60_000
const { signal } = new AbortController()

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A clock that is moved by hand, and the timers that hang on it. */
function clock() {
  let at = 0
  let timers: { at: number; then: () => void }[] = []
  return {
    now: () => at,
    later: (ms: number, then: () => void) => void timers.push({ at: at + ms, then }),
    /** Moves on and lets everything happen that was due meanwhile, in order. */
    async pass(ms: number): Promise<void> {
      const end = at + ms
      await turn() // what was handed out is spent before time goes on
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

/** Replicas that share a budget: each knows how many there are from its start and its last heartbeat. */
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
      replicas: () => known,
      member: () => name,
      lastUsedAt: known === 1 ? (spentAt.at(-1) ?? null) : time.now(),
      now: time.now,
      later: (ms, then) => time.later(ms, () => (paused ? missed.push(then) : then())),
    })
    const beat = (): void => {
      if (ended.signal.aborted) return
      if (!paused) {
        if (time.now() - (seenAt.get(name) ?? 0) >= DEAD_AFTER) name = `replica-${names++}`
        seenAt.set(name, time.now())
        known = live()
      }
      time.later(HEARTBEAT, beat)
    }
    time.later(HEARTBEAT, beat)
    const ask = (times: number): void => {
      if (paused) return void missed.push(() => ask(times))
      for (let i = 0; i < times; i++) {
        const spent = budget.acquire(ended.signal).then((permit) => {
          permit.spend()
          spentAt.push(time.now())
        })
        spent.catch(() => {}) // it has ended
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
      /** Its heartbeat comes before its next call: without it, it has no lease. */
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
  lastUsedAt = null as number | null,
} = {}) {
  const time = clock()
  const budget = createBudget({ callsPerMinute, replicas, member, lastUsedAt, ...time })
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

test('30 calls at once, then 80 a minute', async () => {
  const { time, spentAt, ask } = start()
  ask(200)
  await time.pass(0)
  assert.equal(spentAt.length, 30)
  await time.pass(MINUTE)
  assert.equal(spentAt.length, 110)
})

test('whatever is asked for, no minute has more than the limit', async () => {
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

test('replicas share it', async () => {
  const { time, spentAt, ask } = start({ replicas: () => 2 })
  ask(200)
  await time.pass(MINUTE)
  assert.equal(spentAt.length, 55)
})

test('when another one joins, the bucket holds the new share at once', async () => {
  let count = 1
  const { time, spentAt, ask } = start({ replicas: () => count })
  count = 2
  ask(200)
  await time.pass(0)
  assert.equal(spentAt.length, 15)
})

test('when another one leaves, nothing is added for the time before', async () => {
  let count = 2
  const { time, spentAt, ask } = start({ replicas: () => count, lastUsedAt: 0 })
  await time.pass(MINUTE / 4)
  count = 1
  ask(200)
  await time.pass(0)
  assert.equal(spentAt.length, 10)
})

test('one that was given up for dead begins again with an empty bucket', async () => {
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

test('replicas that start together make no more calls in a minute than the LMS allows, whatever they know', async () => {
  const { time, spentAt, startReplica } = cluster()
  for (let i = 0; i < 3; i++) startReplica().ask(200)
  await time.pass(3 * MINUTE)
  assert.ok(mostInAMinute(spentAt) <= 120, `${mostInAMinute(spentAt)} calls in a minute`)
  assert.ok(spentAt.length > 3 * 75, 'and use what there is')
})

test('replicas join, leave, die, pause and wake up: no minute has more than the LMS allows', async () => {
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

test('a restart finds the bucket as empty as the process before it may have left it', async () => {
  const soon = start({ lastUsedAt: 0 })
  soon.ask(200)
  await soon.time.pass(MINUTE)
  assert.equal(soon.spentAt.length, 80)
  const later = start({ lastUsedAt: -MINUTE / 8 })
  later.ask(200)
  await later.time.pass(0)
  assert.equal(later.spentAt.length, 10)
})

test('first come, first served; who gives up leaves the queue, and a permit given back goes to the next', async () => {
  const { time, budget } = start({ callsPerMinute: 11 / 3 }) // a bucket of one
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
  first?.giveBack()
  first?.giveBack()
  await time.pass(0)
  assert.deepEqual(order, ['second'])
})

test('a permit is for one call', async () => {
  const permit = await unlimitedBudget().acquire(signal)
  permit.spend()
  assert.throws(() => permit.spend(), /one call/)
  await assert.rejects(unlimitedBudget().acquire(AbortSignal.abort(new Error('stopped'))), /stopped/)
})
