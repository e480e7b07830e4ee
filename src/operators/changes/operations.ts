import type { WriteContext } from '../../database/transaction.ts'
import { accept } from '../../queue/accept.ts'
import { type AuditedResult, auditedChange } from '../../queue/audited-change.ts'
import { markHandled, type Seen } from '../../queue/change-deliveries.ts'
import { type Changes, type Correction, type CourseSwap, correct, planCorrection } from '../../queue/correct.ts'
import type { AppContext } from '../../queue/open-inbox.ts'
import { replay, replayOne } from '../../queue/replay.ts'
import { untilFree } from '../../queue/replicas/holds.ts'
import { TIMING } from '../../queue/replicas/timing.ts'
import { personOf } from '../../queue/rows.ts'
import { readAnswers } from '../../queue/shop-answers.ts'
import { listWithdrawals, orderWithdrawal, readOtherSales, type WithdrawalOrder } from '../../queue/withdraw.ts'
import { readWithdrawable, withdrawableOf } from '../../queue/withdrawals/withdrawable.ts'
import { testSale } from '../../sale/payload/operator-sale.ts'
import type { FieldErrors } from '../../sale/payload/rules.ts'
import type { EventKind } from '../../sale/types.ts'
import type { DeliveryFilter } from '../find/filter.ts'
import { list, preview, show, summaries } from '../find/listing.ts'
import { boughtAs, buyerOf, person } from '../find/people.ts'
import { countFound, neighborsOf } from '../find/search.ts'
import { similarBuyers } from '../find/similar.ts'
import { audit, timeline } from '../find/timeline.ts'
import { incidentsBetween, listIncidents, waitedSales } from '../incidents/incidents.ts'
import { markCause, markedCauses } from '../reports/cause-marks.ts'
import {
  type CountedSpan,
  countBacklog,
  countByState,
  createCounting,
  salesByCourse,
  salesBySpan,
  totalOf,
} from '../reports/counts.ts'
import { overview } from '../reports/overview.ts'
import {
  listReplays,
  readReplay,
  selected,
  startCorrection,
  startReplay,
  stopReplay,
  wrongSales,
} from './bulk-replay.ts'

const COURSES_KEPT_MS = 10_000
/** The events after which a delivery is due. */
export const MAKES_DUE: ReadonlySet<EventKind> = new Set(['replayed', 'received', 'repeated', 'withdrawal_requested'])

interface Parts extends Pick<AppContext, 'context' | 'guard' | 'publish'> {
  /** Called when deliveries become due. */
  readonly onDue: () => void
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
  ...bulkReplays(parts),
})
export type Operations = ReturnType<typeof createOperations>

function finding({ context, guard }: Parts) {
  const { db } = context.database
  return {
    /** Lists deliveries, newest activity first. `limit`: at most 500; `after`: the `next` of the previous page. */
    list: (query: { filter: DeliveryFilter; limit?: number; after?: string | null }) => guard(() => list(db, query)),

    show: (id: string) => guard(() => show(db, id)),

    /** Returns the last 500 events of a delivery, oldest first. */
    timeline: (id: string) => guard(() => timeline(db, id)),

    /** What the shop was answered about a delivery. See readAnswers. */
    answers: (id: string) => guard(() => readAnswers({ db, id })),

    /** The sales of an address, in any letter case. Without a sale, the lists are empty. */
    person: (email: string) => guard(() => person(db, email)),

    /** The same for the buyer of a delivery; null if the delivery does not exist, or names no address. */
    buyerOf: (id: string) => guard(() => buyerOf(db, id)),

    /** Finds the other addresses under which these accounts of the LMS bought here. */
    boughtAs: (of: { accountIds: readonly number[]; email: string }) => guard(() => boughtAs(db, of)),

    /** Finds sales to other addresses under which the owner of this one may have bought: four at most. */
    similarBuyers: (email: string) => guard(() => similarBuyers(db, email)),

    /** Returns these deliveries as lines of a list, without those that don't exist any more: at most some hundred. */
    summaries: (ids: readonly string[]) => guard(() => summaries(db, ids)),

    /** Returns the deliveries above and below a delivery in the list with this filter. */
    neighbors: (query: { id: string; filter: DeliveryFilter }) => guard(() => neighborsOf(db, query)),

    /** Lists the changes by operators, newest first. A bulk replay is one entry. Events of no delivery have '' as deliveryId. */
    audit: (query: { limit?: number; after?: string | null }) => guard(() => audit(db, query)),

    /** What a delivery can be withdrawn from; null if it does not exist, or if its row can't be read. */
    withdrawable: (id: string) =>
      guard(async () => {
        const row = await readWithdrawable(db, id)
        return row === undefined ? null : withdrawableOf(row)
      }),

    /** The ids of the deliveries that a withdrawal from these courses concerns, too: see readOtherSales. */
    otherSales: (id: string, courses: readonly string[]) =>
      guard(async () => (await readOtherSales(db, { id, courses })).map((other) => other.id)),

    /** Returns the newest orders to take the buyer out of the courses of a delivery, the latest first. */
    withdrawals: (id: string) => guard(() => listWithdrawals(db, id)),
  }
}

