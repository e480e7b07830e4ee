import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import type { Db, NoticeRow } from '../../database/schema.ts'
import { inTransaction } from '../../database/transaction.ts'
import type { WriteContext } from '../../queue/events.ts'
import { along } from '../../queue/in-order.ts'
import { readEndpoint } from '../../queue/outbox/endpoint.ts'
import { type ReasonRow, readReason, UNSOLVED } from '../../queue/rows.ts'
import { plainKey } from '../../sale/course-key.ts'
import { courseOfReason, REASONS } from '../../sale/types.ts'
import { readOutage } from '../incidents/incidents.ts'
import { readFailed } from '../reports/failed-withdrawals.ts'
import { listUnsent } from '../reports/outbox.ts'

/** No more causes than this have a row. Those that come after them share one row for each code. */
export const MAX_CAUSES = 100
const SUBJECT_MAX = 255

/** The second text about a cause comes this long after the first one, and each further one an hour after the last. */
const SECOND_MS = 10 * 60_000
const FURTHER_MS = 60 * 60_000

/** What is older is no news: notifications were turned off meanwhile. */
const NEWS_MS = 24 * 3_600_000
/** How far to go back after the clock was set back. */
const BACK_MS = 60_000

/** What operators are notified of. Equal causes are counted together. */
type Cause = Pick<NoticeRow, 'kind' | 'code' | 'subject'>

/** A course has one notice, whatever the spelling of its key. */
const noticeId = ({ kind, code, subject }: Cause): string =>
  createHash('sha256')
    .update(JSON.stringify([kind, code, plainKey(subject).toLowerCase()]))
    .digest('hex')

/** Whether a row is about a fault that lasts. Of the others, each delivery or withdrawal is counted. */
export const isFault = ({ kind }: Pick<NoticeRow, 'kind'>): boolean => kind === 'lms' || kind === 'events'

/** All causes, the oldest first. */
export const readNotices = (db: Db): Promise<NoticeRow[]> =>
  db.selectFrom('notices').selectAll().orderBy('first_at').orderBy('id').execute()

/** The name of the row that says up to when deliveries and withdrawals were counted. */
const COUNTED = 'notices'

/** Returns the time up to which was counted, ms since 1970. Before anything was, it begins at `start`. */
async function readPosition(db: Db, start: number): Promise<number> {
  const query = db.selectFrom('rounds').select('came_to').where('name', '=', COUNTED)
  const found = await query.executeTakeFirst()
  if (found !== undefined) return found.came_to
  await db.insertInto('rounds').ignore().values({ name: COUNTED, came_to: start }).execute()
  return (await query.executeTakeFirst())?.came_to ?? start // another replica may have made it at the same time
}

/** Returns false if another replica has moved it meanwhile. */
async function movePosition(trx: Db, { from, to }: { from: number; to: number }): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('rounds')
    .set({ came_to: to })
    .where('name', '=', COUNTED)
    .where('came_to', '=', from)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

interface Counted extends Cause {
  readonly count: number
}

/** Counts deliveries or withdrawals of a cause. `at`: ms since 1970. */
async function addCount(trx: Db, counted: Counted, at: number): Promise<void> {
  const own = { ...counted, subject: counted.subject.slice(0, SUBJECT_MAX) }
  if (await raise(trx, own, at)) return
  const isFull = (await readNotices(trx)).length >= MAX_CAUSES
  const cause = isFull ? { ...own, subject: '' } : own
  if (isFull && (await raise(trx, cause, at))) return
  const row = { ...cause, id: noticeId(cause), detail: '', first_at: at, last_at: at, texts: 0, sent_at: null }
  await trx.insertInto('notices').values(row).execute()
}

async function raise(trx: Db, { count, ...cause }: Counted, at: number): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('notices')
    .set((eb) => ({ count: eb('count', '+', count), last_at: at }))
    .where('id', '=', noticeId(cause))
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** From `after` (exclusive) to `upTo` (inclusive), ms since 1970. */
interface Range {
  readonly after: number
  readonly upTo: number
}

