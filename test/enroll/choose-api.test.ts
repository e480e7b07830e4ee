import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCourseBreakers } from '../../src/enroll/breakers/course-breakers.ts'
import { type Call, chooseCall, createCallChooser } from '../../src/enroll/choose-call.ts'
import { createInFlight } from '../../src/enroll/in-flight.ts'
import type { Work } from '../../src/enroll/work.ts'
import { createBudget } from '../../src/lms/client/budget.ts'
import { failed, succeeded } from '../../src/lms/client/failure.ts'
import { aWork } from './works.ts'

const [A, B] = ['course-v1:x+A+1', 'course-v1:x+B+1'] as const
const OLD = 'edX/Old/2014'
const DOWN = failed({ kind: 'unreachable', endpoint: '/heartbeat', status: null, message: 'no answer' })

interface Apis {
  readonly bulk: boolean | 'fails'
  readonly modify: boolean | 'fails'
}
const BOTH: Apis = { bulk: true, modify: true }
const MODIFY: Apis = { bulk: false, modify: true }

/** The works of one process, with a call budget of `permits`, which gets no more in these tests. */
function setUp(works: readonly Work[], apis: Apis, permits = 30) {
  const inbox = {
    hasBegun: () => false,
    mayContinue: async () => new Set<string>(),
    beginAttempt: async () => new Set<string>(),
    release: () => {},
  }
  const inFlight = createInFlight({ inbox })
  for (const work of works) inFlight.add(work)
  const breakers = createCourseBreakers({ now: () => 0, onChange: () => {} })
  const chooser = createCallChooser({ inFlight, breakers, isAwaited: () => true, now: () => 0 })
  let at = 0
  const budget = createBudget({
    callsPerMinute: 110,
    clock: () => at,
    replicas: { liveCount: () => 1, me: () => 'me' },
    startTimer: () => {},
  })
  at = 60_000 // the bucket is full
  const { signal } = new AbortController()
  for (let spent = 30; spent > permits; spent--) budget.tryAcquire(0)?.spend()
  const has = (api: keyof Apis) => async () => (apis[api] === 'fails' ? DOWN : succeeded(apis[api]))
  const breaker = { lms: { bulkAvailable: has('bulk'), modifyAvailable: has('modify') } }
  return () => chooseCall({ chooser, breaker, budget, signal })
}

const routeOf = (call: Call | null) => call && [call.route.kind, call.batch.courses, call.batch.works]
const alone = (options: Parameters<typeof aWork>[0] = {}): Work => ({ ...aWork(options), grouping: 'singly' })

test('with both APIs, bulk_enroll is used while there are plenty of permits, and modify otherwise, one course a call', async () => {
  const works = [aWork({ courses: [A, B] }), aWork({ courses: [A, B] })]
  assert.deepEqual(routeOf(await setUp(works, BOTH)()), ['bulk', [A, B], works])
  assert.deepEqual(routeOf(await setUp(works, BOTH, 11)()), ['bulk', [A, B], works])
  for (const permits of [10, 0]) assert.deepEqual(routeOf(await setUp(works, BOTH, permits)()), ['modify', [A], works])
})

test('bulk_enroll leaves a third of the bucket to people who can only be enrolled singly', async () => {
  const [batch, single] = [aWork({ courses: [A] }), alone({ courses: [B] })]
  const choose = setUp([single, batch], BOTH, 10)
  assert.deepEqual(routeOf(await choose()), ['modify', [A], [batch]])
  assert.deepEqual(routeOf(await choose()), ['single', [B], [single]])
})

test('with modify only, all batches go there, and no permit is spent', async () => {
  const works = [aWork({ courses: [A, B] }), aWork({ courses: [A] })]
  assert.deepEqual(routeOf(await setUp(works, MODIFY)()), ['modify', [A], works])
  assert.deepEqual(routeOf(await setUp(works, MODIFY, 0)()), ['modify', [A], works])
})

