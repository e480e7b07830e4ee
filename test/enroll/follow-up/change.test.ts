import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { sql } from 'kysely'
import { changeFor } from '../../../src/enroll/follow-up/change.ts'
import { type Finding, reconcile } from '../../../src/enroll/follow-up/reconcile.ts'
import { runWithdrawals } from '../../../src/enroll/withdraw/run-withdrawals.ts'
import { done } from '../../../src/enroll/work.ts'
import { failed } from '../../../src/lms/client/failure.ts'
import type { Lms } from '../../../src/lms/lms.ts'
import { forget } from '../../../src/operators/changes/forget.ts'
import { createOperations } from '../../../src/operators/changes/operations.ts'
import { claimOrder } from '../../../src/queue/withdrawals/claimed-order.ts'
import { createWakeUp } from '../../../src/service/lib/loop.ts'
import { accepted, arrival, pruneAlone, settled, succeeded } from '../../queue/harness.ts'
import { until } from '../../service/process.ts'
import {
  acquire,
  callsTo,
  ENROLL,
  type FollowUp,
  HONOR,
  history,
  PYTHON,
  register,
  setUp,
  unexpected,
  withRepair,
} from './harness.ts'

const ADA = 'ada@x.example'
const LANDS_MS = 60_000
const signal = new AbortController().signal
/** The failure of a call that the LMS may have carried out. */
const CUT = { kind: 'unreachable', endpoint: ENROLL, status: null, message: 'cut', mayHaveTakenEffect: true } as const
const guard = <T>(work: () => Promise<T>): Promise<T> => work()
const row = (course = HONOR, active = true) => ({ email: ADA, course, mode: 'audit', active })

/** Orders a withdrawal from these courses, or from all, and carries it out. */
async function withdraw(bench: FollowUp, id: string, courses: string[] | null = null): Promise<void> {
  const { context, replicas, lms, operations } = bench
  assert.equal((await operations.withdraw({ id, courses, paid: true, by: 'ada' })).kind, 'ordered')
  const stop = new AbortController()
  const errors: unknown[] = []
  const running = runWithdrawals({
    context: { ...context, publish: () => stop.abort() },
    replicas,
    lms,
    acquire,
    guard,
    landsMs: LANDS_MS,
    wakeUp: createWakeUp(),
    isLmsUnavailable: () => false,
    onError: (error) => void errors.push(error),
    signal: stop.signal,
  })
  await running
  assert.deepEqual(errors, [])
}

const order = ({ operations }: FollowUp, id: string) =>
  operations.withdraw({ id, courses: null, paid: true, by: 'ada' })

type Act = (bench: FollowUp, id: string) => Promise<unknown>

/** The shop sends the sale again, and it is attempted with success. */
async function enrolledAgain({ store }: FollowUp, id: string): Promise<void> {
  await store.write([accepted(arrival({ email: ADA, courseIds: [HONOR, PYTHON] }))])
  const outcome = { courses: { [HONOR]: 'enrolled', [PYTHON]: 'enrolled' }, reason: null } as const
  await store.write([settled({ ...succeeded(id, 'enrolled', 1), outcome })])
}

/** What can come between reading a delivery and changing something for it in the LMS. */
const ORDERED: readonly (readonly [string, Act])[] = [
  ['is to be withdrawn', order],
  ['is handled', ({ operations }, id) => operations.markHandled({ id, note: 'by hand', by: 'ada' })],
  ['is sent again', ({ store }) => store.write([accepted(arrival({ email: ADA, courseIds: [HONOR, PYTHON] }))])],
  ['is sent again and enrolled', enrolledAgain],
]
const CARRIED_OUT: readonly (readonly [string, Act])[] = [
  ['is withdrawn', (bench, id) => withdraw(bench, id)],
  ['is withdrawn from this course only', (bench, id) => withdraw(bench, id, [HONOR])],
  ['is erased', ({ context }) => forget(context, { email: ADA, by: 'ada', silentMs: 0 })],
]

