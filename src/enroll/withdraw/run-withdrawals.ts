import type { Trx } from '../../database/schema.ts'
import { inTransaction } from '../../database/transaction.ts'
import type { Account } from '../../lms/apis/accounts.ts'
import { acquireChecked } from '../../lms/client/budget.ts'
import { type Failure, mayStillLand } from '../../lms/client/failure.ts'
import { addressesOfSalesTo } from '../../queue/lines.ts'
import type { AppContext } from '../../queue/open-inbox.ts'
import { nextAttemptAt } from '../../queue/retry-schedule.ts'
import { emailTerm } from '../../queue/search-terms.ts'
import {
  type Attempted,
  type ClaimedOrder,
  claimOrder,
  endHolds,
  holdAlso,
  holdsOf,
  mayContinue,
  releaseOrder,
  storeBuyers,
  storeCalled,
} from '../../queue/withdrawals/claimed-order.ts'
import { endOrder } from '../../queue/withdrawals/end-order.ts'
import { givenTo, keepersOf } from '../../queue/withdrawals/keepers.ts'
import type { LmsAccount } from '../../sale/line.ts'
import { isLeaseLost, isUnreachable } from '../../service/lib/errors.ts'
import { type Background, runBackgroundLoop, type WakeUp } from '../../service/lib/loop.ts'
import { costsNoAttempt } from '../breakers/breaker-state.ts'
import type { CallContext } from '../pair.ts'
import { INTERNAL } from '../work.ts'
import type { Buyer } from './find-buyer.ts'
import { type AttemptedPerson, withdrawPerson } from './withdraw-person.ts'

/** An operator waits for it, and an idle look of each loop costs one statement. */
const POLL_MS = 1000
/** How many orders a replica carries out at a time: one whose calls hang delays no other buyer's. The LMS may hang, too. */
const AT_A_TIME = 3

interface Withdrawals extends Background, CallContext, Pick<AppContext, 'context'> {
  readonly replicas: Pick<AppContext['replicas'], 'holds'>
  /** Woken when an order was stored here. */
  readonly wakeUp: WakeUp
  /** Whether the circuit breaker of the LMS is open: failures then cost no attempt. */
  readonly isLmsUnavailable: () => boolean
}

/** Something else is done just now for another address of the buyer. */
const BUSY = new Error('the withdrawal has to wait')

/** The order must not go on: it ended, another replica has it, or the sale came again. */
const STOPPED = new Error('the withdrawal must not go on')

/**
 * Carries out the orders to withdraw buyers from courses, a few at a time, until the signal is aborted. Every replica runs
 * this. An order is carried out once at a time, and one for each buyer; see claimOrder. A replica can die at any point of
 * an order: another one then begins it again, and what is done already is found done.
 *
 * While the LMS may still carry out a call that enrolls the buyer, finding nothing would prove nothing, so an order waits
 * until it can't. While the LMS may carry out a call of the order itself, which could undo a sale that came since, nothing
 * else is done for the buyer: see Holds.
 */
export async function runWithdrawals(from: Withdrawals): Promise<void> {
  const round = async (): Promise<number> => {
    const woken = from.wakeUp.listen()
    if (from.isLmsUnavailable()) return POLL_MS
    const order = await from.guard(() => claimOrder(from))
    if (order === null) await woken(POLL_MS, from.signal)
    else await carryOut(from, order).finally(() => order.holds.ended(holdsOf(order)))
    return 0
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, () => runBackgroundLoop({ ...from, round, againMs: POLL_MS })))
}

async function carryOut(from: Withdrawals, order: ClaimedOrder): Promise<void> {
  const { context, signal, onError } = from
  let isLate = false // a call that takes the buyer out may be carried out without our knowing
  const releaseSoon = (): Promise<void> => {
    // At different times, or two replicas whose orders wait for each other's hold could go on doing so.
    const dueAt = context.now() + Math.round(POLL_MS * (0.5 + context.random()))
    return write(from, (trx) => releaseOrder(trx, { order, dueAt, isLate }))
  }
  try {
    const { results, lacking, failure } = await attempt(from, order, () => {
      isLate = true
    })
    isLate &&= failure !== null && mayStillLand(failure)
    if (failure === null) await end(from, order, { attempted: { results, lacking, message: '' }, isLate: false })
    else {
      const isFree = costsNoAttempt(failure.kind) || from.isLmsUnavailable()
      await again(from, order, { results, failure, isFree, isLate })
    }
  } catch (error) {
    if (error === BUSY) await releaseSoon()
    else if (error === STOPPED) await write(from, async (trx) => void (await endHolds(trx, order, { isLate: false })))
    else if (signal.aborted || isUnreachable(error) || isLeaseLost(error)) return releaseSoon().catch(() => {})
    else {
      onError(error)
      await again(from, order, { results: new Map(), failure: INTERNAL, isFree: false, isLate })
    }
  }
}

