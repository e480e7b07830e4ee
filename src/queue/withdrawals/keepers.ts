import type { Db, DeliveryRow } from '../../database/schema.ts'
import { isWanted, type KeptCourse, keeps, type Line, lineOf } from '../../sale/line.ts'
import { isStopped } from '../../sale/types.ts'
import { lockDeliveries } from '../change-deliveries.ts'
import type { TransactionContext } from '../events.ts'
import { linesOf, salesTo, storeLines, type WithLines, withLines } from '../lines.ts'
import { answering, type Ordered } from './withdrawal.ts'

/**
 * The states of a delivery that keeps its courses: the shop sold them and has not refunded them. One that is handled does too,
 * unless it was paid back, or a correction has taken its place.
 */
const LIVE = ['queued', 'enrolled', 'pre_enrolled', 'needs_attention', 'handled'] as const

const STATE_COLUMNS = ['state', 'handled_as', 'replaced_by'] as const
/** What decides whether a delivery keeps its courses: see LIVE. */
type SaleState = Pick<DeliveryRow, (typeof STATE_COLUMNS)[number]>
const SALE_COLUMNS = ['id', 'email', ...STATE_COLUMNS] as const
/** A delivery that may keep a course. */
type Sale = WithLines<Pick<DeliveryRow, (typeof SALE_COLUMNS)[number]>>

/** Whose course it is that another delivery may keep. See keepersOf. */
interface Buyer {
  readonly delivery: WithLines<Pick<DeliveryRow, 'id' | 'email'>>
  readonly addresses: readonly (string | null)[]
  readonly course: string
  readonly accountId?: number | undefined
  readonly isTaken: boolean
  /** Whether the buyer was found in the course just now: what is stored of a lost access is void then. */
  readonly isIn?: boolean
}

/**
 * The deliveries that keep a course for the same buyer, sorted by id: those of the same address, of the one
 * that the buyer's account has by now, or of any other one under which that account got the course, but not those that
 * gave the course to another account. If another account has the sold address by now (`isTaken`), a sale to it that has
 * given the course to nobody yet is that one's. A refund and an operator order a withdrawal for each delivery that they
 * concern. So another one that wants the course, without such an order or sent again since, is a sale that was not taken
 * back: it came later, or the refund names a single sale. One whose access has ended keeps nothing, unless the buyer is in the
 * course now, and one whose paid mode an order left keeps it.
 * @param of.addresses the sold address, and those that the buyer's accounts have by now
 * @param of.accountId the buyer's account as it was found just now; absent: the one that the course was given to
 */
export async function keepersOf(db: Db, of: Buyer): Promise<string[]> {
  return keepersAmong(await salesOf(db, of), of)
}

/** What this service gave a buyer in a course, by all their sales that are stored: see Line.gave and Line.modeBefore. */
export async function givenTo(db: Db, of: Buyer): Promise<Pick<Line, 'modeBefore'> & { readonly gave: boolean }> {
  const sales = [of.delivery, ...othersOf(await salesOf(db, of), of)]
  const lines = sales.flatMap(({ lines }) => lineOf(lines, of.course) ?? [])
  const { modeBefore = null } = lines.find((line) => line.modeBefore !== null) ?? {}
  return { gave: lines.some(({ gave }) => gave), modeBefore }
}

async function salesOf(db: Db, of: Buyer): Promise<Sale[]> {
  const accountId = accountOf(of)
  const ids = await salesTo(db, { addresses: of.addresses, accountIds: accountId === undefined ? [] : [accountId] })
  return [...(await readSales(db, ids)).values()]
}

const accountOf = ({ delivery, course, accountId = lineOf(delivery.lines, course)?.account?.id }: Buyer) => accountId

/** Those of the deliveries `sales` that keepersOf finds. Pure. */
const keepersAmong = (sales: readonly Sale[], of: Buyer): string[] =>
  othersOf(sales, of)
    .filter((other) => wants(other, of.course, of.isIn))
    .map(({ id }) => id)
    .sort()

/** Those of the deliveries `sales` that are other sales of the course to the same buyer. Pure. */
function othersOf(sales: readonly Sale[], of: Buyer): Sale[] {
  const { delivery, addresses, course, isTaken } = of
  const accountId = accountOf(of)
  const isTheirs = ({ email, lines }: Sale): boolean =>
    (email !== null && addresses.includes(email)) ||
    (accountId !== undefined && lines.some(({ account }) => account?.id === accountId))
  const isAnothers = (other: Sale): boolean => {
    const line = lineOf(other.lines, course)
    const account = line?.account?.id
    if (account === undefined) return isTaken && other.email === delivery.email && line?.result !== 'enrolled'
    return accountId !== undefined && accountId !== account
  }
  return sales.filter((other) => other.id !== delivery.id && isTheirs(other) && !isAnothers(other))
}

/**
 * The courses of a refund that the buyer has now: what they had before the sale, and what other or newer sales keep, with the
 * newest of these, be it left to a sale by the refund, or in one that came since, or never enrolled by the refunded one. The
 * number of its statements doesn't depend on that of the courses.
 */
