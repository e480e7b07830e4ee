import type { Kysely } from 'kysely'
import type { Tables } from '../database/schema.ts'
import type { Reason, ReasonCode } from '../delivery/types.ts'
import { readOutcome } from '../inbox/rows.ts'

/** Why deliveries failed. `course`: the key as the shop sent it, or null if the reason is about no course. */
export interface CauseOfFailure {
  readonly code: ReasonCode
  readonly course: string | null
}

/**
 * Returns the cause of a delivery from its stored outcome; null if it has no reason.
 * @param of.course the delivery's first course, for rows of versions that didn't store which one failed
 */
export function causeOf({ outcome, course }: { outcome: string | null; course: string | null }): CauseOfFailure | null {
  const reason = reasonOf(outcome)
  if (reason === null) return null
  const { code, subject } = reason
  return { code, course: { subject, named: reason.course ?? course, none: null }[COURSE_OF[code]] }
}

/** One statement reads the outcomes of at most this many deliveries. */
const CHUNK = 500

/** Returns those of the candidates that failed for this cause, in their order. Without a course, for the reason alone. */
export async function withCause<Candidate extends { readonly id: string }>(
  db: Kysely<Tables>,
  candidates: readonly Candidate[],
  { code, course }: { code: ReasonCode; course: string | undefined },
): Promise<Candidate[]> {
  const wanted = course?.toLowerCase()
  const found: Candidate[] = []
  for (let i = 0; i < candidates.length; i += CHUNK) {
    const some = candidates.slice(i, i + CHUNK)
    const ids = some.map(({ id }) => id)
    const rows = await db.selectFrom('deliveries').select(['id', 'outcome', 'course']).where('id', 'in', ids).execute()
    const same = rows.filter((row) => {
      const cause = causeOf(row)
      return cause?.code === code && (wanted === undefined || cause.course?.toLowerCase() === wanted)
    })
    const matching = new Set(same.map(({ id }) => id))
    found.push(...some.filter(({ id }) => matching.has(id)))
  }
  return found
}

/** Where a reason has its course: in its subject or its `course`; or it is about none. */
const COURSE_OF = {
  'payload.invalid': 'none',
  'course_key.malformed': 'subject',
  'course.missing': 'subject',
  'course.mode_missing': 'subject',
  'person.retired': 'none',
  'person.unenrolled': 'subject',
  'person.other_account': 'none',
  'enrollment.missing': 'subject',
  'lms.refused': 'named',
  'lms.blocked': 'named',
  'retries.exhausted': 'named',
  'row.unreadable': 'none',
} as const satisfies Record<ReasonCode, 'subject' | 'named' | 'none'>

function reasonOf(outcome: string | null): Reason | null {
  try {
    return outcome === null ? null : readOutcome(outcome).reason
  } catch {
    return { code: 'row.unreadable', subject: '' }
  }
}
