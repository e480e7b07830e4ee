import { createHash } from 'node:crypto'
import type { Kysely } from 'kysely'
import type { NoticeRow, Tables } from '../../database/schema.ts'

/** No more causes than this have a row. Those that come after them share one row for each code. */
export const MAX_CAUSES = 100
const SUBJECT_MAX = 255

/** The second text about a cause comes this long after the first one, and each further one an hour after the last. */
const SECOND_MS = 10 * 60_000
const FURTHER_MS = 60 * 60_000

/** What operators are notified of. Equal causes are counted together. */
export type Cause = Pick<NoticeRow, 'kind' | 'code' | 'subject'>

/** Course keys that differ in their letter case are one course. */
const noticeId = ({ kind, code, subject }: Cause): string =>
  createHash('sha256')
    .update(JSON.stringify([kind, code, subject.toLowerCase()]))
    .digest('hex')

/** The one row of a fault that lasts: it has a begin and an end. */
export const faultId = (kind: 'lms' | 'events'): string => noticeId({ kind, code: '', subject: '' })

/** Whether a row is about a fault that lasts. Of the others, each delivery or withdrawal is counted. */
export const isFault = ({ kind }: Pick<NoticeRow, 'kind'>): boolean => kind === 'lms' || kind === 'events'

/** All causes, the oldest first. */
export const readNotices = (db: Kysely<Tables>): Promise<NoticeRow[]> =>
  db.selectFrom('notices').selectAll().where('kind', '!=', 'position').orderBy('first_at').orderBy('id').execute()

/** The one row that is no cause: `last_at` is the time up to which deliveries and withdrawals were counted. */
const POSITION = { kind: 'position', code: '', subject: '' } as const
const POSITION_ID = noticeId(POSITION)

/** Returns the time up to which was counted, ms since 1970. Before anything was, it begins at `start`. */
export async function readPosition(db: Kysely<Tables>, start: number): Promise<number> {
  const query = db.selectFrom('notices').select('last_at').where('id', '=', POSITION_ID)
  const found = await query.executeTakeFirst()
  if (found !== undefined) return found.last_at
  await db
    .insertInto('notices')
    .ignore()
    .values(newRow({ cause: POSITION, count: 0, at: start }))
    .execute()
  return (await query.executeTakeFirst())?.last_at ?? start // another replica may have made it at the same time
}

/** Returns false if another replica has moved it meanwhile. */
export async function movePosition(trx: Kysely<Tables>, { from, to }: { from: number; to: number }): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('notices')
    .set({ last_at: to })
    .where('id', '=', POSITION_ID)
    .where('last_at', '=', from)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

interface Counting {
  readonly cause: Cause
  readonly count: number
  /** ms since 1970 */
  readonly at: number
}

const newRow = ({ cause, count, at }: Counting): NoticeRow => {
  return { ...cause, id: noticeId(cause), detail: '', first_at: at, last_at: at, count, texts: 0, sent_at: null }
}

/** Counts deliveries or withdrawals of a cause. */
export async function addCount(trx: Kysely<Tables>, { cause, ...counting }: Counting): Promise<void> {
  const own = { ...counting, cause: { ...cause, subject: cause.subject.slice(0, SUBJECT_MAX) } }
  if (await raise(trx, own)) return
  const isFull = (await readNotices(trx)).length >= MAX_CAUSES
  const shared = { ...counting, cause: { ...cause, subject: '' } }
  if (isFull && (await raise(trx, shared))) return
  await trx
    .insertInto('notices')
    .values(newRow(isFull ? shared : own))
    .execute()
}

async function raise(trx: Kysely<Tables>, { cause, count, at }: Counting): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('notices')
    .set((eb) => ({ count: eb('count', '+', count), last_at: at }))
    .where('id', '=', noticeId(cause))
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

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
export async function storeTold(
  db: Kysely<Tables>,
  { told, at }: { told: readonly NoticeRow[]; at: number },
): Promise<void> {
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
export async function forgetQuiet(db: Kysely<Tables>, now: number): Promise<void> {
  await db
    .deleteFrom('notices')
    .where('kind', 'in', ['delivery', 'withdrawal'])
    .where('count', '=', 0)
    .where((eb) => eb.or([eb('sent_at', '<=', now - FURTHER_MS), eb('sent_at', '>', now)]))
    .execute()
}
