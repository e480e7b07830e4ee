import type { Db } from '../../database/schema.ts'
import { insertRows, inTransaction } from '../../database/transaction.ts'
import type { TransactionContext, WriteContext } from '../../queue/events.ts'
import { COURSE_CHANGED, newRow } from '../../queue/outbox/outbox.ts'
import { courseIdentity } from '../../sale/course-key.ts'
import { CATALOGUE, type Catalogue, type Contents, FIRST_ROW, type Known, type Past } from './catalogue.ts'
import type { Read } from './read-lms.ts'
import { obstacleOf, reasonOf, type Selling } from './sellable.ts'

/** What a new catalogue is made of. */
interface Compared {
  /** The catalogue that was stored when the reading began. */
  readonly before: Catalogue
  readonly read: Read
  /** The keys of the courses that were sold, as the shop sent them. */
  readonly sold: readonly string[]
  readonly selling: Omit<Selling, 'at'>
}

/**
 * Stores a new catalogue in the place of the one that was read `before`, in one transaction with the events for the shop
 * about what has changed in courses that were sold. If another replica has stored one since, nothing happens: that one is
 * as new. So of all replicas, and whenever one dies, a change is told by the one transaction that stores it.
 */
export async function storeContents(
  { database, now, newId, random, hasOutbox }: WriteContext,
  compared: Compared,
): Promise<void> {
  const { before } = compared
  const at = now()
  const { after, changes } = compare(compared, at)
  const text = JSON.stringify(after)
  const isSame = text === JSON.stringify({ courses: before.courses, missing: before.missing })
  const version = before.version + (isSame ? 0 : 1)
  await inTransaction({
    database,
    random,
    body: async (trx) => {
      await insertFirst(trx)
      const { numUpdatedRows } = await trx
        .updateTable('catalogue')
        .set({ ...(isSame ? {} : { courses: text, version }), checked_at: at, failed_at: null, failure: null })
        .where('name', '=', CATALOGUE)
        .where('version', '=', before.version)
        .executeTakeFirst()
      if (numUpdatedRows > 0n && hasOutbox) await insertChanges({ trx, at, newId, seq: version }, changes)
    },
  })
}

/** Stores why the LMS could not be asked. The catalogue stays as it is. */
export async function storeFailure({ database: { db }, now }: WriteContext, failure: string): Promise<void> {
  await insertFirst(db)
  await db.updateTable('catalogue').set({ failed_at: now(), failure }).where('name', '=', CATALOGUE).execute()
}

const insertFirst = (db: Db) => db.insertInto('catalogue').ignore().values(FIRST_ROW).execute()

/** What of a course can change. */
type Facts = Pick<Known, 'key' | 'name' | 'modes' | 'reason'>
interface Change {
  readonly before: Facts
  readonly after: Facts
}

/**
 * Whether a course lacks a mode in one of two catalogues, and nobody asked for its modes for the other, as before it was
 * first sold: then what is known has changed, and not the course.
 */
function isFirstAsked(one: Facts, other: Facts): boolean {
  const reasons = [one.reason, other.reason]
  return (one.modes === null) !== (other.modes === null) && reasons.includes('no_mode') && !reasons.includes('missing')
}

/**
 * The catalogue that follows from what was read, and what has changed in the courses that were sold. Whether a course could
 * be sold is compared as it was stored with each catalogue: so an enrollment period that begins or ends, a setting and a
 * full course count once, as a change in the LMS does. Pure.
 * @param at ms since 1970
 */
function compare(of: Compared, at: number): { readonly after: Contents; readonly changes: readonly Change[] } {
  const { before, read } = of
  const selling = { ...of.selling, at }
  const sold = new Set(of.sold.map(courseIdentity))
  const changes: Change[] = []
  const wasOf = (after: Facts): Past | null => {
    const known = before.known(after.key)
    const change = known !== null && sold.has(courseIdentity(after.key)) ? changeBetween(known, after) : null
    if (change === null) return known?.was ?? null
    changes.push(change)
    return { until: at, name: change.before.name, reason: change.before.reason }
  }
  const courses = read.courses.map((course) => {
    const facts = { ...course, reason: obstacleOf(course, selling) }
    return { ...facts, was: wasOf(facts) }
  })
  const missing = read.missing.map((facts) => ({ ...facts, was: wasOf(facts) }))
  return { after: { courses, missing }, changes }
}

function changeBetween(known: Facts, after: Facts): Change | null {
  const before = isFirstAsked(known, after) ? { ...known, reason: after.reason } : known
  return before.name === after.name && before.reason === after.reason ? null : { before, after }
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
async function insertChanges(
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
