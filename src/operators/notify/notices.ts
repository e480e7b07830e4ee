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

export const noticeId = ({ kind, code, subject }: Cause): string =>
  createHash('sha256')
    .update(JSON.stringify([kind, code, subject]))
    .digest('hex')

/** The one row of a fault that lasts: it has a begin and an end. */
export const faultId = (kind: 'lms' | 'events'): string => noticeId({ kind, code: '', subject: '' })

/** Whether a row is about a fault that lasts. Of the others, each delivery or withdrawal is counted. */
export const isFault = ({ kind }: Pick<NoticeRow, 'kind'>): boolean => kind === 'lms' || kind === 'events'

/** All rows, the oldest cause first. */
export const readNotices = (db: Kysely<Tables>): Promise<NoticeRow[]> =>
  db.selectFrom('notices').selectAll().orderBy('first_at').orderBy('id').execute()

/** Counts deliveries or withdrawals by cause. `counts` is by the JSON of a Cause; `at` is in ms since 1970. */
export async function addCounts(
  trx: Kysely<Tables>,
  { counts, at }: { counts: ReadonlyMap<string, { readonly cause: Cause; readonly count: number }>; at: number },
): Promise<void> {
  for (const { cause, count } of counts.values()) {
    const own = { ...cause, subject: cause.subject.slice(0, SUBJECT_MAX) }
    if (await raise(trx, { cause: own, count, at })) continue
    const shared = { ...own, subject: '' }
    const isFull = (await causes(trx)) >= MAX_CAUSES
    if (isFull && (await raise(trx, { cause: shared, count, at }))) continue
    await insert(trx, { cause: isFull ? shared : own, count, at })
  }
}

async function raise(
  trx: Kysely<Tables>,
  { cause, count, at }: { cause: Cause; count: number; at: number },
): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('notices')
    .set((eb) => ({ count: eb('count', '+', count), last_at: at }))
    .where('id', '=', noticeId(cause))
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

async function causes(trx: Kysely<Tables>): Promise<number> {
  const { count } = await trx
    .selectFrom('notices')
    .select((eb) => eb.fn.countAll().as('count'))
    .executeTakeFirstOrThrow()
  return Number(count)
}

async function insert(trx: Kysely<Tables>, { cause, count, at }: { cause: Cause; count: number; at: number }) {
  const row = { ...cause, id: noticeId(cause), detail: '', first_at: at, last_at: at, count, texts: 0, sent_at: null }
  await trx.insertInto('notices').values(row).execute()
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
  trx: Kysely<Tables>,
  { told, at }: { told: readonly NoticeRow[]; at: number },
): Promise<void> {
  for (const { id, count, texts } of told) {
    await trx
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