/**
 * Counts, by cause, the deliveries that came to need attention or were rejected, and the withdrawals that failed, up to
 * the time `upTo` (ms since 1970). The position moves in the transaction that counts, so each row is counted once. If
 * another replica has moved it meanwhile, that one has counted these rows.
 *
 * `upTo` has to lie further back than a transaction takes: a row gets its time before its transaction is committed, and
 * one that appears behind the position is not counted.
 */
export async function countNew({ database, random }: WriteContext, upTo: number): Promise<void> {
  const { db } = database
  const position = await readPosition(db, upTo)
  const range = { after: position > upTo ? upTo - BACK_MS : Math.max(position, upTo - NEWS_MS), upTo }
  const causes = [...(await readDeliveries(db, range)), ...(await readWithdrawals(db, range))]
  await inTransaction({
    database,
    random,
    body: async (trx) => {
      if (!(await movePosition(trx, { from: position, to: upTo }))) return
      for (const cause of causes) await addCount(trx, cause, upTo)
    },
    // The position says what was counted, so another attempt counts nothing twice.
  })
}

/**
 * A delivery may be active again after its result, such as by a failed withdrawal, but never before it. The plus keeps
 * SQLite from another index, which would lead to the old ones too.
 */
async function readDeliveries(db: Db, { after, upTo }: Range): Promise<Counted[]> {
  const groups = await along(db, 'deliveries_state')
    .select(({ fn }) => ['reason', 'subject', fn.countAll<number>().as('count')])
    .select(({ fn }) => [fn.max('reason_text').as('reason_text'), fn.max('reason_course').as('reason_course')])
    .where('state', 'in', UNSOLVED)
    .where('active_at', '>', after)
    .where(({ eb, ref }) => eb(sql<number>`+${ref('settled_at')}`, '>', after))
    .where('settled_at', '<=', upTo)
    .groupBy(['reason', 'subject'])
    .execute()
  return groups.map((group) => ({ ...causeOf(group), count: Number(group.count) }))
}

/** The subject is a course key or nothing: what was sent in the place of a key may hold an address. */
function causeOf(of: ReasonRow): Cause {
  const { code, ...about } = readReason(of) ?? { code: 'row.unreadable', subject: '' }
  const isKey = REASONS[code].subject !== 'malformed_key'
  return { kind: 'delivery', code, subject: isKey ? (courseOfReason({ code, ...about }) ?? '') : '' }
}

async function readWithdrawals(db: Db, { after, upTo }: Range): Promise<Counted[]> {
  const failed = await readFailed(db, { after, upTo, limit: WITHDRAWALS_MAX })
  return failed.map(({ deliveryId }) => ({ kind: 'withdrawal', code: 'failed', subject: deliveryId, count: 1 }))
}

/** More courses than fail between two looks. */
const WITHDRAWALS_MAX = 10_000

/**
 * Whether a text has to tell of the cause now. The first text comes at once, the second gathers 10 minutes, and each
 * further one an hour. A fault is told once. A time ahead of `now` is from before the clock was set back.
 */
export function isUntold({ count, texts, sent_at: sentAt, ...row }: NoticeRow, now: number): boolean {
  if (count === 0) return false
  if (sentAt === null) return true
  if (isFault(row)) return false
  return now - sentAt >= (texts === 1 ? SECOND_MS : FURTHER_MS) || sentAt > now
}

/**
 * Stores that a text told of these rows. What came since they were read stays counted. Where it is stored already, or
 * another replica has told of the row, nothing changes.
 */
export async function storeTold(db: Db, { told, at }: { told: readonly NoticeRow[]; at: number }): Promise<void> {
  for (const { id, count, texts } of told) {
    await db
      .updateTable('notices')
      .set((eb) => ({ count: eb('count', '-', count), texts: eb('texts', '+', 1), sent_at: at }))
      .where('id', '=', id)
      .where('texts', '=', texts)
      .execute()
  }
}