/** A pre-enrolled buyer, who has registered since and is enrolled in the default mode, where the setting wants honor. */
async function claimed(t: TestContext) {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA, courses: { [HONOR]: 'allowed', [PYTHON]: 'allowed' } })
  await register(bench, ADA)
  await bench.seed({ enrollments: [row()] })
  const followUp = (lms: Partial<Lms> = {}, acquiring = acquire) =>
    bench.round({ modeOf, acquire: acquiring, lms: { ...bench.lms, ...lms } })
  return { ...bench, id, followUp }
}
const modeOf = (course: string) => (course === HONOR ? 'honor' : null)

const rowsOf = async ({ state }: FollowUp, course = HONOR) =>
  (await state()).enrollments
    .filter((one) => one.email === ADA && one.course === course)
    .map(({ mode, active }) => ({ mode, active }))

for (const [happens, act] of ORDERED) {
  test(`the follow-up changes no course mode for a delivery that ${happens} while it waits for the call budget`, async (t) => {
    const bench = await claimed(t)
    let waits = 0
    // The lists of both courses come first, then reading the enrollment, then the change.
    await bench.followUp({}, async () => {
      if (++waits === 4) await act(bench, bench.id)
      return acquire()
    })
    assert.equal(waits, 4)
    assert.deepEqual(await rowsOf(bench), [{ mode: 'audit', active: true }])
    assert.deepEqual(await callsTo(bench, ENROLL), [0])
  })
}

for (const [happens, act] of [...ORDERED, ...CARRIED_OUT]) {
  test(`reconcile repairs nothing for a delivery that ${happens} after it was checked`, async (t) => {
    const bench = await setUp(t)
    const id = await bench.sellOne({ email: ADA, courses: { [HONOR]: 'enrolled', [PYTHON]: 'enrolled' } })
    await register(bench, ADA)
    await bench.seed({ enrollments: [row(PYTHON)] })
    const findings = await repaired(bench, () => act(bench, id))
    assert.deepEqual(
      findings.map((finding) => [finding.course, finding.repaired, finding.words]),
      [[HONOR, false, 'it has changed in the meantime: run reconcile again']],
    )
    assert.deepEqual(await rowsOf(bench), [])
  })
}

for (const [happens, act] of ORDERED.slice(1)) {
  test(`a delivery that ${happens} while reconcile deletes its dangling allowance is left as it is then`, async (t) => {
    const bench = await setUp(t)
    const id = await bench.sellOne({ email: ADA, courses: { [HONOR]: 'allowed', [PYTHON]: 'allowed' } })
    const allowance = { email: ADA, course: HONOR, auto_enroll: true, used: false }
    await bench.seed({ allowances: [allowance, { ...allowance, course: PYTHON }] })
    const disallow: Lms['disallow'] = async (...asked) => {
      await act(bench, id)
      return bench.lms.disallow(...asked)
    }
    const course: Lms['course'] = async (key) => (key === HONOR ? { ok: true, value: null } : bench.lms.course(key))
    await repaired(bench, async () => {}, { disallow, course })
    assert.deepEqual(
      (await bench.state()).allowances.map((one) => one.course),
      [PYTHON],
    )
    assert.deepEqual(
      (await history(bench, id)).filter((line) => line.startsWith('needs_attention')),
      [],
    )
  })
}

/** What reconcile --fix finds; `before` runs before the first repair. */
async function repaired(
  { context, replicas, lms }: FollowUp,
  before: () => Promise<unknown>,
  changed: Partial<Lms> = {},
): Promise<Finding[]> {
  const findings: Finding[] = []
  await reconcile({
    context,
    replicas,
    guard,
    onError: unexpected,
    landsMs: LANDS_MS,
    lms: { ...withRepair(lms, before), ...changed },
    acquire,
    modeOf: () => null,
    since: null,
    fix: true,
    named: new Set(),
    by: 'ada',
    signal,
    sleep: async () => {},
    onFinding: (finding) => void findings.push(finding),
    onProgress: () => {},
  })
  return findings
}