/** @param onTaking called before the calls that take the buyer out of a course */
async function attempt(from: Withdrawals, order: ClaimedOrder, onTaking: () => void): Promise<AttemptedPerson> {
  const { lms, acquire, guard, context } = from
  const { db } = context.database
  const check = async (): Promise<void> => {
    if (!(await guard(() => mayContinue(db, order)))) throw STOPPED
  }
  const hold = async (accountIds: readonly number[], addresses: readonly string[]): Promise<void> => {
    // A repeat of a sale to an address that the account has left reads whether the account is in the course.
    const sold = await guard(() => addressesOfSalesTo(db, accountIds))
    if (!(await guard(() => holdAlso(order, [...addresses, ...sold])))) throw BUSY
  }
  // Before any call: an order that has to wait comes again each second.
  await hold(
    order.lines.flatMap(({ account }) => account?.id ?? []),
    [],
  )
  return withdrawPerson({
    order,
    others: {
      keeperOf: (course, buyer, isIn) =>
        guard(async () => (await keepersOf(db, { ...buyerOf(order, course, buyer), isIn })).at(-1) ?? null),
      givenTo: (course, buyer) => guard(() => givenTo(db, buyerOf(order, course, buyer))),
    },
    onFound: async (buyers) => {
      await hold(
        buyers.flatMap(({ account }) => idOf(account) ?? []),
        buyers.flatMap(({ movedTo }) => movedTo ?? []),
      )
      const accounts = newAccounts(order, buyers)
      if (accounts.size > 0) await write(from, (trx) => storeBuyers(trx, { order, accounts }))
    },
    onTaking: async (sent) => {
      await write(from, (trx) => storeCalled(trx, { order, sent }))
      onTaking()
    },
    lms,
    acquire: () => acquireChecked(acquire, check),
  })
}

/** Whose course it is, for what is stored of their sales. */
const buyerOf = (
  { delivery, person }: ClaimedOrder,
  course: string,
  { account, isTaken, movedTo }: Pick<Buyer, 'account' | 'isTaken' | 'movedTo'>,
) => ({
  delivery,
  addresses: [person, ...(movedTo === null ? [] : [emailTerm(movedTo)])],
  course,
  accountId: idOf(account),
  isTaken,
})

const idOf = (account: Account): number | undefined => ('id' in account ? account.id : undefined)

/**
 * The accounts to which the courses of an order went, by the key as it was sent, where only the allowance told it.
 * @param buyers those of its lines, in their order
 */
function newAccounts(
  { lines }: ClaimedOrder,
  buyers: readonly Pick<Buyer, 'account' | 'given'>[],
): ReadonlyMap<string, LmsAccount> {
  const accounts = new Map<string, LmsAccount>()
  for (const [i, { account, given }] of buyers.entries()) {
    const line = lines[i]
    if (line === undefined || given === null || line.account?.id === given.id) continue
    if ('username' in account) accounts.set(line.sent, { id: account.id, username: account.username })
  }
  return accounts
}

/** Tries the order again later, or ends it after the last attempt. */
async function again(
  from: Withdrawals,
  order: ClaimedOrder,
  of: Pick<AttemptedPerson, 'results'> & {
    failure: Pick<Failure, 'message' | 'retryAfterMs'>
    isFree: boolean
    isLate: boolean
  },
): Promise<void> {
  const { context } = from
  const { results, failure, isFree, isLate } = of
  const now = context.now()
  const attempts = order.attempts + (isFree ? 0 : 1)
  const dueAt = isFree
    ? now + Math.max(POLL_MS, failure.retryAfterMs ?? 0)
    : nextAttemptAt({ failures: attempts, now, random: context.random })
  const message = dueAt === null ? `retries exhausted: ${failure.message}` : failure.message
  const attempted = { results, message }
  if (dueAt === null) return end(from, order, { attempted, isLate })
  await write(from, (trx) => releaseOrder(trx, { order, dueAt, isLate, changed: { attempts, attempted } }))
}

/** Changes what no event tells of. */
const write = (
  { guard, context: { database, random } }: Withdrawals,
  body: (trx: Trx) => Promise<void>,
): Promise<void> => guard(() => inTransaction({ database, random, body }))

const end = (
  { context, guard }: Withdrawals,
  order: ClaimedOrder,
  of: { attempted: Attempted; isLate: boolean },
): Promise<void> => guard(() => endOrder(context, { order, ...of }))
