import type { Availability } from '../../database/availability.ts'
import type { WriteContext } from '../../database/write-context.ts'
import type { AuditedResult } from '../../queue/audited-change.ts'
import { correct, planCorrection } from '../../queue/correct.ts'
import { markHandled } from '../../queue/handle.ts'
import { untilReleased } from '../../queue/release.ts'
import { replay } from '../../queue/replay.ts'
import { TIMING } from '../../queue/replicas/timing.ts'
import { readAnswers } from '../../queue/shop-answers.ts'
import { orderWithdrawal, readWithdrawable, withdrawableOf } from '../../queue/withdraw.ts'
import { listWithdrawals } from '../../queue/withdrawal-row.ts'
import type { DeliveryEvent, EventKind } from '../../sale/types.ts'
import { list, preview, show, summaries } from '../find/listing.ts'
import { neighborsOf } from '../find/neighbors.ts'
import { overview } from '../find/overview.ts'
import { buyerOf, person } from '../find/people.ts'
import { countFound } from '../find/search.ts'
import { audit, timeline } from '../find/timeline.ts'
import { readCauses } from '../reports/causes.ts'
import { createCounting } from '../reports/counted.ts'
import { allStates, countByState } from '../reports/counts.ts'
import { salesByCourse, salesBySpan } from '../reports/sales.ts'
import { listReplays, readReplay, selected, startReplay, stopReplay } from './bulk-replay.ts'
import type { Operations } from './operations.ts'
import { sellTest } from './test-sale.ts'

const MAKES_DUE: ReadonlySet<EventKind> = new Set(['replayed', 'received', 'repeated'])

/**
 * Creates the operations of a service or a command. `publish` is called with each event after it is stored, and `onDue`
 * when deliveries become due.
 */
export function createOperations({
  context,
  guard,
  replicas,
  publish,
  onDue,
  silentMs = TIMING.deadAfterMs,
}: {
  context: WriteContext
  guard: Availability['guard']
  /** How many replicas are alive. */
  replicas: () => number
  publish: (event: DeliveryEvent) => void
  onDue: () => void
  /** A replica that is silent for this long may no longer call the LMS. */
  silentMs?: number
}): Operations {
  const { db } = context.database
  const change = async <Result>(work: () => Promise<AuditedResult<Result>>): Promise<Result> => {
    const { result, events } = await guard(work)
    for (const event of events) publish(event)
    if (events.some(({ kind }) => MAKES_DUE.has(kind))) onDue()
    return result
  }
  const stopped = (ids: readonly string[]): Promise<void> => guard(() => untilReleased(context, { ids, silentMs }))
  return {
    list: (query) => guard(() => list({ db, ...query })),
    show: (id) => guard(() => show({ db, id })),
    timeline: (id) => guard(() => timeline({ db, id })),
    answers: (id) => guard(() => readAnswers({ db, id })),
    person: (email) => guard(() => person({ db, email })),
    buyerOf: (id) => guard(() => buyerOf({ db, id })),
    summaries: (ids) => guard(() => summaries({ db, ids })),
    audit: (query) => guard(() => audit({ db, ...query })),
    overview: () => guard(() => overview({ db, now: context.now(), replicas: replicas() })),
    ...reports({ context, guard }),
    replay: (order) => change(() => replay(context, order)),
    markHandled: async (order) => {
      const handled = await change(() => markHandled(context, order))
      if (handled.kind === 'handled') await stopped([order.id])
      return handled
    },
    ...changesInLms({ context, guard, change, stopped }),
    previewReplay: ({ filter, enrolled = false }) => guard(() => preview({ db, filter: selected(filter, enrolled) })),
    startReplay: ({ enrolled = false, ...order }) => change(() => startReplay(context, { ...order, enrolled })),
    bulkReplay: (id) => guard(() => readReplay(db, id)),
    replayResults: (id) => guard(async () => allStates(await countFound({ db, filter: { replay: id } }))),
    bulkReplays: () => guard(() => listReplays(db)),
    stopReplay: (order) => change(() => stopReplay(context, order)),
  }
}

/** What the pages show about many deliveries at once. */
function reports({
  context,
  guard,
}: {
  context: WriteContext
  guard: Availability['guard']
}): Pick<Operations, 'causes' | 'countByState' | 'sales' | 'salesByCourse' | 'neighbors'> {
  const { db } = context.database
  const { now } = context
  const states = createCounting({ count: () => guard(() => countByState(db)), now })
  const spans = createCounting({ count: (bounds: readonly number[]) => guard(() => salesBySpan({ db, bounds })), now })
  const courses = createCounting({ count: () => guard(() => salesByCourse({ db, now: now() })), now })
  return {
    causes: (query) => guard(() => readCauses({ db, ...query })),
    countByState: () => states(null),
    sales: spans,
    salesByCourse: () => courses(null),
    neighbors: (query) => guard(() => neighborsOf({ db, ...query })),
  }
}

/** The operations that lead to calls to the LMS for one person. */
function changesInLms({
  context,
  guard,
  change,
  stopped,
}: {
  context: WriteContext
  guard: Availability['guard']
  change: <Result>(work: () => Promise<AuditedResult<Result>>) => Promise<Result>
  /** Resolves when no call for these deliveries is in flight. */
  stopped: (ids: readonly string[]) => Promise<void>
}): Pick<Operations, 'correct' | 'previewCorrection' | 'withdrawable' | 'withdraw' | 'withdrawals' | 'testSale'> {
  const { db } = context.database
  return {
    correct: async (correction) => {
      const corrected = await change(() => correct(context, correction))
      if (corrected.kind === 'corrected') await stopped([correction.id])
      return corrected
    },
    previewCorrection: (of) =>
      guard(async () => {
        const planned = await planCorrection({ trx: db }, of)
        return planned.kind === 'planned' ? { kind: 'planned', request: planned.request } : planned
      }),
    withdrawable: (id) =>
      guard(async () => {
        const row = await readWithdrawable(db, id)
        return row === undefined ? null : withdrawableOf(row)
      }),
    withdraw: (order) => change(() => orderWithdrawal(context, order)),
    withdrawals: (id) => guard(() => listWithdrawals(db, id)),
    testSale: (sale) => change(() => sellTest(context, sale)),
  }
}
