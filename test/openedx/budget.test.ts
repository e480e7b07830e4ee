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

function start({ callsPerMinute = 110, replicas = (): number => 1, lastUsedAt = null as number | null } = {}) {
  const time = clock()
  const budget = createBudget({ callsPerMinute, replicas, lastUsedAt, ...time })
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
