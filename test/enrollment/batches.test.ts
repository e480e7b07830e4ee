import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { nextBatch } from '../../src/enrollment/batches.ts'
import type { CourseStanding } from '../../src/enrollment/course-breakers.ts'
import type { Work } from '../../src/enrollment/work.ts'
import { aWork } from './works.ts'

const [A, B, C] = ['course-v1:x+A+1', 'course-v1:x+B+1', 'course-v1:x+C+1'] as const

test('nobody waiting is no batch', () => {
  assert.equal(nextBatch({ works: [], bulk: true, now: 0 }), null)
})

test('one course takes along all who wait for it, also those who wait for others too', () => {
  const works = [
    aWork({ courses: [A] }),
    aWork({ courses: [B, A] }),
    aWork({ courses: [A, C] }),
    aWork({ courses: [B] }),
  ]
  const batch = nextBatch({ works, bulk: true, now: 0 })
  assert.deepEqual(batch?.courses, [A])
  assert.deepEqual(batch?.works, works.slice(0, 3))
})

test('an equal set of courses goes in one call where that serves more pairs', () => {
  const works = [aWork({ courses: [B, A] }), aWork({ courses: [A, B] }), aWork({ courses: [A] })]
  const batch = nextBatch({ works, bulk: true, now: 0 })
  assert.deepEqual(batch?.courses, [A, B])
  assert.deepEqual(batch?.works, works.slice(0, 2))
})

test('a course with a result from an earlier try is not touched again', () => {
  const batch = nextBatch({ works: [aWork({ courses: [A, B], done: { [A]: 'enrolled' } })], bulk: true, now: 0 })
  assert.deepEqual(batch?.courses, [B])
})

test('at most 50 people are in a call, the oldest first', () => {
  const works = Array.from({ length: 60 }, () => aWork({ courses: [A] }))
  assert.deepEqual(nextBatch({ works, bulk: true, now: 0 })?.works, works.slice(0, 50))
})

test('who has waited two seconds is in the next call, however many wait for another course', () => {
  const works = [
    aWork({ courses: [B], dueAt: 0 }),
    ...Array.from({ length: 9 }, () => aWork({ courses: [A], dueAt: 1000 })),
  ]
  assert.deepEqual(nextBatch({ works, bulk: true, now: 1999 })?.courses, [A])
  assert.deepEqual(nextBatch({ works, bulk: true, now: 2000 })?.courses, [B])
})

test('an address that bulk_enroll would split goes alone, and takes its turn', () => {
  const quoted = aWork({ email: '"a,b"@example.com', courses: [A, B], dueAt: 0 })
  const plain = aWork({ courses: [A], dueAt: 0 })
  assert.deepEqual(nextBatch({ works: [quoted, plain], bulk: true, now: 0 })?.works, [plain])
  assert.deepEqual(nextBatch({ works: [quoted, plain], bulk: true, now: 2000 })?.works, [quoted])
  assert.deepEqual(nextBatch({ works: [quoted], bulk: true, now: 0 }), { courses: [A, B], works: [quoted] })
})

test('without bulk_enroll each delivery goes alone, oldest first', () => {
  const works = [aWork({ courses: [B, A] }), aWork({ courses: [A] })]
  assert.deepEqual(nextBatch({ works, bulk: false, now: 0 }), { courses: [A, B], works: works.slice(0, 1) })
})

test('whatever waits, a batch enrolls nobody in a course not bought and is never larger than allowed', () => {
  const waiting = fc.array(fc.subarray([A, B, C], { minLength: 1 }), { minLength: 1, maxLength: 30 })
  fc.assert(
    fc.property(waiting, fc.integer({ min: 1, max: 5 }), fc.nat(4000), (sets, people, now) => {
      const works = sets.map((courses, i) => aWork({ courses, dueAt: i * 100 }))
      const batch = nextBatch({ works, bulk: true, now, people })
      assert.ok(batch !== null && batch.works.length > 0 && batch.works.length <= people)
      for (const work of batch.works) for (const course of batch.courses) assert.ok(work.open.has(course))
    }),
  )
})

function suspect(of: Parameters<typeof aWork>[0]): Work {
  const work = aWork(of)
  work.suspect = true
  return work
}
const only =
  (course: string, other: CourseStanding) =>
  (one: string): CourseStanding =>
    one === course ? other : 'healthy'

test('suspects go singly, and behind everybody else: those who are waited for first among them', () => {
  const [old, awaited] = [suspect({ courses: [A, B] }), suspect({ courses: [A] })]
  const healthy = aWork({ courses: [A], dueAt: 5000 })
  const of = { bulk: true, now: 9000, isAwaited: (work: Work) => work === awaited }
  assert.deepEqual(nextBatch({ ...of, works: [old, awaited, healthy] })?.works, [healthy])
  assert.deepEqual(nextBatch({ ...of, works: [old, awaited] }), { courses: [A], works: [awaited] })
  assert.deepEqual(nextBatch({ ...of, works: [old] }), { courses: [A, B], works: [old] })
})

test('suspects come first for once where the others never end', () => {
  const [one, healthy] = [suspect({ courses: [A] }), aWork({ courses: [A] })]
  assert.deepEqual(nextBatch({ works: [healthy, one], bulk: true, now: 0, suspectsFirst: true })?.works, [one])
})

test('while the slot for calls in doubt is taken, neither suspects nor parts of a failed batch nor courses in doubt are called', () => {
  const part = aWork({ courses: [A] })
  part.part = {}
  const doubtful = aWork({ courses: [B] })
  const healthy = aWork({ courses: [B, C] })
  const works = [suspect({ courses: [A] }), part, doubtful, healthy]
  const of = { bulk: true, now: 9000, standing: only(B, 'doubtful'), withoutDoubtful: true }
  assert.deepEqual(nextBatch({ ...of, works }), { courses: [C], works: [healthy] })
  assert.equal(nextBatch({ ...of, works: works.slice(0, 3) }), null)
})

test('parts of a failed batch are not mixed with each other or with the rest', () => {
  const [left, right, healthy] = [aWork(), aWork(), aWork()]
  left.part = {}
  right.part = {}
  assert.deepEqual(nextBatch({ works: [left, right, healthy], bulk: true, now: 0 })?.works, [left])
})

test('of a paused course nobody is called, and of one that is to be probed one person in that course, after all others', () => {
  const works = [aWork({ courses: [A, B] }), aWork({ courses: [A] })]
  const of = { bulk: true, now: 9000 }
  assert.deepEqual(nextBatch({ ...of, works, standing: only(A, 'paused') }), { courses: [B], works: works.slice(0, 1) })
  assert.deepEqual(nextBatch({ ...of, works, standing: only(A, 'probe') }), { courses: [B], works: works.slice(0, 1) })
  const rest = works.slice(1)
  assert.equal(nextBatch({ ...of, works: rest, standing: only(A, 'paused') }), null)
  assert.equal(nextBatch({ ...of, works: rest, standing: only(A, 'probing') }), null)
  assert.deepEqual(nextBatch({ ...of, works: [...rest, ...rest], standing: only(A, 'probe') }), {
    courses: [A],
    works: rest,
  })
})
