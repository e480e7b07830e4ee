import type { Transaction } from 'kysely'
import type { DeliveryRow, Tables } from '../../database/schema.ts'
import { hasCourse } from '../../sale/course-key.ts'
import type { BuyerAccounts, CourseResult } from '../../sale/types.ts'
import { factsOf, type WithLines, withLines } from '../lines.ts'
import { readRequest } from '../rows.ts'

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
  /** The delivery is queued: it goes on with the courses that a withdrawal doesn't name. */
  readonly isQueued: boolean
  /** The number of the delivery's last event. */
  readonly lastEvent: number
}

export const WITHDRAWABLE = [
  'id',
  'state',
  'request',
  'enrolled_at',
  'effect_unknown',
  'generation',
  'last_event',
] as const
export type WithdrawableRow = WithLines<Pick<DeliveryRow, (typeof WITHDRAWABLE)[number]>>

/** Reads what withdrawableOf needs. */
export async function readWithdrawable(
  trx: Pick<Transaction<Tables>, 'selectFrom'>,
  id: string,
): Promise<WithdrawableRow | undefined> {
  const rows = await trx.selectFrom('deliveries').select(WITHDRAWABLE).where('id', '=', id).execute()
  return (await withLines(trx, rows))[0]
}

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
    const { courses: reported, standings, accounts } = factsOf(row.lines)
    const gone = Object.entries(standings).filter(
      ([, { standing }]) => standing === 'unenrolled' || standing === 'missing',
    )
    const known = [...Object.keys(reported), ...gone.map(([course]) => course)]
    const isPossible = row.state === 'queued' || row.effect_unknown !== 0 || row.enrolled_at !== null
    const others = [...new Set(isPossible && row.state !== 'withdrawn' ? courseIds : [])].filter(
      (sent) => !hasCourse(known, sent),
    )
    return {
      email,
      accounts,
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
