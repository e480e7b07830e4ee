import assert from 'node:assert/strict'
import { test } from 'node:test'
import { audit } from '../../../src/operators/find/timeline.ts'
import { markCause, markedCauses } from '../../../src/operators/reports/cause-marks.ts'
import { markHandled } from '../../../src/queue/mark-handled.ts'
import { replayOne } from '../../../src/queue/replay.ts'
import { accepted, arrival, needsAttention, only, settled, setUp } from '../../queue/harness.ts'

const COURSE = 'course-v1:edX+DemoX+Missing'
const MISSING = { code: 'course.missing', course: COURSE } as const
const HOUR_MS = 3_600_000

async function start(t: Parameters<typeof setUp>[0]) {
  const { db, store, context, clock } = await setUp(t)
  let sold = 0
  const fail = async (code: 'course.missing' | 'course_key.malformed' = MISSING.code, subject: string = COURSE) => {
    const { id } = only(await store.write([accepted(arrival({ email: `p${++sold}@x.example` }))]))
    await store.write([settled({ ...needsAttention(id), outcome: { courses: {}, reason: { code, subject } } })])
    return id
  }
  const failAgain = async (id: string) => {
    await replayOne(context, { id, by: 'ada', seen: undefined })
    clock.at += 1000
    const outcome = { courses: {}, reason: { code: MISSING.code, subject: COURSE } }
    await store.write([settled({ ...needsAttention(id), outcome, generation: 1 })])
  }
  const mark = async (
    kind: 'cause_acknowledged' | 'cause_resolved',
    of: Omit<Parameters<typeof markCause>[1], 'kind' | 'by'> = MISSING,
  ) => markCause(context, { kind, ...of, by: 'ada' })
  const cause = async () => only(await markedCauses(db))
  const handle = (id: string) =>
    markHandled(context, { id, as: 'paid_back', note: 'refunded', by: 'ada', seen: undefined })
  return { db, clock, fail, failAgain, mark, cause, handle }
}

test('a cause says who works on it since when, in any spelling of its course, and the audit has it once', async (t) => {
  const { db, clock, fail, mark, cause } = await start(t)
  await fail()
  assert.deepEqual([(await cause()).mark, (await cause()).cameBack], [null, false])
  clock.at += HOUR_MS
  assert.equal(
    await mark('cause_acknowledged', {
      ...MISSING,
      course: `${COURSE.toUpperCase().replace('COURSE-V1', 'course-v1')}+branch@draft`,
    }),
    'marked',
  )
  assert.equal(await mark('cause_acknowledged'), 'already')
  const { mark: made, cameBack } = await cause()
  assert.deepEqual([made?.kind, made?.by, made?.at, cameBack], ['cause_acknowledged', 'ada', clock.at, false])
  const { items } = await audit(db, {})
  assert.deepEqual(
    items.map(({ kind, actor }) => [kind, actor]),
    [['cause_acknowledged', 'ada']],
  )
  clock.at += HOUR_MS
  await fail()
  assert.equal((await cause()).cameBack, false, 'it has not been gone')
})

test('a resolved cause came back with the next failure, and can be acknowledged again', async (t) => {
  const { clock, fail, mark, cause } = await start(t)
  await fail()
  await mark('cause_acknowledged')
  clock.at += HOUR_MS
  assert.equal(await mark('cause_resolved'), 'marked')
  assert.equal((await cause()).cameBack, false)
  clock.at += HOUR_MS
  await fail()
  const back = await cause()
  assert.deepEqual([back.mark?.kind, back.cameBack], ['cause_resolved', true])
  assert.equal(await mark('cause_acknowledged'), 'marked')
  assert.equal((await cause()).cameBack, false, 'somebody works on it again')
})

test('a cause whose sales were all solved came back with the next one, and was first seen when it first was', async (t) => {
  const { clock, fail, mark, cause, handle } = await start(t)
  const first = clock.at
  const id = await fail()
  clock.at += HOUR_MS
  await mark('cause_acknowledged')
  await handle(id)
  assert.equal(await mark('cause_resolved'), 'unknown', 'no sale fails for it now')
  clock.at += HOUR_MS
  await fail()
  const { firstAt, cameBack } = await cause()
  assert.deepEqual([firstAt, cameBack], [first, true])
})

test('a replay that fails again does not change when a cause was first seen', async (t) => {
  const { clock, fail, failAgain, cause } = await start(t)
  const first = clock.at
  const id = await fail()
  clock.at += HOUR_MS
  await failAgain(id)
  const { firstAt, lastAt } = await cause()
  assert.deepEqual([firstAt, lastAt], [first, clock.at])
})

test('a cause is not marked by a text that the shop sent in the place of a key, which may hold an address', async (t) => {
  const { db, fail, mark } = await start(t)
  await fail('course_key.malformed', 'ada@example.com')
  assert.equal(await mark('cause_acknowledged', { code: 'course_key.malformed', course: 'ada@example.com' }), 'unknown')
  assert.deepEqual((await audit(db, {})).items, [])
})