test('a person who is unenrolled in the LMS right before the change of the course mode stays unenrolled', async (t) => {
  const bench = await claimed(t)
  await bench.followUp({
    enrollment: async (...asked) => {
      const read = await bench.lms.enrollment(...asked)
      await bench.seed({ enrollments: [row(HONOR, false)] })
      return read
    },
  })
  assert.deepEqual(
    (await rowsOf(bench)).map(({ active }) => active),
    [false],
  )
  const { outcome } = await bench.delivery(bench.id)
  assert.deepEqual(outcome.reason, { code: 'person.unenrolled', subject: HONOR })
})

test('a withdrawal that is ordered during a change begins after it', async (t) => {
  const bench = await claimed(t)
  let during: unknown
  await bench.followUp({
    changeMode: async (...asked) => {
      await order(bench, bench.id)
      during = await claimOrder(bench)
      return bench.lms.changeMode(...asked)
    },
  })
  assert.equal(during, null)
  assert.deepEqual(await rowsOf(bench), [{ mode: 'honor', active: true }])
  assert.ok(await claimOrder(bench))
})

test('a withdrawal that is ordered during a repair begins after it', async (t) => {
  const bench = await setUp(t)
  const id = await bench.sellOne({ email: ADA, courses: { [HONOR]: 'enrolled' } })
  await register(bench, ADA)
  let during: unknown
  await repaired(bench, async () => {}, {
    enroll: async (...asked) => {
      await order(bench, id)
      during = await claimOrder(bench)
      return bench.lms.enroll(...asked)
    },
  })
  assert.equal(during, null)
  assert.equal((await rowsOf(bench)).length, 1)
  assert.ok(await claimOrder(bench))
})

/** A sale, and the hold on it from a change that ends with this result. */
async function changed(t: TestContext, isUnknown: boolean, onError: (error: unknown) => void = unexpected) {
  const bench = await setUp(t)
  const { context, replicas } = bench
  const id = await bench.sellOne({ email: ADA, courses: { [HONOR]: 'enrolled' } })
  const reported = await bench.delivery(id)
  const change = (work: () => Promise<unknown> = async () => {}, call?: { undoes: boolean }) =>
    changeFor(
      { context, replicas, landsMs: LANDS_MS, guard, onError, acquire, signal },
      {
        reported,
        course: HONOR,
        change: async (acquiring) => {
          ;(await acquiring(call)).release()
          await work()
          return isUnknown ? { kind: 'failure', failure: failed(CUT).failure } : done('enrolled')
        },
      },
    )
  return { ...bench, id, reported, change }
}

/** Whether a withdrawal that finds nothing now looks again later, because the LMS may still carry out a call. */
const looksAgain = async ({ row, context }: FollowUp, id: string): Promise<boolean> =>
  ((await row(id)).lands_until ?? 0) >= context.now() + LANDS_MS

for (const standing of ['missing', 'dangling'] as const) {
  test(`after a repair of what is ${standing} got no answer, a withdrawal looks again likewise`, async (t) => {
    const bench = await setUp(t)
    const isGone = standing === 'dangling'
    const id = await bench.sellOne({ email: ADA, courses: { [HONOR]: isGone ? 'allowed' : 'enrolled' } })
    if (isGone) await bench.seed({ allowances: [{ email: ADA, course: HONOR, auto_enroll: true, used: false }] })
    else await register(bench, ADA)
    const noAnswer = async () => failed(CUT)
    const noCourse: Partial<Lms> = isGone ? { course: async () => ({ ok: true, value: null }) } : {}
    await repaired(bench, async () => {}, { enroll: noAnswer, disallow: noAnswer, ...noCourse })
    assert.equal(await looksAgain(bench, id), true)
  })
}

