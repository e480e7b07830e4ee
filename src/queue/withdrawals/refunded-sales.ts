import type { DeliveryRow } from '../../database/schema.ts'
import { hasCourse, isSameCourse } from '../../sale/course-key.ts'
import { hasFailed, isTakenOut, isWanted, isWithdrawing, type Line, lineOf } from '../../sale/line.ts'
import { lockDelivery } from '../change-deliveries.ts'
import type { TransactionContext } from '../events.ts'
import { readDeliveries, type WithLines } from '../lines.ts'
import { mayHave, type WithdrawableRow, withdrawableOf } from './withdrawable.ts'
import type { Ordered } from './withdrawal.ts'

/** A delivery that a refund concerns. `keysOf`: its course keys, by the key in the refund. */
interface Concerned {
  readonly row: WithLines<DeliveryRow>
  readonly keysOf: ReadonlyMap<string, readonly string[]>
}

/**
 * Follows the corrections of the buyer's deliveries to their ends, also to other addresses: the shop refunds what it sold,
 * and doesn't know what an operator corrected. Locks what it finds. The result has the deliveries of the buyer too, and
 * is sorted by id.
 * @param rows all deliveries of the buyer, locked
 * @param named the course keys of the refund
 */
export async function followCorrections(
  { trx }: Pick<TransactionContext, 'trx'>,
  { rows, named }: { rows: readonly WithLines<DeliveryRow>[]; named: readonly string[] },
): Promise<Concerned[]> {
  const all = new Map(rows.map((row) => [row.id, row]))
  const keys = new Map(rows.map(({ id }) => [id, new Map(named.map((course) => [course, [course]]))]))
  const open = [...rows]
  for (let row = open.shift(); row !== undefined; row = open.shift()) {
    if (row.replaced_by === null) continue
    const known = all.get(row.replaced_by)
    if (known === undefined) await lockDelivery({ trx }, row.replaced_by)
    const next = known ?? (await readDeliveries(trx, [row.replaced_by]))[0]
    if (next === undefined) continue
    all.set(next.id, next)
    const into = keys.get(next.id) ?? new Map<string, string[]>()
    keys.set(next.id, into)
    // Corrections that were taken back make a circle, so only what is new is followed.
    if (addReplacements({ row, next, from: keys.get(row.id) ?? new Map(), into })) open.push(next)
  }
  return [...all.values()]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((row) => ({ row, keysOf: keys.get(row.id) ?? new Map() }))
}

/** Adds what replaces each key of `row` in `next`. Tells whether that was anything new. */
function addReplacements(of: {
  row: WithLines<DeliveryRow>
  next: WithLines<DeliveryRow>
  from: ReadonlyMap<string, readonly string[]>
  into: Map<string, string[]>
}): boolean {
  const { row, next, from, into } = of
  const after = next.lines.map(({ sent }) => sent)
  // A correction is one of what was left of the sale, or of all of it if nothing was: see planCorrection. So in the first case,
  // what was withdrawn before, and isn't sold again by it, has nothing in its place.
  const isThere = (line: Line): boolean => isWanted(line) || (line.withdrawal?.id ?? '') > next.id
  const isLeft = row.lines.some(isThere) ? isThere : () => true
  const before = row.lines.filter((line) => isLeft(line) || hasCourse(after, line.sent)).map(({ sent }) => sent)
  let isNew = false
  for (const [named, keys] of from) {
    const known = into.get(named) ?? []
    const found = keys.flatMap((key) => replacementsOf(key, { before, after })).filter((key) => !hasCourse(known, key))
    if (found.length === 0) continue
    into.set(named, [...known, ...found])
    isNew = true
  }
  return isNew
}

/**
 * The keys that replace a key of a corrected delivery. One that stayed replaces itself. The others are taken by their
 * order, or all of them replace the only one that is gone. Otherwise nobody can tell, and none does. Pure.
 */
export function replacementsOf(
  key: string,
  { before, after }: { before: readonly string[]; after: readonly string[] },
): readonly string[] {
  if (!hasCourse(before, key)) return []
  const stayed = after.filter((one) => isSameCourse(one, key))
  if (stayed.length > 0) return stayed
  const gone = before.filter((one) => !hasCourse(after, one))
  const added = after.filter((one) => !hasCourse(before, one))
  if (gone.length === added.length) return added.filter((_, i) => isSameCourse(gone[i] ?? '', key))
  return gone.length === 1 ? added : []
}

/** What a refund means for one delivery of the buyer. */
export interface Refundable {
  /** The courses of the refund that this delivery sold. */
  readonly sold: readonly string[]
  /** The courses to withdraw the buyer from, as the delivery spells them. */
  readonly courses: readonly string[]
  /** The withdrawals that do a part of the refund already, or have done it. */
  readonly doing: readonly Ordered[]
  /** Whether the delivery is still to be done: it goes on without these courses, if there are any. */
  readonly goesOn: boolean
}

/**
 * Compares a refund with a delivery. It concerns what the delivery reported or may have done, and what a queued delivery
 * or one that needs attention may still do; where a check found the buyer out of it, the order looks again. One that is handled
 * keeps its courses until then, also if it never had an effect, so its lines are concerned too. null for a delivery that can't
 * be read. Pure.
 */
export function refundableOf({ row, named }: { row: WithdrawableRow; named: readonly string[] }): Refundable | null {
  if (withdrawableOf(row) === null) return null
  const { id, state, replaced_by, lines } = row
  const isOpen = state === 'queued' || state === 'needs_attention'
  const isHandled = state === 'handled' && replaced_by === null
  const isKnown = isHandled || (state !== 'rejected' && state !== 'handled')
  const isSold = (line: Line): boolean => isKnown || line.withdrawal !== null || mayHave(row, line)
  const sold = lines.filter((line) => isSold(line) && hasCourse(named, line.course))
  const courses = sold
    .filter((line) => (isOpen || isHandled || mayHave(row, line)) && !does(line))
    .map(({ course }) => course)
  const doing = sold.filter(does).flatMap(({ course, withdrawal }): Ordered[] => {
    // One that has failed did so in another course.
    return withdrawal === null || hasFailed(withdrawal) ? [] : [{ delivery: id, order: withdrawal.id, course }]
  })
  return {
    sold: named.filter((key) => lineOf(sold, key) !== undefined),
    courses,
    doing,
    goesOn: isOpen,
  }
}

/**
 * Whether a refund takes the buyer out of a course, or any withdrawal has done so. If one that an operator ordered failed later,
 * nobody would tell the shop.
 */
const does = (line: Line): boolean => (isWithdrawing(line) ? line.withdrawal?.isRefund === true : isTakenOut(line))
