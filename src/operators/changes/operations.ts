import type { Db } from '../../database/schema.ts'
import { accept } from '../../queue/accept.ts'
import { type Changes, correct, planCorrection } from '../../queue/correct.ts'
import { auditedChange, type WriteContext } from '../../queue/events.ts'
import { markHandled } from '../../queue/mark-handled.ts'
import type { AppContext } from '../../queue/open-inbox.ts'
import { sendAgain, sendFailedAgain } from '../../queue/outbox/send-again.ts'
import { replay, replayOne } from '../../queue/replay.ts'
import { untilFree } from '../../queue/replicas/holds.ts'
import { TIMING } from '../../queue/replicas/timing.ts'
import { personOf } from '../../queue/rows.ts'
import { orderWithdrawal, readOtherSales } from '../../queue/withdraw.ts'
import { testSale } from '../../sale/payload/operator-sale.ts'
import type { FieldErrors } from '../../sale/payload/rules.ts'
import { list, show, summaries } from '../find/listing.ts'
import { boughtAs, buyerOf, person } from '../find/people.ts'
import { countFound, neighborsOf } from '../find/search.ts'
import { similarBuyers } from '../find/similar.ts'
import { audit, timeline } from '../find/timeline.ts'
import { incidentsBetween, listIncidents, waitedSales } from '../incidents/incidents.ts'
import { markCause, markedCauses } from '../reports/cause-marks.ts'
import { countBacklog, countByState, createCounting, salesByCourse, salesBySpan } from '../reports/counts.ts'
import { readOutbox, readOutboxHealth } from '../reports/outbox.ts'
import { overview } from '../reports/overview.ts'
import { previewReplay, readReplay, runningReplays, startReplay, stopReplay } from './bulk-replay.ts'

interface Parts extends Pick<AppContext, 'context' | 'guard'> {
  /** A replica that is silent for this long may no longer call the LMS. */
  readonly silentMs?: number
}

/**
 * What operators can read and change, for the console and the command line. `by` names the operator (at most 254
 * characters): each change stores an event with that actor in the same transaction. Every function throws AppError
 * database.unreachable while the database is unavailable.
 */
export const createOperations = (parts: Parts) => ({
  ...finding(parts),
  ...reports(parts),
  ...changes(parts),
  shopEvents: shopEvents(parts),
})
export type Operations = ReturnType<typeof createOperations>

/** Returns a function that makes an operation of one that reads the database. `from`: see Database. */
const reading =
  ({ context, guard }: Parts, from: 'db' | 'reports' = 'db') =>
  <Args extends readonly unknown[], Result>(read: (db: Db, ...args: Args) => Promise<Result>) =>
  (...args: Args): Promise<Result> =>
    guard(() => read(context.database[from], ...args))

/** Returns a function that makes an operation of a change. */
const changing =
  ({ context, guard }: Parts) =>
  <Order, Result>(make: (context: WriteContext, order: Order) => Promise<Result>) =>
  (order: Order): Promise<Result> =>
    guard(() => make(context, order))

function finding(parts: Parts) {
  const read = reading(parts)
  return {
    list: read(list),
    show: read(show),
    timeline: read(timeline),
    person: read(person),
    buyerOf: read(buyerOf),
    boughtAs: read(boughtAs),
    similarBuyers: read(similarBuyers),
    summaries: read(summaries),
    neighbors: read(neighborsOf),
    audit: read(audit),

    /** The ids of the deliveries that a withdrawal from these courses concerns, too: see readOtherSales. */
    otherSales: read(async (db, id: string, courses: readonly string[]) =>
      (await readOtherSales(db, { id, courses })).map((other) => other.id),
    ),
  }
}

