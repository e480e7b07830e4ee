import type { DeliveryRow } from '../../database/schema.ts'
import { isTakenOut, isWithdrawing, type Line } from '../../sale/line.ts'
import type { WithLines } from '../lines.ts'
import { readRequest } from '../rows.ts'

export interface Withdrawable {
  readonly email: string
  /** One without a result was not reported, but an attempt of the delivery may have taken effect there. */
  readonly courses: readonly Line[]
}

export type WithdrawableRow = WithLines<
  Pick<DeliveryRow, 'id' | 'state' | 'replaced_by' | 'request' | 'may_have_effect' | 'effect_unknown'>
>

/**
 * Whether a delivery reported a course, or an attempt without a report may have done it, or may still do so because the
 * delivery is queued.
 */
export const mayHave = (
  row: Pick<DeliveryRow, 'state' | 'may_have_effect'>,
  { result }: Pick<Line, 'result'>,
): boolean => result !== null || row.state === 'queued' || (row.may_have_effect !== 0 && row.state !== 'withdrawn')

/**
 * What a delivery can be withdrawn from: what it may have, see mayHave. Courses that it did not report and that the buyer is
 * known to be out of are left out, and those that it was taken out of before: another sale may have them. One that an order has
 * left as it was before the sale can still be taken. null if its row has no readable request.
 */
export function withdrawableOf(row: WithdrawableRow): Withdrawable | null {
  try {
    if (row.request === null) return null
    const { email } = readRequest(row.request)
    const mayBeIn = (line: Line): boolean => line.result !== null || !(isTakenOut(line) || isOut(line.standing))
    const courses = row.lines.filter((line) => (mayHave(row, line) && mayBeIn(line)) || wasLeft(line))
    return { email, courses }
  } catch {
    return null
  }
}

/** Whether an order has left the buyer in a course because they had it before the sale. */
const wasLeft = (line: Line): boolean => !isWithdrawing(line) && line.withdrawal?.result?.kind === 'had_before'

/** Whether a line has what this service gave its buyer nothing of, as far as is known: see Line.gave. */
export const wasThere = (line: Line): boolean => line.gave === false || wasLeft(line)

/** Whether a check found the buyer out of a course. */
export const isOut = (found: Line['standing']): boolean =>
  found?.standing === 'unenrolled' || found?.standing === 'missing'
