import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newLines } from '../../src/queue/lines.ts'
import { linesOf, setFacts } from '../lines.ts'
import { accepted, arrival, COURSE, only, retry, settled, setUp } from './harness.ts'

const keys = (count: number, of = 'A'): string[] => Array.from({ length: count }, (_, n) => `course-v1:${of}+B+${n}`)
const enrolledIn = (courses: readonly string[]) => ({
  courses: Object.fromEntries(courses.map((course) => [course, 'enrolled' as const])),
  reason: null,
})

test('a delivery has a line for each course, however its key is spelled, in the order of the sale', () => {
  const spelled = [COURSE, ' course-v1:A+B+C ', COURSE.toLowerCase(), 'course-v1:A+B+C+branch@draft', ' ']
  assert.deepEqual(newLines(spelled), linesOf([COURSE, 'course-v1:A+B+C']))
})

test('what is known of a course is stored under the key of the LMS, and read back as it was', async (t) => {
  const { store, db } = await setUp(t)
  const { id } = only(await store.write([accepted(arrival({ courseIds: [COURSE.toLowerCase()] }))]))
  const known = {
    courses: { [COURSE]: 'enrolled' },
    standings: {
      [COURSE]: { standing: 'enrolled', mode: 'audit', checkedAt: 3, since: 2, endedAt: 4, moved: true },
    },
    accounts: { [COURSE]: { id: 7, username: 'ada' } },
    achievements: {
      [COURSE]: { passedAt: 5, percent: 83.5, certificate: { status: 'issued', url: null, createdAt: 6 } },
    },
  } as const
  await setFacts(db, id, known)
  const [line] = (await store.readClaimed([id])).flatMap(({ lines }) => lines)
  assert.deepEqual(line, {
    sent: COURSE.toLowerCase(),
    course: COURSE,
    named: false,
    gave: true,
    modeBefore: null,
    result: 'enrolled',
    standing: known.standings[COURSE],
    account: known.accounts[COURSE],
    claimed: false,
    achievement: known.achievements[COURSE],
    withdrawal: null,
  })
})

test('a sale of 1,000 courses, and 200 sales of five each, are stored, settled and replayed as others are', async (t) => {
  const { store, operations } = await setUp(t)
  const large = arrival({ email: 'large@x.example', courseIds: keys(1000) })
  const small = Array.from({ length: 200 }, (_, n) =>
    arrival({ email: `p${n}@x.example`, courseIds: keys(5, `P${n}`) }),
  )
  const written = await store.write([large, ...small].map(accepted))
  const results = written.map(({ id }, n) => {
    const outcome = enrolledIn(n === 0 ? keys(1000) : keys(5, `P${n - 1}`))
    return settled({ ...retry(id, 0), dueAt: null, outcome })
  })
  await store.write(results)
  const ids = written.map(({ id }) => id)
  assert.deepEqual((await operations.replay({ ids, by: 'alice' })).due, ids.toSorted())
})

test('a result in a course that the sale does not name is refused: it would be lost', async (t) => {
  const { store } = await setUp(t)
  const { id } = only(await store.write([accepted(arrival())]))
  const outcome = enrolledIn(['course-v1:Not+Sold+1'])
  await assert.rejects(store.write([settled({ ...retry(id, 0), dueAt: null, outcome })]), /not name/)
})