test('after a call without an answer that would undo what comes next, nothing is done until it can be carried out no more', async (t) => {
  for (const [isUnknown, waits] of [
    [true, true],
    [false, false],
  ] as const) {
    const bench = await changed(t, isUnknown)
    await bench.change(undefined, { undoes: true })
    await order(bench, bench.id)
    assert.equal((await claimOrder(bench)) === null, waits)
  }
})

test('after a call without an answer, a withdrawal looks again when the LMS can not carry it out any more', async (t) => {
  const bench = await changed(t, true)
  await bench.change()
  assert.equal(await looksAgain(bench, bench.id), true)
  await order(bench, bench.id)
  assert.ok(await claimOrder(bench))
})

test('after a change that throws in its call, a withdrawal looks again likewise', async (t) => {
  const bench = await changed(t, false)
  const cut = new Error('cut')
  await assert.rejects(
    bench.change(async () => {
      throw cut
    }),
    cut,
  )
  assert.equal(await looksAgain(bench, bench.id), true)
})

test('the hold of a live replica lasts until the change ends', async (t) => {
  const bench = await changed(t, false)
  await bench.change(async () => {
    await order(bench, bench.id)
    assert.equal(await claimOrder(bench), null)
  })
  assert.equal(await looksAgain(bench, bench.id), false)
  assert.ok(await claimOrder(bench))
})

test('nothing is changed while something else is done for the buyer, whose hold stays that one’s', async (t) => {
  const bench = await changed(t, false)
  const { me } = await bench.replica('other')
  await bench.db.insertInto('holds').values({ name: ADA, replica: me }).execute()
  assert.equal(await bench.change(), null)
  const held = await bench.db.selectFrom('holds').select('replica').execute()
  assert.deepEqual(
    held.map(({ replica }) => replica),
    [me],
  )
})

test('a change that the delivery does not want leaves no hold behind', async (t) => {
  const bench = await changed(t, false)
  await bench.operations.markHandled({ id: bench.id, note: '', by: 'ada' })
  assert.equal(await bench.change(), null)
  assert.deepEqual(await bench.rows('holds'), [])
})

test('a change goes on only while its hold lasts', async (t) => {
  const bench = await changed(t, false)
  const { reported, context, replicas } = bench
  const calls: string[] = []
  const made = changeFor(
    { context, replicas, landsMs: LANDS_MS, guard, onError: unexpected, acquire, signal },
    {
      reported,
      course: HONOR,
      change: async (acquiring) => {
        ;(await acquiring()).release()
        calls.push('first')
        await bench.db.updateTable('holds').set({ replica: 'another' }).execute()
        ;(await acquiring()).release()
        calls.push('second')
        return done('enrolled')
      },
    },
  )
  assert.deepEqual([await made, calls], [null, ['first']])
})

test('a hold that could not be ended is reported, and ended as soon as the database takes it', async (t) => {
  const reported = Promise.withResolvers<unknown>()
  const bench = await changed(t, false, reported.resolve)
  const changing = bench.change(() => sql`alter table holds rename to away`.execute(bench.db))
  assert.match(String(await reported.promise), /holds/)
  await sql`alter table away rename to holds`.execute(bench.db)
  await changing
  await order(bench, bench.id)
  assert.ok(await claimOrder(bench))
})

test('a withdrawal waits for the hold of a replica that died in a change, and looks again when its call can not come any more', async (t) => {
  const bench = await changed(t, false)
  const dead = await bench.replica('dead')
  await bench.change(async () => {
    await bench.db.updateTable('holds').set({ replica: 'dead' }).execute()
  })
  await order(bench, bench.id)
  assert.equal(await claimOrder(bench), null)
  await pruneAlone(bench, dead.me)
  // The database's clock decides until when the LMS may carry out the call of a replica that is gone.
  assert.ok(((await bench.row(bench.id)).lands_until ?? 0) > Date.now())
  assert.ok(await claimOrder(bench))
})

