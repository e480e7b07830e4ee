import type { Kysely } from 'kysely'
import type { Tables } from '../../database/schema.ts'
import { courseOfOutcome } from '../../queue/rows.ts'
import type { DeliveryState, ReasonCode } from '../../sale/types.ts'

/** Their buyers have paid, and are not enrolled as sold. */
const UNSOLVED = ['needs_attention', 'rejected'] as const satisfies readonly DeliveryState[]

/** Deliveries that need attention, or were rejected and not handled since, for the same reason. Times are ms since 1970. */
export interface Cause {
  readonly state: (typeof UNSOLVED)[number]
  readonly code: ReasonCode
  /** The course key as the shop sent it, if the reason is about a course; null if it is about the person or the payload. */
  readonly course: string | null
  readonly count: number
  /** When the first and the last of them got this result. */
  readonly firstAt: number
  readonly lastAt: number
  /** The one that was received last. */
  readonly latest: string
}

/** Groups the deliveries that need attention or were rejected by state, reason and course, the most frequent first. */
export async function readCauses(db: Kysely<Tables>): Promise<Cause[]> {
  const rows = await db
    .selectFrom('deliveries')
    .select(({ fn }) => [
      'state',
      'reason',
      'subject',
      fn.countAll<number>().as('count'),
      fn.min('settled_at').as('first_at'),
      fn.max('settled_at').as('last_at'),
      fn.max('id').as('latest'),
    ])
    .where('state', 'in', UNSOLVED)
    .groupBy(['state', 'reason', 'subject'])
    .execute()
  const spelled = await spell(db, rows)
  const causes = rows.flatMap(({ state: stored, reason, subject, count, first_at, last_at, latest }): Cause[] => {
    const state = UNSOLVED.find((one) => one === stored)
    if (reason === null || state === undefined) return []
    const course = spelled.get(latest) ?? subject
    return [{ state, code: reason, course, count: Number(count), firstAt: first_at ?? 0, lastAt: last_at ?? 0, latest }]
  })
  return causes.sort((a, b) => b.count - a.count || b.lastAt - a.lastAt)
}

/** The course keys as the shop sent them, by the ids of the deliveries: the column has them in lower case. */
async function spell(
  db: Kysely<Tables>,
  causes: readonly { subject: string | null; latest: string }[],
): Promise<ReadonlyMap<string, string>> {
  const ids = causes.filter(({ subject }) => subject !== null).map(({ latest }) => latest)
  if (ids.length === 0) return new Map()
  const rows = await db.selectFrom('deliveries').select(['id', 'outcome']).where('id', 'in', ids).execute()
  return new Map(
    rows.flatMap(({ id, outcome }): [string, string][] => {
      const course = courseOfOutcome(outcome)
      return course === null ? [] : [[id, course]]
    }),
  )
}
