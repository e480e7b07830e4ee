import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { State } from '../harness.ts'
import { LMS_KINDS } from '../lms-kinds.ts'
import {
  CASES,
  type Case,
  COURSES,
  describeCase,
  expected,
  hadBefore,
  movedOf,
  nameOf,
  STATEMENTS,
  type Statement,
  strangerOf,
  worldBefore,
  worldOf,
} from './combinations.ts'
import { refund } from './withdraw/refunding.ts'
import { startWithOperations } from './withdraw/withdrawing.ts'

const ENV = {
  LERNITO_COURSE_MODE: `${COURSES.paid}=verified,${COURSES.ended}=verified`,
  LERNITO_REFUNDS: 'on',
}
/** Longer than anything that the LMS client remembers about people. */
const FORGOTTEN_MS = 60_000
/** So many at a time, so that the answers are there before the senders give up. */
const AT_ONCE = 40

interface Bench {
  readonly product: Awaited<ReturnType<typeof startWithOperations>>
  /** Sets the service's clock forward. */
  readonly wait: (ms: number) => void
  /** See expected. */
  readonly isLostIn500: boolean
  /** See hadBefore. */
  readonly hasBatch: boolean
}

for (const { kind, lms: apis } of LMS_KINDS) {
  describe(kind, () => {
    // The single APIs decide most, and bulk_enroll differs from modify in the first call only.
    for (const statement of apis.bulk ? (['first'] as const) : STATEMENTS) {
      test(`${statement}: account, enrollment, allowance and mode come out as the rules say, also after a refund`, async (t) => {
        let later = 0
        const now = () => Date.now() + later
        const product = await startWithOperations({ lms: apis, env: ENV, now })
        t.after(() => product.stopAll())
        const wait = (ms: number): void => {
          later += ms
        }
        const bench = { product, wait, isLostIn500: apis.bulk, hasBatch: apis.bulk || apis.modify }
        if (statement !== 'first') await sellBefore(bench, statement)
        await arrange(bench)
        const before = await product.lms.state()
        await make(bench, statement)
        await compare(bench, { statement, before })
        await refundAll(bench, statement)
      })
    }
  })
}

const course = (one: Case): string => COURSES[one.course]

/** One after the other where a batch fails because of the buyer: several at once would pause the course. */
async function eachCase(work: (one: Case) => Promise<unknown>): Promise<void> {
  const together = CASES.filter(({ account }) => account !== 'own_and_strangers_name')
  for (let at = 0; at < together.length; at += AT_ONCE) await Promise.all(together.slice(at, at + AT_ONCE).map(work))
  for (const one of CASES) if (!together.includes(one)) await work(one)
}

const sell = ({ product }: Bench) =>
  eachCase(({ email, course: kind }) => product.sell({ email, courseIds: [COURSES[kind]] }))

const deliveries = ({ product }: Bench) => product.context.database.db.updateTable('deliveries')

/** The sales as they were before the newest statement; the effect of their last attempt is unknown if it says so. */
async function sellBefore(bench: Bench, statement: Statement): Promise<void> {
  await bench.product.lms.reset(worldBefore())
  await sell(bench)
  await untilSettled(bench)
  if (statement === 'repeat') return
  await deliveries(bench).set({ effect_unknown: 1 }).execute()
}

/** What the cases find in the LMS. */
async function arrange({ product: { lms }, wait }: Bench): Promise<void> {
  wait(FORGOTTEN_MS)
  await lms.reset(worldOf(CASES))
  for (const one of CASES.filter(({ account }) => account === 'moved')) {
    await lms.people({ email: movedOf(one), username: nameOf(one), active: true, formerly: one.email })
  }
}

/** Makes the newest statement about each sale, and waits until all are settled. */
async function make(bench: Bench, statement: Statement): Promise<void> {
  const { product } = bench
  if (statement === 'first' || statement.startsWith('repeat')) await sell(bench)
  if (statement === 'replay_in_doubt') {
    const rows = await product.context.database.db.selectFrom('deliveries').select('id').execute()
    await product.operations.replay({ ids: rows.map(({ id }) => id), by: 'alice' })
  }
  if (statement === 'retry') {
    await product.context.database.db.updateTable('delivery_lines').set({ result: null }).execute()
    const never = { state: 'queued', done_at: null, settled_at: null, reason: null } as const
    await deliveries(bench)
      .set({ ...never, due_at: 0, attempts: 1 })
      .execute()
  }
  await untilSettled(bench)
}

/** A slow machine may settle a sale after its sender has given up. */
async function untilSettled({ product, wait }: Bench): Promise<void> {
  const { db } = product.context.database
  const isQueued = async () =>
    (await db.selectFrom('deliveries').select('id').where('state', '=', 'queued').execute()).length > 0
  for (let times = 0; await isQueued(); times++) {
    assert.ok(times < 1_000, 'a sale is not settled')
    wait(10_000)
    await delay(50)
  }
}

const rowIn = (state: State, email: string, one: Case) => {
  const found = state.enrollments.find((row) => row.email === email && row.course === course(one))
  return found === undefined ? null : { mode: found.mode, active: found.active }
}

const enrollsLater = ({ allowances }: State, { account, email: address }: Case): boolean =>
  account !== 'active' &&
  account !== 'own_and_strangers_name' &&
  allowances.some(
    ({ email, auto_enroll, used }) => email === address && auto_enroll && (!used || account === 'inactive'),
  )

async function compare(
  { product, isLostIn500 }: Bench,
  { statement, before }: { statement: Statement; before: State },
): Promise<void> {
  const rows = await product.context.database.db.selectFrom('deliveries').select(['email', 'reason']).execute()
  const after = await product.lms.state()
  const wrong = CASES.flatMap((one) => {
    const own = one.account === 'moved' ? movedOf(one) : one.email
    const found = {
      reason: rows.find(({ email }) => email === one.email)?.reason,
      row: rowIn(after, own, one),
      enrollsLater: enrollsLater(after, one),
      stranger: rowIn(after, strangerOf(one), one),
    }
    const wanted = { ...expected(one, statement, { isLostIn500 }), stranger: rowIn(before, strangerOf(one), one) }
    return JSON.stringify(found) === JSON.stringify(wanted)
      ? []
      : [[describeCase(one, statement), JSON.stringify(found), JSON.stringify(wanted)]]
  })
  assert.deepEqual(wrong, [])
}

/**
 * Who was refunded is in the course no more, also after activating or registering an account; but who had it before the sale
 * has it as they had it then.
 */
async function refundAll({ product, wait, hasBatch }: Bench, statement: Statement): Promise<void> {
  wait(FORGOTTEN_MS)
  const statuses = new Map<Case, number>()
  await eachCase(async (one) => {
    const { status } = await refund({ url: product.url, email: one.email, courseIds: [course(one)] })
    statuses.set(one, status)
  })
  for (const one of CASES) {
    if (one.account === 'none' || one.account === 'strangers_name' || one.account === 'inactive') {
      await product.lms.people({ email: one.email, username: nameOf(one), active: false })
      await product.lms.activate(one.email)
    }
  }
  const after = await product.lms.state()
  const wrong = CASES.filter((one) => statuses.get(one) !== 400).flatMap((one) => {
    const row = rowIn(after, one.email, one)
    const found = row?.active ? row.mode : null
    const wanted = hadBefore(one, statement, { hasBatch })
    return found === wanted ? [] : [[describeCase(one, statement), statuses.get(one), found, wanted]]
  })
  assert.deepEqual(wrong, [])
}
