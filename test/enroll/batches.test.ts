import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { CourseHealth } from '../../src/enroll/breakers/course-breakers.ts'
import { sendSingly, type Work } from '../../src/enroll/work.ts'
import { aWork, nextBatch } from './works.ts'

const [A, B, C] = ['course-v1:x+A+1', 'course-v1:x+B+1', 'course-v1:x+C+1'] as const

test('there is no batch if nobody waits', () => {
  assert.equal(nextBatch({ works: [], scope: 'sets', now: 0 }), null)
})

test('a batch for one course has all who wait for it, even if they also wait for others', () => {
  const works = [
    aWork({ courses: [A] }),
    aWork({ courses: [B, A] }),
    aWork({ courses: [A, C] }),
    aWork({ courses: [B] }),
  ]
  const batch = nextBatch({ works, scope: 'sets', now: 0 })
  assert.deepEqual(batch?.courses, [A])
  assert.deepEqual(batch?.works, works.slice(0, 3))
})

test('people with the same set of courses go in one call if that serves more pairs', () => {
  const works = [aWork({ courses: [B, A] }), aWork({ courses: [A, B] }), aWork({ courses: [A] })]
  const batch = nextBatch({ works, scope: 'sets', now: 0 })
  assert.deepEqual(batch?.courses, [A, B])
  assert.deepEqual(batch?.works, works.slice(0, 2))
})

test('a course with a result from an earlier attempt is left out', () => {
  const batch = nextBatch({ works: [aWork({ courses: [A, B], done: { [A]: 'enrolled' } })], scope: 'sets', now: 0 })
  assert.deepEqual(batch?.courses, [B])
})

test('a call has at most 50 people, the oldest first', () => {
  const works = Array.from({ length: 60 }, () => aWork({ courses: [A] }))
  assert.deepEqual(nextBatch({ works, scope: 'sets', now: 0 })?.works, works.slice(0, 50))
})

test('a delivery that has waited two seconds is in the next call, however many wait for another course', () => {
  const works = [
    aWork({ courses: [B], dueAt: 0 }),
    ...Array.from({ length: 9 }, () => aWork({ courses: [A], dueAt: 1000 })),
  ]
  assert.deepEqual(nextBatch({ works, scope: 'sets', now: 1999 })?.courses, [A])
  assert.deepEqual(nextBatch({ works, scope: 'sets', now: 2000 })?.courses, [B])
})

test('an address that bulk_enroll would split goes alone, in its turn', () => {
  const quoted = aWork({ email: '"a,b"@example.com', courses: [A, B], dueAt: 0 })
  const plain = aWork({ courses: [A], dueAt: 0 })
  assert.deepEqual(nextBatch({ works: [quoted, plain], scope: 'sets', now: 0 })?.works, [plain])
  assert.deepEqual(nextBatch({ works: [quoted, plain], scope: 'sets', now: 2000 })?.works, [quoted])
  assert.deepEqual(nextBatch({ works: [quoted], scope: 'sets', now: 0 }), { courses: [A, B], works: [quoted] })
})

test('without bulk_enroll, each delivery goes alone, the oldest first', () => {
  const works = [aWork({ courses: [B, A] }), aWork({ courses: [A] })]
  assert.deepEqual(nextBatch({ works, scope: 'singles', now: 0 }), { courses: [A, B], works: works.slice(0, 1) })
})

test('no batch enrolls anyone in a course that they didn’t buy, or is larger than allowed', () => {
  const waiting = fc.array(fc.subarray([A, B, C], { minLength: 1 }), { minLength: 1, maxLength: 30 })
  fc.assert(
    fc.property(waiting, fc.integer({ min: 1, max: 5 }), fc.nat(4000), (sets, people, now) => {
      const works = sets.map((courses, i) => aWork({ courses, dueAt: i * 100 }))
      const batch = nextBatch({ works, scope: 'sets', now, people })
      assert.ok(batch !== null && batch.works.length > 0 && batch.works.length <= people)
      for (const work of batch.works) for (const course of batch.courses) assert.ok(work.open.has(course))
    }),
  )
})