test('a replica that was pruned changes nothing', async (t) => {
  const bench = await changed(t, false)
  await bench.replicas.leave()
  assert.equal(await bench.change(), null)
  assert.deepEqual(await bench.rows('holds'), [])
})

test('a person is erased after a change that is in progress, and nothing begins for them afterwards', async (t) => {
  const bench = await changed(t, false)
  const { id } = bench
  const happened: string[] = []
  let looks = 0
  const context = watched(bench, () => looks++)
  let erased: Promise<unknown> = Promise.resolve()
  await bench.change(async () => {
    erased = forget(context, { email: ADA, by: 'ada' }).then(() => happened.push('erased'))
    await until('two looks', () => (looks >= 2 ? true : undefined))
    assert.equal((await bench.row(id)).id, id)
    happened.push('changed')
  })
  await erased
  assert.deepEqual(happened, ['changed', 'erased'])
  assert.deepEqual([await bench.rows('deliveries'), await bench.rows('holds')], [[], []])
  assert.equal(await bench.change(), null)
})

test('a person for whom a change begins right before they are erased is erased after it', async (t) => {
  const bench = await changed(t, false)
  const { db } = bench
  const hold = { name: ADA, replica: bench.replicas.me() }
  const stored: number[] = []
  let looks = 0
  const results = afterLooks(async () => {
    if (++looks === 1) await db.insertInto('holds').values(hold).execute()
    stored.push((await bench.rows('deliveries')).length)
    if (looks === 4) await db.deleteFrom('holds').where('name', '=', ADA).execute()
  })
  const database = { ...bench.context.database, db: db.withPlugin(results) }
  await forget({ ...bench.context, database }, { email: ADA, by: 'ada' })
  assert.deepEqual(stored.slice(0, 4), [1, 1, 1, 1])
  assert.deepEqual(await bench.rows('deliveries'), [])
})

test('an operator who marks a delivery as handled waits for the change that is in progress', async (t) => {
  const bench = await changed(t, false)
  const { id } = bench
  const happened: string[] = []
  let looks = 0
  const context = watched(bench, () => looks++)
  const operations = createOperations({ context, guard })
  let handled: Promise<unknown> = Promise.resolve()
  await bench.change(async () => {
    handled = operations.markHandled({ id, note: '', by: 'ada' }).then(() => happened.push('handled'))
    await until('two looks', () => (looks >= 2 ? true : undefined))
    assert.equal((await bench.row(id)).state, 'handled')
    happened.push('changed')
  })
  await handled
  assert.deepEqual(happened, ['changed', 'handled'])
})

/** A context whose looks at the holds are reported. */
const watched = ({ context }: FollowUp, onLook: () => void): FollowUp['context'] => ({
  ...context,
  database: { ...context.database, db: context.database.db.withPlugin(countLooks(onLook)) },
})

/** A plugin of Kysely that reports each statement that reads holds. */
function countLooks(onLook: () => void): Parameters<FollowUp['db']['withPlugin']>[0] {
  return {
    transformQuery: ({ node }) => {
      if (node.kind === 'SelectQueryNode' && JSON.stringify(node.from).includes('"holds"')) onLook()
      return node
    },
    transformResult: async ({ result }) => result,
  }
}

/** A plugin of Kysely that does something after each statement that reads holds, outside of a transaction. */
function afterLooks(then: () => Promise<void>): Parameters<FollowUp['db']['withPlugin']>[0] {
  const looking = new WeakSet<object>()
  return {
    transformQuery: ({ node, queryId }) => {
      if (node.kind === 'SelectQueryNode' && JSON.stringify(node.from).includes('"holds"')) looking.add(queryId)
      return node
    },
    transformResult: async ({ result, queryId }) => {
      if (looking.has(queryId)) await then()
      return result
    },
  }
}
