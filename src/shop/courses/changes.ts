import { insertRows, type TransactionContext } from '../../database/transaction.ts'
import { COURSE_CHANGED, newRow } from '../../queue/outbox/outbox.ts'
import { courseIdentity } from '../../sale/course-key.ts'
import { type Catalogue, type Contents, indexed, type Known } from './catalogue.ts'
import type { Read } from './read-lms.ts'
import { obstacleOf, reasonOf, type Selling } from './sellable.ts'

interface Change {
  readonly before: Known
  readonly after: Known
}

/**
 * Whether a course lacks a mode in one of two catalogues, and nobody asked for its modes for the other, as before it was
 * first sold: then what is known has changed, and not the course.
 */
function isFirstAsked(one: Known, other: Known): boolean {
  const reasons = [one.reason, other.reason]
  return one.asked !== other.asked && reasons.includes('no_mode') && !reasons.includes('missing')
}

/** What a new catalogue is made of. */
export interface Compared {
  /** The catalogue that was stored when the reading began. */
  readonly before: Catalogue
  readonly read: Read
  /** The keys of the courses that were sold, as the shop sent them. */
  readonly sold: readonly string[]
  readonly selling: Omit<Selling, 'at'>
}

/**
 * The catalogue that follows from what was read, and what has changed in the courses that were sold. Whether a course could
 * be sold is compared as it was stored with each catalogue: so an enrollment period that begins or ends, a setting and a
 * full course count once, as a change in the LMS does. Pure.
 * @param at ms since 1970
 */
export function compare(of: Compared, at: number): { readonly after: Contents; readonly changes: readonly Change[] } {
  const { read, sold } = of
  const selling = { ...of.selling, at }
  const pastOf = (key: string) => of.before.known(key)?.was ?? null
  const unchanged: Contents = {
    courses: read.courses.map((course) => {
      return { ...course, obstacle: obstacleOf(course, selling), was: pastOf(course.key) }
    }),
    missing: read.missing.map((one) => ({ ...one, was: pastOf(one.key) })),
  }
  const { known } = indexed(unchanged)
  const changes = sold.flatMap((key) => changeBetween(of.before.known(key), known(key)))
  const pasts = new Map(
    changes.map(({ before: { name, reason }, after }) => {
      return [courseIdentity(after.key), { until: at, name, reason }]
    }),
  )
  const withPast = <One extends Contents['courses' | 'missing'][number]>(one: One): One => {
    return { ...one, was: pasts.get(courseIdentity(one.key)) ?? one.was }
  }
  return { after: { courses: unchanged.courses.map(withPast), missing: unchanged.missing.map(withPast) }, changes }
}

/** There is none if one of the catalogues knows nothing of the course: then there is nothing to compare. */
function changeBetween(known: Known | null, after: Known | null): Change[] {
  if (known === null || after === null) return []
  const before = isFirstAsked(known, after) ? { ...known, reason: after.reason } : known
  return before.name === after.name && before.reason === after.reason ? [] : [{ before, after }]
}

/** What an event says about a course: how it is now, and what of that is new. Of a reason that changed, it has the code. */
function eventOf({ before, after }: Change) {
  const { name, reason } = after
  return {
    id: reason === 'missing' ? before.key : after.key, // of a missing course, only the LMS's spelling before is known
    name,
    sellable: reason === null,
    reason: reason === null ? null : reasonOf(reason),
    changes: (['name', 'reason'] as const).flatMap((field) =>
      before[field] === after[field] ? [] : [{ field, before: before[field], after: after[field] }],
    ),
  }
}

/**
 * Stores an event for each change, in the transaction that stores the catalogue. It takes the place of one about the same
 * course that the shop doesn't have, because that one tells of what is over: so no more than one event of a course waits,
 * however often it changes while the shop's endpoint is away.
 * @param of.seq the version of the new catalogue
 */
export async function insertChanges(
  of: Pick<TransactionContext, 'trx' | 'at' | 'newId'> & { readonly seq: number },
  changes: readonly Change[],
): Promise<void> {
  const { trx, at, newId, seq } = of
  const events = changes.map(eventOf)
  const rows = events.map((data) => newRow({ id: newId(), about: data.id, type: COURSE_CHANGED, seq, at, data }))
  const keys = rows.map(({ about }) => about)
  if (keys.length > 0) await trx.deleteFrom('outbox').where('about', 'in', keys).execute()
  await insertRows({ trx, into: 'outbox', rows })
}