/** Forgets causes without a delivery for an hour: the next one gives a text at once again. */
export async function forgetQuiet(db: Db, now: number): Promise<void> {
  await db
    .deleteFrom('notices')
    .where('kind', 'in', ['delivery', 'withdrawal'])
    .where('count', '=', 0)
    .where((eb) => eb.or([eb('sent_at', '<=', now - FURTHER_MS), eb('sent_at', '>', now)]))
    .execute()
}

/** The LMS must be unavailable for this long before a text. */
const PATIENCE_MS = 10 * 60_000
/** An event that waits for the shop longer than this is a fault: its endpoint fails or refuses it. */
const LATE_MS = 60 * 60_000
/** A fault is over only after this time without it: after a successful probe, the next call may fail again. */
const RECOVERY_MS = 60_000

/** What operators have to know as long as it lasts. `since` is in ms since 1970. */
interface Fault extends Pick<NoticeRow, 'code' | 'detail'> {
  readonly kind: 'lms' | 'events'
  readonly since: number
}

/** Stores the faults that there are now. `at` is in ms since 1970; without `hasOutbox`, the shop gets no events. */
export async function noteFaults(db: Db, { at, hasOutbox }: { at: number; hasOutbox: boolean }): Promise<void> {
  for (const fault of [await faultOfLms(db, at), hasOutbox ? await faultOfEvents(db, at) : null]) {
    if (fault !== null) await noteFault(db, fault, at)
  }
}

/** The LMS has been down or misconfigured for 10 minutes. A throttle is no fault: it ends without an operator. */
async function faultOfLms(db: Db, at: number): Promise<Fault | null> {
  const outage = await readOutage(db, at)
  if (outage === null || at - outage.since < PATIENCE_MS) return null
  return { kind: 'lms', code: outage.kind, detail: outage.cause, since: outage.since }
}

/** The shop's endpoint wants no more events, or events wait for long, or none waits because they were given up. */
async function faultOfEvents(db: Db, at: number): Promise<Fault | null> {
  const endpoint = await readEndpoint(db)
  if (endpoint === undefined) return null
  const { state, error, since } = endpoint
  if (state === 'gone') return { kind: 'events', code: 'gone', detail: '', since: since ?? at }
  const [oldest] = await listUnsent(db, 'is', 1)
  if (oldest !== undefined && at - oldest.createdAt >= LATE_MS)
    return { kind: 'events', code: 'late', detail: error ?? '', since: oldest.createdAt }
  const [givenUp] = await listUnsent(db, 'is not', 1)
  return givenUp === undefined
    ? null
    : { kind: 'events', code: 'given_up', detail: givenUp.error ?? '', since: givenUp.failedAt ?? at }
}

/** A fault that lasts is told once. An endpoint that first was late and then answers 410 is told again. */
async function noteFault(db: Db, { kind, code, detail, since }: Fault, at: number): Promise<void> {
  const id = noticeId({ kind, code: '', subject: '' }) // one row for whatever of this kind lasts
  const anew = { code, detail, first_at: since, last_at: at, count: 1, sent_at: null }
  const row = { id, kind, subject: '', texts: 0, ...anew }
  await db.insertInto('notices').ignore().values(row).execute()
  const stored = db.updateTable('notices').where('id', '=', id)
  if (kind === 'events') await stored.set(anew).where('code', '!=', code).execute()
  await stored.set({ last_at: at }).execute()
}

/** The faults that there have not been for a minute. */
export const ended = (notices: readonly NoticeRow[], now: number): NoticeRow[] =>
  notices.filter((notice) => isFault(notice) && (now - notice.last_at >= RECOVERY_MS || notice.last_at > now))

/** Forgets faults that have ended: those that no text told of, or those that a text says have ended. */
export async function forgetFaults(db: Db, faults: readonly NoticeRow[]): Promise<void> {
  for (const { id, last_at } of faults) {
    await db.deleteFrom('notices').where('id', '=', id).where('last_at', '=', last_at).execute()
  }
}
