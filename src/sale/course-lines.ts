import { isTakenOut, type Line, type LineWithdrawal, type Standing } from './line.ts'

/** One course of a delivery, and what the buyer has there. */
export interface CourseLine {
  readonly course: string
  /** `lost`: reported, and the LMS does not have it. `out`: not reported, or the buyer was taken out. */
  readonly is: 'in' | 'waits' | 'lost' | 'out'
  /** What the last check found; null: not checked. */
  readonly standing: Standing | null
  readonly since: number
  /** When a check found that the buyer has lost it; null if they have not. */
  readonly endedAt: number | null
  /** The withdrawal that took the buyer out, if one did. */
  readonly taken: LineWithdrawal | null
}

const WAITING: readonly (Standing | null)[] = [null, 'no_account', 'not_activated']

/** What the buyer has in each course of a delivery. */
export function courseLines({ lines }: { readonly lines: readonly Line[] }): CourseLine[] {
  return lines.map((one) => {
    const { course, result, standing: found } = one
    const { standing = null, since = 0, endedAt = null } = found ?? {}
    const line = { course, standing, since, endedAt, taken: null }
    if (result === null) return { ...line, is: 'out', taken: isTakenOut(one) ? one.withdrawal : null }
    if (endedAt !== null) return { ...line, is: 'lost' }
    if (standing === 'enrolled' || (result === 'enrolled' && standing === null)) return { ...line, is: 'in' }
    return { ...line, is: result === 'allowed' && WAITING.includes(standing) ? 'waits' : 'lost' }
  })
}
