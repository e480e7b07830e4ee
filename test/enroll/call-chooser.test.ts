import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCourseBreakers } from '../../src/enroll/breakers/course-breakers.ts'
import { createCallChooser } from '../../src/enroll/choose-call.ts'
import { createInFlight } from '../../src/enroll/in-flight.ts'
import type { Work } from '../../src/enroll/work.ts'
import { aWork } from './works.ts'

const [A, B, C] = ['course-v1:x+A+1', 'course-v1:x+B+1', 'course-v1:x+C+1'] as const
const wanted = { scope: 'sets', people: 50 } as const

function setUp(works: readonly Work[], awaited: readonly Work[] = works) {
  const clock = { now: 0 }
  const breakers = createCourseBreakers({ now: () => clock.now, onChange: () => {} })
  const inFlight = createInFlight({
    inbox: {
      hasBegun: () => false,
      mayContinue: async () => new Set(),
      beginAttempt: async () => new Set(),
      release: () => {},
    },
  })
  for (const work of works) inFlight.add(work)
  const isAwaited = (work: Work): boolean => awaited.includes(work)
  return { clock, breakers, chooser: createCallChooser({ inFlight, breakers, isAwaited, now: () => clock.now }) }
}

test('suspects have one slot at a time, and the other slots are left to healthy sales', () => {
  const suspects = [aWork({ courses: [A] }), aWork({ courses: [A] })]
  for (const work of suspects) work.grouping = 'suspect'
  const healthy = aWork({ courses: [B] })
  const { chooser } = setUp([...suspects, healthy])
  assert.deepEqual(chooser.choose(wanted)?.batch.works, [healthy])
  const first = chooser.choose(wanted)
  assert.deepEqual(first?.batch.works, suspects.slice(0, 1))
  assert.equal(chooser.choose(wanted), null)
  first?.end()
  assert.deepEqual(chooser.choose(wanted)?.batch.works, suspects.slice(0, 1))
})

test('a course whose last call failed has one slot at a time, until a call for it succeeds', () => {
  const works = [aWork({ courses: [A] }), aWork({ courses: [A] }), aWork({ courses: [B] })]
  const { chooser, breakers } = setUp(works)
  breakers.failed(A, { people: ['x@example.com'], message: 'it failed' })
  const first = chooser.choose({ ...wanted, people: 1 })
  assert.deepEqual(first?.batch.courses, [A])
  assert.deepEqual(chooser.choose(wanted)?.batch, { courses: [B], works: works.slice(2) })
  assert.equal(chooser.choose(wanted), null)
  breakers.succeeded(A)
  assert.deepEqual(chooser.choose(wanted)?.batch.works, works.slice(1, 2))
})

test('a paused course is probed with one call for one person', () => {
  const works = [aWork({ courses: [A] }), aWork({ courses: [A] })]
  const { chooser, breakers, clock } = setUp(works)
  for (const person of ['x', 'y', 'z']) breakers.failed(A, { people: [person], message: 'it failed' })
  assert.equal(chooser.choose(wanted), null)
  clock.now = 10_000
  const probe = chooser.choose(wanted)
  assert.deepEqual(probe?.batch, { courses: [A], works: works.slice(0, 1) })
  assert.equal(chooser.choose(wanted), null)
  breakers.succeeded(A)
  probe?.end()
  assert.deepEqual(chooser.choose(wanted)?.batch.works, works)
})

test('there is one call for the backlog at a time, until the pause after it ends', () => {
  const works = [aWork({ courses: [A] }), aWork({ courses: [B] }), aWork({ courses: [C] })]
  const { chooser } = setUp(works, works.slice(2))
  const awaited = chooser.choose(wanted)
  assert.deepEqual([awaited?.batch.courses, awaited?.isBacklog], [[C], false])
  const backlog = chooser.choose(wanted)
  assert.deepEqual([backlog?.batch.courses, backlog?.isBacklog], [[A], true])
  assert.equal(chooser.choose(wanted), null)
  backlog?.end()
  assert.equal(chooser.choose(wanted), null)
  backlog?.endPause()
  assert.ok(chooser.choose(wanted) !== null)
})
