import type { Kysely } from 'kysely'
import type { NoticeRow, Tables } from '../../database/schema.ts'
import { readEndpoint } from '../../queue/outbox/endpoint.ts'
import { readOldestWaiting } from '../../queue/outbox/list-events.ts'
import { faultId } from './notices.ts'
import { type Outage, RECOVERY_MS } from './outage.ts'

/** The LMS must be unavailable for this long before a text. */
const PATIENCE_MS = 10 * 60_000
/** An event that waits for the shop longer than this is a fault: its endpoint fails or refuses it. */
const LATE_MS = 60 * 60_000

/**
 * Stores that this replica can't use the LMS, if that has lasted for 10 minutes. Every replica does it, whether or not it
 * sends the texts: the one that sends may have no sale to enroll and so not notice. `at` is in ms since 1970.
 */
export async function noteOutage(
  db: Kysely<Tables>,
  { outage, at }: { outage: Outage | null; at: number },
): Promise<void> {
  if (outage === null || at - outage.since < PATIENCE_MS) return
  await noteFault(db, { kind: 'lms', code: outage.kind, detail: outage.message, since: outage.since, at })
}

/** Stores that the shop's endpoint wants no more events, or that events wait for long. */
export async function noteLateEvents(db: Kysely<Tables>, at: number): Promise<void> {
  const endpoint = await readEndpoint(db)
  if (endpoint === undefined) return
  const { state, error, since } = endpoint
  if (state === 'gone') {
    await noteFault(db, { kind: 'events', code: 'gone', detail: '', since: since ?? at, at })
    return
  }
  const oldestAt = await readOldestWaiting(db)
  if (oldestAt === null || at - oldestAt < LATE_MS) return
  await noteFault(db, { kind: 'events', code: 'late', detail: error ?? '', since: oldestAt, at })
}

/** A fault that lasts is told once. An endpoint that first was late and then answers 410 is told again. */
async function noteFault(
  db: Kysely<Tables>,
  {
    kind,
    code,
    detail,
    since,
    at,
  }: Pick<NoticeRow, 'kind' | 'code' | 'detail'> & {
    kind: 'lms' | 'events'
    since: number
    at: number
  },
): Promise<void> {
  const id = faultId(kind)
  const row = await db.selectFrom('notices').select('code').where('id', '=', id).executeTakeFirst()
  if (row === undefined) {
    const begin = { first_at: since, last_at: at, count: 1, texts: 0, sent_at: null }
    await db
      .insertInto('notices')
      .ignore()
      .values({ id, kind, code, subject: '', detail, ...begin })
      .execute()
    return
  }
  const isOther = kind === 'events' && row.code !== code
  const anew = isOther ? { code, detail, first_at: since, count: 1, sent_at: null } : {}
  await db
    .updateTable('notices')
    .set({ last_at: at, ...anew })
    .where('id', '=', id)
    .execute()
}

/** The faults that no replica has noticed for a minute. */
export const ended = (notices: readonly NoticeRow[], now: number): NoticeRow[] =>
  notices.filter(({ id, last_at: at }) => {
    const isFault = id === faultId('lms') || id === faultId('events')
    return isFault && (now - at >= RECOVERY_MS || at > now)
  })

/** Forgets faults that have ended: those that no text told of, or those that a text says have ended. */
export async function forgetFaults(db: Kysely<Tables>, faults: readonly NoticeRow[]): Promise<void> {
  for (const { id, last_at } of faults) {
    await db.deleteFrom('notices').where('id', '=', id).where('last_at', '=', last_at).execute()
  }
}
