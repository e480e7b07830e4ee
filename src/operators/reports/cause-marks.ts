import type { Db } from '../../database/schema.ts'
import { auditedChange, type WriteContext } from '../../queue/events.ts'
import { isCourseKey, plainKey } from '../../sale/course-key.ts'
import { type Cause, readCauses } from './overview.ts'

/** What an operator says about a cause: that they work on it, or that it is gone. */
export const CAUSE_MARKS = ['cause_acknowledged', 'cause_resolved'] as const
type CauseMarkKind = (typeof CAUSE_MARKS)[number]

/** The latest of them about a cause. Times are ms since 1970. */
interface CauseMark {
  readonly kind: CauseMarkKind
  readonly by: string
  readonly at: number
  /** When the cause was first seen, as far back as an operator has marked it. */
  readonly firstAt: number
}

/** A cause as something to work on. */
export interface MarkedCause extends Cause {
  /** null: nobody has said anything about it. */
  readonly mark: CauseMark | null
  /** Whether it was gone, or said to be, and has returned since. */
  readonly cameBack: boolean
}

/** This many of the latest marks are read. */
const READ_MAX = 500

/**
 * Whether an operator can mark a cause. The mark names it, and stays when a buyer is erased: a text that the shop sent in
 * the place of a course key may hold an address.
 */
export const isMarkable = ({ course }: Pick<Cause, 'course'>): boolean => course === null || isCourseKey(course)

/** The text by which a mark names its cause. */
const nameOf = ({ code, course }: Pick<Cause, 'code' | 'course'>): string =>
  course === null ? code : `${code} ${plainKey(course)}`
/** Course keys that differ in their letter case are one course. */
const keyOf = (name: string): string => name.toLowerCase()

/** Returns the causes with the latest mark of each, in their order. */
export async function markedCauses(db: Db): Promise<MarkedCause[]> {
  const [causes, marks] = await Promise.all([readCauses(db), readMarks(db)])
  return causes.map((cause) => {
    const mark = marks.get(keyOf(nameOf(cause))) ?? null
    const firstAt = Math.min(cause.firstAt, mark?.firstAt ?? cause.firstAt)
    return { ...cause, firstAt, mark, cameBack: mark !== null && hasReturned(cause, mark) }
  })
}

/**
 * A resolved cause is back with the next failure. One that somebody works on is back if all of its sales are newer than
 * that: those from before were solved.
 */
const hasReturned = (cause: Pick<Cause, 'firstAt' | 'lastAt'>, { kind, at }: CauseMark): boolean =>
  (kind === 'cause_resolved' ? cause.lastAt : cause.firstAt) > at

/** The events of no delivery are few, and their index leads to them. */
async function readMarks(db: Db): Promise<ReadonlyMap<string, CauseMark>> {
  const rows = await db
    .selectFrom('events')
    .select(['kind', 'detail', 'actor', 'at'])
    .where('delivery_id', '=', '')
    .where('kind', 'in', CAUSE_MARKS)
    .orderBy('id', 'desc')
    .limit(READ_MAX)
    .execute()
  return new Map(
    rows.toReversed().flatMap(({ kind, detail, actor, at }): [string, CauseMark][] => {
      const [, name, since] = /^(.*), first seen (\S+)$/.exec(detail) ?? []
      const known = CAUSE_MARKS.find((one) => one === kind)
      if (name === undefined || since === undefined || known === undefined) return []
      return [[keyOf(name), { kind: known, by: actor ?? '', at, firstAt: Date.parse(since) }]]
    }),
  )
}

/**
 * Records what an operator says about a cause, as an entry of the audit. `unknown`: no sale fails for it any more;
 * `already`: that is its latest mark.
 */
export async function markCause(
  context: WriteContext,
  { kind, by, ...of }: Pick<Cause, 'code' | 'course'> & { kind: CauseMarkKind; by: string },
): Promise<'marked' | 'already' | 'unknown'> {
  const cause = (await markedCauses(context.database.db)).find((one) => keyOf(nameOf(one)) === keyOf(nameOf(of)))
  if (cause === undefined || !isMarkable(cause)) return 'unknown'
  if (cause.mark?.kind === kind && !cause.cameBack) return 'already'
  const detail = `${nameOf(cause)}, first seen ${new Date(cause.firstAt).toISOString()}`
  return auditedChange(context, async () => ({
    result: 'marked',
    listed: [{ deliveryId: '', kind, detail, actor: by }],
  }))
}
