import type { DeliveryRow } from '../../database/schema.ts'
import type { EventDraft, TransactionContext } from '../../queue/events.ts'
import { salesTo, type WithLines, withLines } from '../../queue/lines.ts'
import { isLive } from '../../queue/withdrawals/keepers.ts'
import { isWanted, type Line, lineOf } from '../../sale/line.ts'
import { isDone } from '../../sale/types.ts'
import { describeStandings } from '../../sale/words.ts'
import type { Locked, Reported } from './reported.ts'

/** Whether the access to a course can end or come back: it was reported as enrolled, and nothing is to be done for it. */
export const isWatched = ({ state, lines }: Pick<Reported, 'state' | 'lines'>, course: string): boolean =>
  isDone(state) && lineOf(lines, course)?.result === 'enrolled'

/** The courses whose access has ended or come back. */
export interface Changes {
  readonly ended: readonly string[]
  readonly restored: readonly string[]
}

/** Compares the lines of a delivery from before and after a look at it. */
export function changesOf(before: readonly Line[], after: readonly Line[]): Changes {
  const hasEnded = (lines: readonly Line[], course: string): boolean =>
    lineOf(lines, course)?.standing?.endedAt !== undefined
  const courses = after.map(({ course }) => course)
  return {
    ended: courses.filter((course) => hasEnded(after, course) && !hasEnded(before, course)),
    restored: courses.filter((course) => hasEnded(before, course) && !hasEnded(after, course)),
  }
}

/** The events of these changes: one of each kind at most. */
export function accessEvents(deliveryId: string, { ended, restored }: Changes, after: readonly Line[]): EventDraft[] {
  const detail = (courses: readonly string[]): string =>
    describeStandings(after.filter(({ course }) => courses.includes(course)))
  return [
    ...(ended.length === 0 ? [] : [{ deliveryId, kind: 'access_ended', detail: detail(ended) } as const]),
    ...(restored.length === 0 ? [] : [{ deliveryId, kind: 'access_restored', detail: detail(restored) } as const]),
  ]
}

/** What else may have changed the enrollment of a delivery's buyer. */
type Row = Pick<Locked, 'id' | 'email' | 'effect_unknown' | 'settled_at' | 'lines'>

type Sale = WithLines<Pick<DeliveryRow, 'id' | 'state' | 'replaced_by' | 'settled_at'>>

/** All sales to a buyer. `mayLand`: the LMS may still carry out a call for the buyer that nobody waits for any more. */
interface Sales {
  readonly sales: readonly Sale[]
  readonly mayLand: boolean
}

/**
 * Returns a function that reads the sales to the buyer of a delivery, for one step of a round: those of a buyer once, because
 * a company may have bought thousands, of which many change at the same time.
 */
export function createSalesReader(
  writing: Pick<TransactionContext, 'trx'>,
): (row: Pick<Row, 'email' | 'lines'>) => Promise<Sales> {
  const known = new Map<string, Promise<Sales>>()
  return (row) => {
    const buyer = JSON.stringify([row.email, accountIdsOf(row)])
    const sales = known.get(buyer) ?? readSales(writing, row)
    known.set(buyer, sales)
    return sales
  }
}

const accountIdsOf = ({ lines }: Pick<Row, 'lines'>): number[] => [
  ...new Set(lines.flatMap(({ account }) => account?.id ?? [])),
]

/** Reads the sales to the buyer of a delivery: to its address, and of courses to its accounts. */
async function readSales({ trx }: Pick<TransactionContext, 'trx'>, row: Pick<Row, 'email' | 'lines'>): Promise<Sales> {
  const ids = await salesTo(trx, { addresses: [row.email], accountIds: accountIdsOf(row) })
  const found = await trx
    .selectFrom('deliveries')
    .select(['id', 'state', 'replaced_by', 'settled_at', 'email'])
    .where('id', 'in', ids)
    .execute()
  const people = found.flatMap((one) => one.email ?? [])
  const late = trx.selectFrom('holds').select('name').where('name', 'in', people).where('late_at', 'is not', null)
  return { sales: await withLines(trx, found), mayLand: people.length > 0 && (await late.execute()).length > 0 }
}

/**
 * Which of these courses may neither end nor come back by what was seen, because this service explains it: a call may still
 * be carried out, somebody has withdrawn the buyer from the course since it was enrolled, by this delivery or another one, or
 * a newer sale of it enrolled the buyer. Pure.
 */
export function blockedBy({ sales, mayLand }: Sales, of: Changes & { row: Row }): ReadonlySet<string> {
  const { row, ended, restored } = of
  const enrolledAt = row.settled_at ?? 0
  const late = row.effect_unknown !== 0 || mayLand
  const isWithdrawn = (course: string): boolean =>
    sales.some(({ lines }) => {
      const line = lineOf(lines, course)
      return line !== undefined && explains(line, enrolledAt)
    })
  // The sale itself has lost the course, so it is none of these.
  const isSoldAgain = (course: string): boolean =>
    sales.some((sale) => isNewer(sale, row, course) && enrolls(sale, course))
  return new Set([
    ...ended.filter((course) => late || isWithdrawn(course)),
    ...restored.filter((course) => late || isSoldAgain(course)),
  ])
}

/**
 * Whether a withdrawal of a line explains why the buyer is out of the course: not if it ended before they were enrolled, found
 * them out, or left them in. One that failed may have taken them out.
 */
function explains({ withdrawal }: Line, enrolledAt: number): boolean {
  if (withdrawal === null || withdrawal.endedAt === null) return withdrawal !== null
  const kind = withdrawal.result?.kind
  return withdrawal.endedAt >= enrolledAt && kind !== 'kept' && kind !== 'nothing'
}

/** Whether a sale came later, or was attempted since the access ended. */
const isNewer = (
  { id, settled_at: settledAt }: Pick<DeliveryRow, 'id' | 'settled_at'>,
  than: Row,
  course: string,
): boolean => id > than.id || settledAt === null || settledAt >= (lineOf(than.lines, course)?.standing?.endedAt ?? 0)

/** Whether a sale has enrolled its buyer in a course, and not lost it since, or may be doing so now. */
function enrolls(sale: Sale, course: string): boolean {
  const { state, lines } = sale
  const line = lineOf(lines, course)
  if (line === undefined || line.standing?.endedAt !== undefined || !isLive(sale)) return false
  return state === 'queued' ? isWanted(line) : line.result !== null
}