/** What the pages show about many deliveries at once. A count that takes long is followed by the one before; see Counted. */
function reports(parts: Parts) {
  const read = reading(parts)
  const count = reading(parts, 'reports')
  const { now } = parts.context
  return {
    overview: read((db) => overview(db, now())),
    causes: count(markedCauses),
    backlog: read(countBacklog),
    /** `after`: the `next` of the previous page. */
    incidents: count((db, after: string | null) => listIncidents(db, { now: now(), after })),
    /** Without `to`, until now: without an end, SQLite would read all sales. */
    waitedSales: count((db, { from, to = now() }: { from: number; to?: number | undefined }) =>
      waitedSales(db, { from, to }),
    ),
    incidentsBetween: read(incidentsBetween),
    countByState: createCounting({ count: count(countByState), now }),
    sales: createCounting({ count: count(salesBySpan), now }),
    salesByCourse: createCounting({ count: count(salesByCourse), now }),
    previewReplay: count(previewReplay),
    /** What a correction would store, or why it is refused. */
    previewCorrection: read((db, of: Changes & { id: string }) => planCorrection({ trx: db }, of)),
    bulkReplay: read(readReplay),
    /** What came of the deliveries of a bulk replay. Those that were deleted since are not counted. */
    replayResults: count((db, id: string) => countFound(db, { replay: id })),
    runningReplays: read(runningReplays),
  }
}

function changes(parts: Parts) {
  const { silentMs = TIMING.deadAfterMs } = parts
  const change = changing(parts)
  /** Resolves when no call for the buyer of the delivery is in flight. */
  const stopped = reading(parts)(async (db, id: string) => {
    const row = await db.selectFrom('deliveries').select(['id', 'email']).where('id', '=', id).executeTakeFirst()
    if (row !== undefined) await untilFree(db, { names: [personOf(row)], silentMs })
  })
  return {
    /** Makes at most 500 deliveries due now. Settled deliveries start again; an attempt in progress is not disturbed. */
    replay: change(replay),

    /** The same for one delivery. Not carried out, as are the changes below, if another operator changed it since it was `seen`. */
    replayOne: change(replayOne),

    /**
     * Records that an operator took care of a delivery by other means, in any state: attempts stop. A repeat or a replay
     * starts it again.
     */
    markHandled: async (order: Parameters<typeof markHandled>[1]) => {
      const handled = await change(markHandled)(order)
      if (handled.kind === 'handled') await stopped(order.id)
      return handled
    },

    /**
     * Replaces a delivery by a corrected one with another address or other courses. The old one becomes handled, and is
     * withdrawn if the correction says so. Resolves when no call to the LMS for the old one is in flight.
     */
    correct: async (correction: Parameters<typeof correct>[1]) => {
      const corrected = await change(correct)(correction)
      if (corrected.kind === 'corrected') await stopped(correction.id)
      return corrected
    },

    /**
     * Stores an order to take the buyer out of courses that the delivery reported. Any replica of the service carries it
     * out, even after a restart. A queued delivery goes on without them.
     */
    withdraw: change(orderWithdrawal),

    markCause: change(markCause),
    testSale: change(sellTest),
    startReplay: change(startReplay),
    stopReplay: change(stopReplay),
  }
}

/** What operators can see and do about the events for the shop. */
function shopEvents(parts: Parts) {
  const read = reading(parts)
  const change = changing(parts)
  return {
    read: read(readOutbox),
    /** The same without the events: cheap enough for every page. */
    health: read(readOutboxHealth),
    sendAgain: change(sendAgain),
    sendFailedAgain: change(sendFailedAgain),
  }
}

type TestSold =
  | { readonly kind: 'sold'; readonly id: string }
  | { readonly kind: 'invalid'; readonly errors: FieldErrors }

/** Stores a sale as if the shop had sent it, marked as a test. With the same `nonce` again, it is a repeat. */
async function sellTest(
  context: WriteContext,
  { by, ...of }: Parameters<typeof testSale>[0] & { by: string },
): Promise<TestSold> {
  const sale = testSale(of)
  if ('errors' in sale) return { kind: 'invalid', errors: sale.errors }
  return auditedChange<TestSold>(context, async (writing) => {
    const [change] = await accept(writing, [sale.webhook])
    if (change === undefined) throw new Error('the test sale was not stored')
    return { result: { kind: 'sold', id: change.id }, listed: change.drafts.map((draft) => ({ ...draft, actor: by })) }
  })
}