function suspect(of: Parameters<typeof aWork>[0]): Work {
  const work = aWork(of)
  work.grouping = 'suspect'
  return work
}
const only =
  (course: string, other: CourseHealth) =>
  (one: string): CourseHealth =>
    one === course ? other : 'healthy'

test('suspects go singly, after all others; those with a waiting sender come first among them', () => {
  const [old, awaited] = [suspect({ courses: [A, B] }), suspect({ courses: [A] })]
  const healthy = aWork({ courses: [A], dueAt: 5000 })
  const of = { scope: 'sets' as const, now: 9000, isAwaited: (work: Work) => work === awaited }
  assert.deepEqual(nextBatch({ ...of, works: [old, awaited, healthy] })?.works, [healthy])
  assert.deepEqual(nextBatch({ ...of, works: [old, awaited] }), { courses: [A], works: [awaited] })
  assert.deepEqual(nextBatch({ ...of, works: [old] }), { courses: [A, B], works: [old] })
})

test('suspects come first this time, if the others never end', () => {
  const [one, healthy] = [suspect({ courses: [A] }), aWork({ courses: [A] })]
  assert.deepEqual(nextBatch({ works: [healthy, one], scope: 'sets', now: 0, doubtful: 'first' })?.works, [one])
})

test('while the slot for doubtful calls is taken, there is no call for suspects, parts of a failed batch or doubtful courses', () => {
  const part = aWork({ courses: [A] })
  part.grouping = Symbol('part')
  const doubtful = aWork({ courses: [B] })
  const healthy = aWork({ courses: [B, C] })
  const works = [suspect({ courses: [A] }), part, doubtful, healthy]
  const of = { scope: 'sets' as const, now: 9000, healthOf: only(B, 'doubtful'), doubtful: 'never' as const }
  assert.deepEqual(nextBatch({ ...of, works }), { courses: [C], works: [healthy] })
  assert.equal(nextBatch({ ...of, works: works.slice(0, 3) }), null)
})

test('the parts of a failed batch are mixed neither with each other nor with the rest', () => {
  const [left, right, healthy] = [aWork(), aWork(), aWork()]
  left.grouping = Symbol('part')
  right.grouping = Symbol('part')
  assert.deepEqual(nextBatch({ works: [left, right, healthy], scope: 'sets', now: 0 })?.works, [left])
})

test('after a batch of several courses has failed, each goes by itself; without a failure they go together', () => {
  for (const grouping of ['sets', 'courses', Symbol('part')] as const) {
    const works = [aWork({ courses: [A, B] }), aWork({ courses: [A, B] })]
    for (const work of works) work.grouping = grouping
    const courses = grouping === 'sets' ? [A, B] : [A]
    assert.deepEqual(nextBatch({ works, scope: 'sets', now: 0 }), { courses, works }, String(grouping))
  }
})

test('who is taken out of the batches goes singly, and after all others if a batch has failed for them', () => {
  const after = (['sets', 'courses', Symbol('part'), 'suspect'] as const).map((grouping) => {
    const work = { ...aWork(), grouping }
    sendSingly(work)
    return work.grouping
  })
  assert.deepEqual(after, ['singly', 'singly', 'suspect', 'suspect'])
})

test('a paused course gets no call, and a course to probe gets one call for one person, after all others', () => {
  const works = [aWork({ courses: [A, B] }), aWork({ courses: [A] })]
  const of = { scope: 'sets' as const, now: 9000 }
  assert.deepEqual(nextBatch({ ...of, works, healthOf: only(A, 'paused') }), { courses: [B], works: works.slice(0, 1) })
  assert.deepEqual(nextBatch({ ...of, works, healthOf: only(A, 'probe') }), { courses: [B], works: works.slice(0, 1) })
  const rest = works.slice(1)
  assert.equal(nextBatch({ ...of, works: rest, healthOf: only(A, 'paused') }), null)
  assert.equal(nextBatch({ ...of, works: rest, healthOf: only(A, 'probing') }), null)
  assert.deepEqual(nextBatch({ ...of, works: [...rest, ...rest], healthOf: only(A, 'probe') }), {
    courses: [A],
    works: rest,
  })
})
