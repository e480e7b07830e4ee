import type { Transaction } from 'kysely'
import type { DeliveryRow, Tables } from '../../database/schema.ts'
import type { CourseResult, Line, LmsAccount } from '../../sale/line.ts'
import { type WithLines, withLines } from '../lines.ts'
import { readRequest } from '../rows.ts'

/** A course that a delivery can be withdrawn from. */
interface WithdrawableCourse {
  /** The key as the LMS spells it; as the shop sent it until that is known. */
  readonly course: string
  /** null: not reported, but an attempt of the delivery may have taken effect. */
  readonly reported: CourseResult | null
  /** The account that the course was given to; null if none is known. */
  readonly account: LmsAccount | null
}

export interface Withdrawable {
  readonly email: string
  readonly courses: readonly WithdrawableCourse[]
  /** The delivery is queued: it goes on with the courses that a withdrawal doesn't name. */
  readonly isQueued: boolean
  /** The number of the delivery's last event. */
  readonly lastEvent: number
}

export const WITHDRAWABLE = ['id', 'state', 'request', 'enrolled_at', 'effect_unknown', 'last_event'] as const
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
    const { email } = readRequest(row.request)
    const isPossible = row.state === 'queued' || row.effect_unknown !== 0 || row.enrolled_at !== null
    const mayHave = ({ result, standing }: Line): boolean =>
      result !== null || (isPossible && row.state !== 'withdrawn' && !isOut(standing))
    return {
      email,
      courses: row.lines.filter(mayHave).map(({ course, result, account }) => ({ course, reported: result, account })),
      isQueued: row.state === 'queued',
      lastEvent: row.last_event,
    }
  } catch {
    return null
  }
}

/** Whether a check found the buyer out of a course. */
export const isOut = (found: Line['standing']): boolean =>
  found?.standing === 'unenrolled' || found?.standing === 'missing'