/** What the pages show about many deliveries at once. A count that takes long is followed by the one before; see Counted. */
function reports({ context, guard }: Parts) {
  const { db } = context.database
  const { now } = context
  return {
    overview: () => guard(() => overview(db, now())),

    /** Groups the deliveries that need attention or were rejected by state, reason and course, the most frequent first. */
    causes: () => guard(() => markedCauses(db)),

    /** Counts the deliveries in the states that need the service, the buyer or an operator. */
    backlog: () => guard(() => countBacklog(db)),

    /** Lists the times without the LMS or the database, the latest first; `after`: the `next` of the previous page. */
    incidents: (after: string | null) => guard(() => listIncidents(db, { now: now(), after })),

    /** Counts the sales that waited between two times (ms since 1970), by what they are now. */
    waitedSales: (span: { from: number; to?: number | undefined }) => guard(() => waitedSales(db, span)),

    /** Those that overlap the time between two times (ms since 1970), oldest first. */
    incidentsBetween: (span: { from: number; to: number }) => guard(() => incidentsBetween(db, span)),

    /** Counts deliveries by state, each once. The sales are without tests, and a corrected one counts as its correction. */
    countByState: createCounting({ count: (of: CountedSpan) => guard(() => countByState(db, of)), now }),

    /** Counts the sales between these times (ms since 1970, ascending), each once by its state now; see salesBySpan. */
    sales: createCounting({ count: (bounds: readonly number[]) => guard(() => salesBySpan(db, bounds)), now }),

    /**
     * Counts the sales received in a span of time (ms since 1970) by each of their courses and their state. It is the slowest
     * count, and nobody watches its numbers.
     */
    salesByCourse: createCounting({
      count: (span: { from: number; to: number | null }) => guard(() => salesByCourse(db, span)),
      now,
      keptMs: COURSES_KEPT_MS,
    }),
  }
}

type Change = <Result>(work: () => Promise<AuditedResult<Result>>) => Promise<Result>

/** Makes a change, and publishes its events. */
const changing =
  ({ guard, publish, onDue }: Parts): Change =>
  async (work) => {
    const { result, events } = await guard(work)
    for (const event of events) publish(event)
    if (events.some(({ kind }) => MAKES_DUE.has(kind))) onDue()
    return result
  }