test('while the budget is empty, batches for modify come before an older single call, and one slot waits for a permit', async () => {
  for (const apis of [BOTH, MODIFY]) {
    const singles = [alone({ courses: [A], dueAt: -9000 }), alone({ courses: [A], dueAt: -9000 })]
    const batch = aWork({ courses: [A] })
    const choose = setUp([...singles, batch], apis, 0)
    assert.deepEqual(routeOf(await choose()), ['modify', [A], [batch]])
    const waiting = await choose()
    assert.deepEqual(routeOf(waiting), ['single', [A], singles.slice(0, 1)])
    assert.equal(await choose(), null)
    waiting?.end()
    assert.deepEqual(routeOf(await choose()), ['single', [A], singles.slice(0, 1)])
  }
})

test('while the budget has permits, an older single call has its turn', async () => {
  const single = alone({ courses: [A], dueAt: -9000 })
  const choose = setUp([single, aWork({ courses: [A] })], MODIFY)
  assert.deepEqual(routeOf(await choose()), ['single', [A], [single]])
})

test('a course with an old-style key goes by bulk_enroll, or singly where there is none, but never by modify', async () => {
  const works = [aWork({ courses: [OLD] }), aWork({ courses: [OLD] })]
  assert.deepEqual(routeOf(await setUp(works, BOTH)()), ['bulk', [OLD], works])
  assert.deepEqual(routeOf(await setUp(works, BOTH, 5)()), ['bulk', [OLD], works.slice(0, 1)])
  assert.deepEqual(routeOf(await setUp(works, MODIFY)()), ['single', [OLD], works.slice(0, 1)])
  const mixed = aWork({ courses: [A, OLD] })
  assert.deepEqual(routeOf(await setUp([mixed], MODIFY)()), ['modify', [A], [mixed]])
})

test('a batch for modify has at most 50 people', async () => {
  const works = Array.from({ length: 60 }, () => aWork({ courses: [A] }))
  assert.deepEqual(routeOf(await setUp(works, MODIFY)()), ['modify', [A], works.slice(0, 50)])
})

test('with bulk_enroll only, batches go there; with neither, everybody goes singly', async () => {
  const works = [aWork({ courses: [A, B] }), aWork({ courses: [A, B] })]
  assert.deepEqual(routeOf(await setUp(works, { bulk: true, modify: false })()), ['bulk', [A, B], works])
  const neither = setUp(works, { bulk: false, modify: false })
  assert.deepEqual(routeOf(await neither()), ['single', [A, B], works.slice(0, 1)])
})

test('an LMS that does not tell whether it has an API is used without it', async () => {
  const works = [aWork({ courses: [A] })]
  assert.deepEqual(routeOf(await setUp(works, { bulk: true, modify: 'fails' })()), ['bulk', [A], works])
  assert.deepEqual(routeOf(await setUp(works, { bulk: 'fails', modify: true })()), ['modify', [A], works])
  assert.deepEqual(routeOf(await setUp(works, { bulk: 'fails', modify: 'fails' })()), ['single', [A], works])
})

test('an API that the LMS has told of is used while the LMS does not tell, until it tells that it has none', async () => {
  for (const [has, route] of [
    [{ bulk: true, modify: false }, 'bulk'],
    [{ bulk: false, modify: true }, 'modify'],
  ] as const) {
    const apis: { bulk: Apis['bulk']; modify: Apis['modify'] } = { ...has }
    const works = [aWork({ courses: [A] })]
    const choose = setUp(works, apis)
    const routeNow = async () => {
      const call = await choose()
      call?.end()
      return call?.route.kind
    }
    assert.equal(await routeNow(), route)
    Object.assign(apis, { bulk: 'fails', modify: 'fails' })
    assert.equal(await routeNow(), route)
    Object.assign(apis, { bulk: false, modify: false })
    assert.equal(await routeNow(), 'single')
  }
})
