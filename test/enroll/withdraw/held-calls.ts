import { after, beforeEach } from 'node:test'
import type { StandInOptions } from '../../../sandbox/stand-in.ts'
import { TIMING } from '../../../src/queue/replicas/timing.ts'
import { withdrawalsIn } from '../../lines.ts'
import { until } from '../../service/process.ts'
import { BULK, holdCalls, UNENROLL } from '../../service/serving.ts'
import { startWithOperations } from './withdrawing.ts'

/** The connection is cut at once, and the LMS carries out the call when the hold ends. */
export const LATE = { method: 'POST', drop: 'at_once', delayMs: 1, times: 1 }
/** Every call fails that enrolls or unenrolls. */
export const FAILING = [BULK, UNENROLL].map((path) => ({ method: 'POST', path, status: 500, body: 'no' }))
/** The first call fails that would unenroll. */
export const FAILING_ONCE = [{ method: 'POST', path: UNENROLL, status: 500, body: 'no', times: 1 }]

/**
 * The whole product with refunds, for the tests of a file, on an LMS whose delayed calls hang until `hold.release`. Each
 * test begins without deliveries, with the LMS's own people. `landsMs`: how long a call that was given up may still land.
 */
export async function startWithHeldCalls({
  answerWithinMs,
  landsMs = 6000,
  apis = {},
}: {
  answerWithinMs: number
  landsMs?: number
  apis?: Pick<StandInOptions, 'bulk' | 'modify'>
}) {
  const hold = holdCalls()
  const product = await startWithOperations({
    lms: { ...apis, sleep: hold.sleep },
    env: {
      LERNITO_REFUNDS: 'on',
      LERNITO_ANSWER_WITHIN_MS: String(answerWithinMs),
      LERNITO_LMS_CONCURRENCY: '4',
    },
    timing: { ...TIMING, heartbeatMs: 100, landsMs },
  })
  const { lms } = product
  const { db } = product.context.database
  const openOrders = async () => (await withdrawalsIn(db)).filter(({ endedAt }) => endedAt === null)
  const bringForward = () =>
    db.updateTable('delivery_lines').set({ withdrawal_at: 0 }).where('withdrawal_state', '=', 'open').execute()
  const ordersEnded = () => until('the end of all orders', async () => (await openOrders()).length === 0 || undefined)
  const allEnded = () =>
    until('the end of all', async () => {
      await bringForward()
      await db.updateTable('deliveries').set({ due_at: 0 }).where('state', '=', 'queued').execute()
      const queued = await db.selectFrom('deliveries').select('id').where('state', '=', 'queued').execute()
      return (queued.length === 0 && (await openOrders()).length === 0) || undefined
    })
  after(() => product.stopAll())
  beforeEach(async () => {
    hold.release()
    await lms.noFaults()
    await allEnded()
    for (const table of ['deliveries', 'events', 'delivery_lines', 'webhook_ids'] as const) {
      await db.deleteFrom(table).execute()
    }
    await db.deleteFrom('holds').where('replica', '=', '').execute()
    await lms.reset()
    hold.renew()
  })
  return {
    ...product,
    db,
    hold,
    openOrders,
    bringForward,
    ordersEnded,
    /** Every order has ended, and nothing is queued. What waits is brought forward. */
    allEnded,
    /** The courses in which this address is enrolled, sorted. */
    activeIn: async (email: string): Promise<string[]> =>
      (await lms.state()).enrollments
        .filter((row) => row.email === email && row.active)
        .map(({ course }) => course)
        .sort(),
    /** A delivery's timeline, a line for each event. */
    log: async (id: string): Promise<string> =>
      (await product.operations.timeline(id)).map(({ kind, detail }) => `${kind}: ${detail}`).join('\n'),
  }
}

export const [OLD, NEW] = ['ada@example.com', 'ada@example.org'] as const

/** A person who registers as `OLD` and changes the address to `NEW`, and where either is enrolled. */
export const adaIn = ({ lms }: Pick<Awaited<ReturnType<typeof startWithHeldCalls>>, 'lms'>) => ({
  register: () => lms.people({ email: OLD, username: 'ada', active: true }),
  move: () => lms.address({ formerly: OLD, email: NEW }),
  activeIn: async (): Promise<string[]> =>
    (await lms.state()).enrollments
      .filter(({ email, active }) => active && email.startsWith('ada'))
      .map(({ email, course }) => `${email} ${course}`)
      .sort(),
})
