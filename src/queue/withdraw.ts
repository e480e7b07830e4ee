import type { Kysely, Transaction } from 'kysely'
import type { DeliveryRow, Tables, WithdrawalRow } from '../database/schema.ts'
import type { TransactionContext, WriteContext } from '../database/transaction.ts'
import { hasCourse, isSameCourse } from '../sale/course-key.ts'
import { accountIn, type BuyerAccounts, type CourseResult, DONE_STATES } from '../sale/types.ts'
import { type AuditedResult, auditedChange } from './audited-change.ts'
import {
  changedSince,
  lockAddress,
  lockDelivery,
  NOTE_MAX,
  type Outdated,
  type Seen,
  setHandled,
} from './change-deliveries.ts'
import { type EventDraft, MAX_ACTOR } from './events.ts'
import { closeByRest } from './replacement.ts'
import { coursesOf, readAccounts, readOutcome, readRequest, readStandings } from './rows.ts'
import { type Withdrawal, withdrawalOf } from './withdrawal-row.ts'

const LISTED = 20

/**
 * `courses`: null for all that can be withdrawn. `paid`: whether to take away paid course modes too. `note`: why, for the
 * timeline.
 */
export interface WithdrawalOrder extends Seen {
  readonly id: string
  readonly courses: readonly string[] | null
  readonly paid: boolean
  readonly by: string
  readonly note?: string
}

/**
 * - `ordered`: stored; the service carries it out.
 * - `pending`: an earlier order for this generation of the delivery has not ended. Nothing was stored.
 * - `refused`: nothing was stored. `not_reported`: the delivery never reported `course`, so this service didn't
 *   put the buyer there. `nothing`: there is nothing to withdraw.
 */
export type WithdrawalOrdered =
  | { readonly kind: 'ordered' | 'pending'; readonly withdrawal: Withdrawal }
  | { readonly kind: 'refused'; readonly why: 'not_reported' | 'nothing'; readonly course: string }
  | { readonly kind: 'unknown' }

/** See Operations.withdraw. */
export async function orderWithdrawal(
  context: WriteContext,
  order: WithdrawalOrder,
): Promise<AuditedResult<WithdrawalOrdered | Outdated>> {
  // Read before the transaction, which has to lock before it reads. A delivery keeps its address until it is erased.
  const mine = context.database.db.selectFrom('deliveries').select('email').where('id', '=', order.id)
  const address = (await mine.executeTakeFirst())?.email ?? null
  return auditedChange<WithdrawalOrdered | Outdated>(context, async (writing) => {
    if (address !== null) await lockAddress(writing, address)
    await lockDelivery(writing, order.id)
    const change = await changedSince(writing, { ...order, as: 'withdrawal_requested' })
    if (change !== null) return { result: { kind: 'outdated', change }, listed: [] }
    const { result, drafts: own } = await storeWithdrawal(writing, order)
    const drafts = [...own]
    if (result.kind === 'ordered') {
      for (const other of await readOtherSales(writing.trx, { id: order.id, courses: result.withdrawal.courses })) {
        drafts.push(...(await storeWithdrawal(writing, { ...order, ...other })).drafts)
      }
    }
    const isOperators = ({ actor }: EventDraft): boolean => actor !== undefined
    return { result, listed: drafts.filter(isOperators), others: drafts.filter((draft) => !isOperators(draft)) }
  })
}

/**
 * The other sales of these courses to the buyer of a delivery, under its address, with those of them that each reported,
 * sorted by id. An operator's withdrawal takes the buyer out of them, too. Not the corrections of the delivery, which are
 * what the buyer is to have, and not a sale to whoever has the address since the buyer left it: to another account, or,
 * after an account had got the course, to none yet.
 */