export async function readKept(db: Db, ordered: readonly Ordered[]): Promise<readonly KeptCourse[]> {
  const refunded = await readSales(
    db,
    ordered.map(({ delivery }) => delivery),
  )
  const answerTo = (one: Ordered) => answering(one, refunded.get(one.delivery)?.lines ?? [])
  const leftTo = (one: Ordered): string | undefined => {
    const withdrawal = answerTo(one)
    // If the sale came again after the order, it keeps the course itself.
    return withdrawal === null ? one.delivery : withdrawal.result?.keptBy
  }
  const buyers = [...refunded.values()]
  const ids = await salesTo(db, {
    addresses: [...new Set(buyers.map(({ email }) => email))],
    accountIds: [...new Set(buyers.flatMap(({ lines }) => lines.flatMap(({ account }) => account?.id ?? [])))],
  })
  const sales = await readSales(db, [...ids, ...ordered.flatMap((one) => leftTo(one) ?? [])])
  const kept = ordered.flatMap((one): KeptCourse[] => {
    const { course } = one
    if (answerTo(one)?.result?.kind === 'had_before') return [{ course, reason: 'had_before' }]
    const keeper = sales.get(leftTo(one) ?? '')
    if (keeper !== undefined && keeps(keeper.lines, course)) return [{ course, reason: 'sale', delivery: keeper.id }]
    const sale = refunded.get(one.delivery)
    if (sale === undefined) return []
    const of = { delivery: sale, addresses: [sale.email], course, isTaken: false }
    const delivery = keepersAmong([...sales.values()], of).at(-1)
    return delivery === undefined ? [] : [{ course, reason: 'sale', delivery }]
  })
  // A refund of several sales may have left a course once for each.
  return [...new Map(kept.map((one) => [JSON.stringify(one), one])).values()]
}

/**
 * Makes orders due again that left a course to one of these sales, if it has ended without the course, if it was paid back, if
 * a correction has taken its place, or if it was withdrawn and had given the course to another account or to none: its own order looks at the
 * same account. They look again for what keeps it, and until their ends, their deliveries are no longer withdrawn.
 */
export async function orderAgain(
  { trx, at }: Pick<TransactionContext, 'trx' | 'at'>,
  sales: readonly WithLines<Pick<DeliveryRow, 'id'> & SaleState>[],
): Promise<void> {
  if (sales.length === 0) return
  const keepers = new Map(sales.map((sale) => [sale.id, sale]))
  const found = await trx
    .selectFrom('delivery_lines')
    .select('delivery_id')
    .where('withdrawal_kept_by', 'in', [...keepers.keys()])
    .execute()
  const ids = [...new Set(found.map((line) => line.delivery_id))]
  if (ids.length === 0) return
  await lockDeliveries({ trx }, ids)
  const isLeft = ({ course, account, withdrawal }: Line): boolean => {
    const keeper = keepers.get(withdrawal?.result?.keptBy ?? '')
    if (keeper === undefined || wants(keeper, course)) return false
    const kept = lineOf(keeper.lines, course)
    const isSame = account === null || account.id === kept?.account?.id
    return !isSame || (kept?.withdrawal ?? null) === null
  }
  const reopened = (await linesOf(trx, ids)).filter(({ lines }) => lines.some(isLeft))
  const rows = reopened.map(({ id, lines: before }) => {
    const lines = before.map((line): Line => {
      const { withdrawal } = line
      if (withdrawal === null || !isLeft(line)) return line
      return { ...line, withdrawal: { ...withdrawal, dueAt: at, endedAt: null, result: null } }
    })
    return { id, before, lines }
  })
  await storeLines(trx, rows)
  for (const { id } of rows) {
    const withdrawn = trx.updateTable('deliveries').where('id', '=', id).where('state', '=', 'withdrawn')
    await withdrawn.set({ state: 'handled' }).execute()
  }
}

/** Whether a delivery keeps its courses: see LIVE. */
export const isLive = ({ state, handled_as, replaced_by }: SaleState): boolean =>
  LIVE.some((live) => live === state) && !(isStopped(state) && (replaced_by !== null || handled_as === 'paid_back'))

/** Deliveries with what decides whether they keep a course, by their ids. */
async function readSales(db: Db, of: readonly string[]): Promise<Map<string, Sale>> {
  const ids = [...new Set(of)]
  if (ids.length === 0) return new Map()
  const rows = await db.selectFrom('deliveries').select(SALE_COLUMNS).where('id', 'in', ids).execute()
  return new Map((await withLines(db, rows)).map((row) => [row.id, row]))
}

/**
 * Whether a delivery keeps a course: not one that a withdrawal names, nor one that the buyer has lost in the LMS since it was
 * enrolled.
 * @param isIn whether the buyer is in it by a look just now, which counts more than what was stored
 */
function wants(sale: WithLines<SaleState>, course: string, isIn = false): boolean {
  const line = lineOf(sale.lines, course)
  if (line === undefined || !isLive(sale) || !isWanted(line)) return false
  const isLost = line.standing?.endedAt !== undefined || line.standing?.standing === 'unenrolled'
  return isIn || !isLost
}
