import { type Background, runBackgroundLoop } from '../background-loop.ts'
import { isUnreachable } from '../database/availability.ts'
import type { WriteContext } from '../database/write-context.ts'
import type { DeliveryEvent } from '../delivery/types.ts'
import { costsNoAttempt } from '../enrollment/breaker-state.ts'
import type { CallContext } from '../enrollment/pair.ts'
import { nextAttemptAt } from '../enrollment/retry-schedule.ts'
import { AppError } from '../errors.ts'
import type { Failure } from '../openedx/failure.ts'
import { EXHAUSTED, type WithdrawalResult, withdrawalOf } from '../operations/withdrawal-row.ts'
import type { Replicas } from '../replicas/replicas.ts'
import type { WakeUp } from '../wake-up.ts'
import { type ClaimedOrder, claimOrder, mayContinue, noteEffect, releaseOrder } from './claimed-order.ts'
import { endOrder, endSuperseded } from './end-order.ts'
import { soldAgain } from './sold-again.ts'
import { type Attempted, withdrawPerson } from './withdraw-person.ts'

/** An operator waits for it, and an idle look costs one statement. */
const POLL_MS = 1000

interface Withdrawals extends Background, CallContext {
  readonly context: WriteContext
  readonly replicas: Pick<Replicas, 'me' | 'beat' | 'rejoin'>
  /** Woken when an order was stored here. */
  readonly wakeUp: WakeUp
  /** Whether the circuit breaker of the LMS is open: failures then cost no attempt. */
  readonly isOpen: () => boolean
  /** Called with the events of an order, after they are stored. */
  readonly onEvents: (events: readonly DeliveryEvent[]) => void
}

/** The order must not go on: it ended, another replica has it, or the sale came again. */
const STOPPED = new Error('the withdrawal must not go on')

/**
 * Carries out the orders to withdraw buyers from courses, one after the other, until the signal is aborted. Every replica
 * runs this. An order belongs to one replica at a time; see claimOrder. A replica can die at any point of an order:
 * another one then begins it again, and what is done already is found done.
 */
export function runWithdrawals(from: Withdrawals): Promise<void> {
  const round = async (): Promise<number> => {
    const woken = from.wakeUp.listen()
    if (from.isOpen()) return POLL_MS
    const order = await from.guard(() => claimOrder(from))
    if (order === null) await woken(POLL_MS, from.signal)
    else await carryOut(from, order)
    return 0
  }
  return runBackgroundLoop({ ...from, round, againMs: POLL_MS })
}

async function carryOut(from: Withdrawals, order: ClaimedOrder): Promise<void> {
  const { context, guard, signal, onError } = from
  const release = (): Promise<void> =>
    guard(() => releaseOrder(context.database.db, { order, dueAt: context.now() + POLL_MS }))
  try {
    const { courses, failure } = await attempt(from, order)
    if (failure === null) await end(from, order, { courses, message: '' })
    else if (costsNoAttempt(failure.kind) || from.isOpen()) await again(from, order, { courses, failure, isFree: true })
    else await again(from, order, { courses, failure, isFree: false })
  } catch (error) {
    if (error === STOPPED) await publish(from, () => endSuperseded(context, order))
    else if (signal.aborted || isUnreachable(error) || isLeaseLost(error)) return release().catch(() => {})
    else {
      onError(error)
      await again(from, order, { courses: {}, failure: INTERNAL, isFree: false })
    }
  }
}

const INTERNAL = { message: 'an internal error of this service; see its log', retryAfterMs: null }

const isLeaseLost = (error: unknown): boolean => error instanceof AppError && error.code === 'lease.lost'

function attempt(from: Withdrawals, order: ClaimedOrder): Promise<Attempted> {
  const { lms, acquire, guard, context } = from
  const { db } = context.database
  const check = async (): Promise<void> => {
    if (!(await guard(() => mayContinue(db, order)))) throw STOPPED
  }
  return withdrawPerson({
    order: withdrawalOf(order.row),
    delivery: order.delivery,
    isSoldAgain: (course) => guard(async () => (await soldAgain(db, { order: order.row, course })).length > 0),
    lms,
    acquire: async () => {
      const permit = await acquire()
      // After the wait for the permit, so that nothing comes between the check and the call.
      await check().catch((error: unknown) => {
        permit.release()
        throw error
      })
      return permit
    },
    beforeChange: async () => {
      await check()
      await guard(() => noteEffect(db, order))
    },
  })
}

/** Tries the order again later, or ends it after the last attempt. */
async function again(
  from: Withdrawals,
  order: ClaimedOrder,
  of: Pick<Attempted, 'courses'> & { failure: Pick<Failure, 'message' | 'retryAfterMs'>; isFree: boolean },
): Promise<void> {
  const { context, random, guard } = { ...from, ...from.context }
  const { courses, failure, isFree } = of
  const now = context.now()
  const attempts = order.row.attempts + (isFree ? 0 : 1)
  const dueAt = isFree
    ? now + Math.max(POLL_MS, failure.retryAfterMs ?? 0)
    : nextAttemptAt({ failures: attempts, now, random })
  if (dueAt === null) return end(from, order, { courses, message: `${EXHAUSTED}: ${failure.message}` })
  const result: WithdrawalResult = { courses, message: failure.message }
  const failed = { attempts, result: JSON.stringify(result) }
  await guard(() => releaseOrder(context.database.db, { order, dueAt, failed }))
}

const end = (from: Withdrawals, order: ClaimedOrder, result: WithdrawalResult): Promise<void> =>
  publish(from, () => endOrder(from.context, { order, result }))

async function publish(
  { guard, onEvents }: Withdrawals,
  change: () => Promise<{ readonly events: readonly DeliveryEvent[] }>,
): Promise<void> {
  const { events } = await guard(change)
  onEvents(events)
}