export async function readOtherSales(
  trx: Pick<Transaction<Tables>, 'selectFrom'>,
  { id, courses }: { id: string; courses: readonly string[] },
): Promise<readonly { readonly id: string; readonly courses: readonly string[] }[]> {
  const query = trx.selectFrom('deliveries').select(['email', 'accounts', 'replaced_by']).where('id', '=', id)
  const mine = await query.executeTakeFirst()
  if (mine === undefined || mine.email === null) return []
  const accounts = readAccounts(mine.accounts)
  const corrections = await readCorrections(trx, mine)
  const rows = await trx
    .selectFrom('deliveries')
    .select(COLUMNS)
    .where('email', '=', mine.email)
    .where('id', '!=', id)
    .where('state', 'in', [...DONE_STATES, 'needs_attention'])
    .orderBy('id')
    .execute()
  return rows.flatMap((row) => {
    const other = withdrawableOf(row)
    if (other === null || corrections.has(row.id)) return []
    const [older, newer] = row.id < id ? [other.accounts, accounts] : [accounts, other.accounts]
    const isSamePerson = (course: string): boolean => {
      const [first, then] = [accountIn(older, course)?.id, accountIn(newer, course)?.id]
      return first === undefined || first === then
    }
    const sold = other.courses
      .filter(({ course, reported }) => reported !== null && hasCourse(courses, course))
      .map(({ course }) => course)
      .filter(isSamePerson)
    return sold.length === 0 ? [] : [{ id: row.id, courses: sold }]
  })
}

/** The delivery that corrects this one, that which corrects that one, and so on. */
async function readCorrections(
  trx: Pick<Transaction<Tables>, 'selectFrom'>,
  { replaced_by }: Pick<DeliveryRow, 'replaced_by'>,
): Promise<ReadonlySet<string>> {
  const found = new Set<string>()
  for (let id = replaced_by; id !== null && !found.has(id); ) {
    found.add(id)
    const next = await trx.selectFrom('deliveries').select('replaced_by').where('id', '=', id).executeTakeFirst()
    id = next?.replaced_by ?? null
  }
  return found
}

/**
 * Stores an order in a transaction that has locked the delivery. It stops a queued delivery; another one takes the courses
 * that the order doesn't name.
 */
export async function storeWithdrawal(
  writing: TransactionContext,
  order: WithdrawalOrder,
): Promise<{ result: WithdrawalOrdered; drafts: readonly EventDraft[] }> {
  const { trx } = writing
  const row = await readWithdrawable(trx, order.id)
  if (row === undefined) return { result: { kind: 'unknown' }, drafts: [] }
  const pending = await trx
    .selectFrom('withdrawals')
    .selectAll()
    .where('delivery_id', '=', order.id)
    .where('generation', '=', row.generation) // an older one is superseded
    .where('ended_at', 'is', null)
    .executeTakeFirst()
  if (pending !== undefined) return { result: { kind: 'pending', withdrawal: withdrawalOf(pending) }, drafts: [] }
  const withdrawable = withdrawableOf(row)
  const chosen = chooseCourses(withdrawable, order.courses)
  if (!Array.isArray(chosen)) return { result: chosen, drafts: [] }
  const stops = row.state === 'queued'
  const left = withdrawable?.courses.filter(({ course }) => !chosen.includes(course)) ?? []
  const rest = stops ? coursesOf(row).filter((sent) => left.some(({ course }) => isSameCourse(course, sent))) : []
  // As it is before the order stops it: see closeByRest.
  const whole = rest.length === 0 ? null : await readWhole(trx, order.id)
  const { stored, draft } = await insertOrder(writing, { order, row, courses: chosen, stops })
  const others = whole === null ? [] : await closeByRest(writing, { row: whole, rest, by: order.by })
  return { result: { kind: 'ordered', withdrawal: withdrawalOf(stored) }, drafts: [draft, ...others] }
}

/**
 * Stores an order without further checks, in a transaction that has locked the delivery. `stops`: ends the work on the
 * delivery. `refundId`: absent if an operator orders it.
 */
export async function insertOrder(
  writing: TransactionContext,
  of: {
    order: Pick<WithdrawalOrder, 'paid' | 'by' | 'note'>
    row: WithdrawableRow
    courses: readonly string[]
    stops: boolean
    refundId?: string
  },
): Promise<{ stored: WithdrawalRow; draft: EventDraft }> {
  const { trx, at, newId } = writing
  const { order, row, courses, stops, refundId } = of
  const { id } = row
  const stored: WithdrawalRow = {
    id: newId(),
    delivery_id: id,
    courses: JSON.stringify(courses),
    paid: order.paid ? 1 : 0,
    generation: row.generation,
    touched: '[]',
    unenrolls_until: null,
    actor: order.by.slice(0, MAX_ACTOR),
    requested_at: at,
    due_at: at,
    attempts: 0,
    ended_at: null,
    result: null,
    refund_id: refundId ?? null,
  }
  await trx.insertInto('withdrawals').values(stored).execute()
  if (stops) await setHandled(writing, id)
  await trx.updateTable('deliveries').set({ active_at: at }).where('id', '=', id).execute()
  const from = `from ${courses.join(', ')}${order.paid ? ', paid course modes too' : ''}`
  const why = order.note === undefined || order.note === '' ? '' : `: ${order.note.slice(0, NOTE_MAX)}`
  const detail = refundId === undefined ? from + why : `refund from the shop: ${from}`
  return { stored, draft: { deliveryId: id, kind: 'withdrawal_requested', detail, actor: order.by } }
}