function changes(parts: Parts) {
  const { context, guard, silentMs = TIMING.deadAfterMs } = parts
  const change = changing(parts)
  /** Resolves when no call for the buyer of the delivery is in flight. */
  const stopped = (id: string): Promise<void> =>
    guard(async () => {
      const { db } = context.database
      const row = await db.selectFrom('deliveries').select(['id', 'email']).where('id', '=', id).executeTakeFirst()
      if (row !== undefined) await untilFree(db, { names: [personOf(row)], silentMs })
    })
  return {
    /** Makes at most 500 deliveries due now. Settled deliveries start again; an attempt in progress is not disturbed. */
    replay: (order: { ids: readonly string[]; by: string }) => change(() => replay(context, order)),

    /** The same for one delivery. Not carried out, as are the changes below, if another operator changed it since it was `seen`. */
    replayOne: (order: Seen & { id: string; by: string }) => change(() => replayOne(context, order)),

    /**
     * Records that an operator took care of a delivery by other means, in any state: attempts stop. A repeat or a replay
     * starts it again.
     */
    markHandled: async (order: Seen & { id: string; note: string; by: string }) => {
      const handled = await change(() => markHandled(context, order))
      if (handled.kind === 'handled') await stopped(order.id)
      return handled
    },

    /**
     * Replaces a delivery by a corrected one with another address or other courses. The old one becomes handled, and is
     * withdrawn if the correction says so. Resolves when no call to the LMS for the old one is in flight.
     */
    correct: async (correction: Correction) => {
      const corrected = await change(() => correct(context, correction))
      if (corrected.kind === 'corrected') await stopped(correction.id)
      return corrected
    },

    /** Shows what a correction would store, or why it is refused. Changes nothing. */
    previewCorrection: (of: Changes & { id: string }) => guard(() => planCorrection({ trx: context.database.db }, of)),

    /**
     * Stores an order to take the buyer out of courses that the delivery reported. Any replica of the service carries it
     * out, even after a restart. A queued delivery goes on without them.
     */
    withdraw: (order: WithdrawalOrder) => change(() => orderWithdrawal(context, order)),

    /** Records that an operator works on a cause, or that it is gone; see markCause. */
    markCause: (order: Parameters<typeof markCause>[1]) => change(() => markCause(context, order)),

    /** Stores a sale as if the shop had sent it, marked as a test. With the same `nonce` again, it is a repeat. */
    testSale: (sale: Parameters<typeof sellTest>[1]) => change(() => sellTest(context, sale)),
  }
}

type TestSold =
  | { readonly kind: 'sold'; readonly id: string }
  | { readonly kind: 'invalid'; readonly errors: FieldErrors }

async function sellTest(
  context: WriteContext,
  { by, ...of }: Parameters<typeof testSale>[0] & { by: string },
): Promise<AuditedResult<TestSold>> {
  const sale = testSale(of)
  if ('errors' in sale) return { result: { kind: 'invalid', errors: sale.errors }, events: [] }
  return auditedChange<TestSold>(context, async (writing) => {
    const [change] = await accept(writing, [sale.webhook])
    if (change === undefined) throw new Error('the test sale was not stored')
    return { result: { kind: 'sold', id: change.id }, listed: change.drafts.map((draft) => ({ ...draft, actor: by })) }
  })
}

function bulkReplays(parts: Parts) {
  const { context, guard } = parts
  const { db } = context.database
  const change = changing(parts)
  return {
    /** Shows what a bulk replay of this filter makes due. It excludes enrolled and pre-enrolled ones unless `enrolled` is true. */
    previewReplay: ({ filter, enrolled = false }: { filter: DeliveryFilter; enrolled?: boolean }) =>
      guard(() => preview(db, selected(filter, enrolled))),

    /** Stores a bulk replay. Any replica of the service runs it in steps, even after a restart. */
    startReplay: ({ enrolled = false, ...order }: { filter: DeliveryFilter; enrolled?: boolean; by: string }) =>
      change(() => startReplay(context, { ...order, enrolled })),

    /** Shows what a bulk correction of this filter selects: how many, and the first of them as lines of a list. */
    previewCorrections: ({ filter, from, limit }: { filter: DeliveryFilter; from: string; limit: number }) =>
      guard(async () => {
        const wrong = wrongSales(filter, from)
        const { items } = await list(db, { filter: wrong, limit })
        return { total: totalOf(await countFound(db, wrong)), items }
      }),

    /**
     * Stores a bulk correction: what failed because of a wrong course key is sold again with the right one. Any replica of
     * the service runs it in steps, even after a restart. It is read, listed and stopped as a bulk replay is.
     */
    startCorrection: (order: { filter: DeliveryFilter; corrects: CourseSwap; by: string }) =>
      change(() => startCorrection(context, order)),

    /** Returns null if it does not exist. */
    bulkReplay: (id: string) => guard(() => readReplay(db, id)),

    /** What came of the deliveries of a bulk replay. Those that were deleted since are not counted. */
    replayResults: (id: string) => guard(() => countFound(db, { replay: id })),

    /** Returns the latest 20, newest first. */
    bulkReplays: () => guard(() => listReplays(db)),

    /** Stops a bulk replay; deliveries that are already due stay due. Returns null if it does not exist. */
    stopReplay: (order: { id: string; by: string }) => change(() => stopReplay(context, order)),
  }
}
