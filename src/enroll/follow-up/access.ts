import type { EventDraft, TransactionContext } from '../../queue/events.ts'
import { linesOf, salesTo } from '../../queue/lines.ts'
import { isWithdrawing, type Line, lineOf, mayHaveTaken } from '../../sale/line.ts'
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

/** A delivery whose buyer was looked up. */
type Row = Pick<Locked, 'email' | 'effect_unknown' | 'lines'>

/** What this service may be changing for a buyer just now. */
interface InProgress {
  /** The lines of all sales to the buyer. */
  readonly lines: readonly Line[]
  /** The LMS may still carry out a call for the buyer that nobody waits for any more. */
  readonly mayLand: boolean
}

/**
 * Returns a function that reads what may be in progress for the buyer of a delivery, for one step of a round: that of a
 * buyer once, because a company may have bought thousands of sales, of which many change at the same time.
 */
export function createProgressReader(writing: Pick<TransactionContext, 'trx'>): (row: Row) => Promise<InProgress> {
  const known = new Map<string, Promise<InProgress>>()
  return (row) => {
    const buyer = JSON.stringify([row.email, accountIdsOf(row)])
    const progress = known.get(buyer) ?? readProgress(writing, row)
    known.set(buyer, progress)
    return progress
  }
}

const accountIdsOf = ({ lines }: Row): number[] => [...new Set(lines.flatMap(({ account }) => account?.id ?? []))]

/** Reads it from the sales to the address of a delivery, and from those of courses to its accounts. */
async function readProgress({ trx }: Pick<TransactionContext, 'trx'>, row: Row): Promise<InProgress> {
  const ids = await salesTo(trx, { addresses: [row.email], accountIds: accountIdsOf(row) })
  const found = await trx.selectFrom('deliveries').select(['id', 'email']).where('id', 'in', ids).execute()
  const people = found.flatMap(({ email }) => email ?? [])
  const late = trx.selectFrom('holds').select('name').where('name', 'in', people).where('late_at', 'is not', null)
  const lines = (await linesOf(trx, ids)).flatMap((sale) => sale.lines)
  return { lines, mayLand: people.length > 0 && (await late.execute()).length > 0 }
}

/**
 * Which of these courses may neither end nor come back by what was seen, because this service explains it: a call may still
 * be carried out, or the buyer is to be taken out of the course. It has also not ended if an order for this very delivery
 * may have taken them out. Orders of other deliveries that have ended explain nothing: they leave a course that this one
 * keeps. So no time is compared. Pure.
 */
export function blockedBy(
  { lines, mayLand }: InProgress,
  { row, ended, restored }: Changes & { row: Row },
): ReadonlySet<string> {
  const isLate = row.effect_unknown !== 0 || mayLand
  const ordered = lines.filter(isWithdrawing)
  const isOrdered = (course: string): boolean => lineOf(ordered, course) !== undefined
  const isTaken = (course: string): boolean => {
    const line = lineOf(row.lines, course)
    return line !== undefined && mayHaveTaken(line)
  }
  return new Set([
    ...ended.filter((course) => isLate || isOrdered(course) || isTaken(course)),
    ...restored.filter((course) => isLate || isOrdered(course)),
  ])
}