/** The courses of the order, spelled as the delivery has them; or the refusal. */
function chooseCourses(
  withdrawable: Withdrawable | null,
  named: readonly string[] | null,
): string[] | Extract<WithdrawalOrdered, { kind: 'refused' }> {
  const all = withdrawable?.courses.map(({ course }) => course) ?? []
  const chosen: string[] = []
  for (const key of named ?? all) {
    const found = all.find((course) => isSameCourse(key, course))
    if (found === undefined) return { kind: 'refused', why: 'not_reported', course: key }
    if (!chosen.includes(found)) chosen.push(found)
  }
  if (chosen.length === 0) return { kind: 'refused', why: 'nothing', course: '' }
  return chosen
}

/** Returns the latest 20 orders for a delivery, newest first. */
export async function listWithdrawals(db: Kysely<Tables>, id: string): Promise<Withdrawal[]> {
  const rows = await db
    .selectFrom('withdrawals')
    .selectAll()
    .where('delivery_id', '=', id)
    .orderBy('id', 'desc')
    .limit(LISTED)
    .execute()
  return rows.map(withdrawalOf)
}

/** A course that a delivery can be withdrawn from. */
interface WithdrawableCourse {
  /** The true key if the delivery reported the course, else the key that was sent. */
  readonly course: string
  /** null: not reported, but an attempt of the delivery may have taken effect. */
  readonly reported: CourseResult | null
}

export interface Withdrawable {
  readonly email: string
  readonly accounts: BuyerAccounts
  readonly courses: readonly WithdrawableCourse[]
  /** The delivery is queued: a withdrawal stops it, and another one takes the courses that stay. */
  readonly isQueued: boolean
  /** The number of the delivery's last event. */
  readonly lastEvent: number
}

const COLUMNS = [
  'id',
  'state',
  'request',
  'outcome',
  'standings',
  'accounts',
  'enrolled_at',
  'effect_unknown',
  'generation',
  'last_event',
] as const
export type WithdrawableRow = Pick<DeliveryRow, (typeof COLUMNS)[number]>

const readWhole = (trx: Transaction<Tables>, id: string): Promise<DeliveryRow> =>
  trx.selectFrom('deliveries').selectAll().where('id', '=', id).executeTakeFirstOrThrow()

/** Reads what withdrawableOf needs. */
export const readWithdrawable = (trx: Pick<Transaction<Tables>, 'selectFrom'>, id: string) =>
  trx.selectFrom('deliveries').select(COLUMNS).where('id', '=', id).executeTakeFirst()

/**
 * What a delivery can be withdrawn from: what it reported, and what an attempt without a report may have done. It can't
 * have done anything in a course that it never reported, unless an attempt has an unknown effect, an earlier generation
 * of it succeeded, or it is still queued. Courses that the buyer is known to be out of are left out. null if its row
 * has no readable request.
 */
export function withdrawableOf(row: WithdrawableRow): Withdrawable | null {
  try {
    if (row.request === null) return null
    const { email, courseIds } = readRequest(row.request)
    const reported = readOutcome(row.outcome).courses
    const standings = Object.entries(readStandings(row.standings))
    const gone = standings.filter(([, { standing }]) => standing === 'unenrolled' || standing === 'missing')
    const known = [...Object.keys(reported), ...gone.map(([course]) => course)]
    const isPossible = row.state === 'queued' || row.effect_unknown !== 0 || row.enrolled_at !== null
    const others = [...new Set(isPossible && row.state !== 'withdrawn' ? courseIds : [])].filter(
      (sent) => !hasCourse(known, sent),
    )
    return {
      email,
      accounts: readAccounts(row.accounts),
      courses: [
        ...Object.entries(reported).map(([course, result]) => ({ course, reported: result })),
        ...others.map((course) => ({ course, reported: null })),
      ],
      isQueued: row.state === 'queued',
      lastEvent: row.last_event,
    }
  } catch {
    return null
  }
}
