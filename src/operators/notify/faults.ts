import type { Kysely } from 'kysely'
import type { NoticeRow, Tables } from '../../database/schema.ts'
import { readEndpoint } from '../../queue/outbox/endpoint.ts'
import { SAME_MS } from '../incidents/incidents.ts'
import { listUnsent, readOldestWaiting } from '../reports/outbox.ts'
import { faultId, isFault } from './notices.ts'

/** The LMS must be unavailable for this long before a text. */
const PATIENCE_MS = 10 * 60_000
/** An event that waits for the shop longer than this is a fault: its endpoint fails or refuses it. */
const LATE_MS = 60 * 60_000
/** A fault is over only after this time without it: after a successful probe, the next call may fail again. */
const RECOVERY_MS = 60_000
/** How many of the latest incidents are read. One outage can be several, if its cause changed. */
const INCIDENTS = 20

/** What operators have to know as long as it lasts. `since` is in ms since 1970. */
interface Fault extends Pick<NoticeRow, 'code' | 'detail'> {
  readonly kind: 'lms' | 'events'
  readonly since: number
}

/** Stores the faults that there are now. `at` is in ms since 1970; without `hasOutbox`, the shop gets no events. */
export async function noteFaults(
  db: Kysely<Tables>,
  { at, hasOutbox }: { at: number; hasOutbox: boolean },
): Promise<void> {
  for (const fault of [await faultOfLms(db, at), hasOutbox ? await faultOfEvents(db, at) : null]) {
    if (fault !== null) await noteFault(db, fault, at)
  }
}

/**
 * The LMS has been down or misconfigured for 10 minutes, as the incidents of all replicas say. A throttle is no fault: it
 * ends without an operator.
 */
async function faultOfLms(db: Kysely<Tables>, at: number): Promise<Fault | null> {
  const rows = await db
    .selectFrom('incidents')
    .select(['kind', 'cause', 'started_at', 'ended_at'])
    .where('kind', 'in', ['down', 'misconfigured'])
    .orderBy('started_at', 'desc')
    .limit(INCIDENTS)
    .execute()
  // One that ended just now may continue: a probe succeeded, but the next call may fail.
  const last = rows.find(({ ended_at }) => (ended_at ?? at) > at - SAME_MS)
  if (last === undefined) return null
  let since = last.started_at
  for (const { started_at, ended_at } of rows) {
    if (started_at < since && (ended_at ?? at) >= since - SAME_MS) since = started_at
  }
  return at - since < PATIENCE_MS ? null : { kind: 'lms', code: last.kind, detail: last.cause, since }
}

/** The shop's endpoint wants no more events, or events wait for long, or none waits because they were given up. */
async function faultOfEvents(db: Kysely<Tables>, at: number): Promise<Fault | null> {
  const endpoint = await readEndpoint(db)
  if (endpoint === undefined) return null
  const { state, error, since } = endpoint
  if (state === 'gone') return { kind: 'events', code: 'gone', detail: '', since: since ?? at }
  const oldestAt = await readOldestWaiting(db)
  if (oldestAt !== null && at - oldestAt >= LATE_MS)
    return { kind: 'events', code: 'late', detail: error ?? '', since: oldestAt }
  const [givenUp] = await listUnsent(db, 'is not', 1)
  return givenUp === undefined
    ? null
    : { kind: 'events', code: 'given_up', detail: givenUp.error ?? '', since: givenUp.failedAt ?? at }
}

/** A fault that lasts is told once. An endpoint that first was late and then answers 410 is told again. */
async function noteFault(db: Kysely<Tables>, { kind, code, detail, since }: Fault, at: number): Promise<void> {
  const id = faultId(kind)
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
export async function forgetFaults(db: Kysely<Tables>, faults: readonly NoticeRow[]): Promise<void> {
  for (const { id, last_at } of faults) {
    await db.deleteFrom('notices').where('id', '=', id).where('last_at', '=', last_at).execute()
  }
}
