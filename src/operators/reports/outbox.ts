import type { Kysely } from 'kysely'
import type { EndpointRow, OutboxRow, Tables } from '../../database/schema.ts'
import { readEndpoint } from '../../queue/outbox/endpoint.ts'
import { COURSE_CHANGED } from '../../queue/outbox/outbox.ts'
import { countUnsent } from '../../queue/outbox/send-again.ts'

const LISTED = 100

/** The state of the shop's endpoint for operators. Times are ms since 1970. */
export interface EndpointState {
  readonly state: EndpointRow['state']
  /** Attempts in a row that have failed, of any events. After three, it is down. */
  readonly failures: number
  /** Since when it is not up. */
  readonly since: number | null
  /** When the next probe may be sent, if it is down. */
  readonly probeAt: number | null
  /** The latest failure and its time, even if it has recovered since. */
  readonly error: string | null
  readonly errorAt: number | null
  /** About when it last accepted an event. */
  readonly sentAt: number | null
}

/** An event that the shop does not have. `failedAt`: it was given up then. Times are ms since 1970. */
export interface UnsentEvent {
  readonly id: string
  /** What it tells of: a delivery, or else a course. */
  readonly deliveryId: string | null
  readonly course: string | null
  readonly type: string
  readonly createdAt: number
  readonly dueAt: number
  readonly attempts: number
  readonly failedAt: number | null
  readonly error: string | null
}

const LISTED_COLUMNS = [
  'id',
  'about',
  'type',
  'created_at as createdAt',
  'due_at as dueAt',
  'attempts',
  'failed_at as failedAt',
  'error',
] as const

/** The counts stop at 10,000. */
interface OutboxBacklog {
  readonly pending: number
  readonly failed: number
  readonly oldestAt: number | null
}

/** What the shop does not have yet. */
export interface Outbox extends OutboxHealth {
  /** The oldest 100 of each kind: first those that were given up, then those that wait. */
  readonly events: readonly UnsentEvent[]
}

/** How many events wait, how many were given up, and when the oldest that waits was stored. */
export async function readOutboxBacklog(db: Kysely<Tables>): Promise<OutboxBacklog> {
  return {
    pending: await countUnsent(db, 'waiting'),
    failed: await countUnsent(db, 'failed'),
    oldestAt: await readOldestWaiting(db),
  }
}

/** When the oldest event that waits was stored, ms since 1970; null if none waits. */
export async function readOldestWaiting(db: Kysely<Tables>): Promise<number | null> {
  const oldest = await db
    .selectFrom('outbox')
    .select('created_at')
    .where('failed_at', 'is', null)
    .orderBy('id')
    .limit(1)
    .executeTakeFirst()
  return oldest?.created_at ?? null
}

/** Whether the shop gets its events. `endpoint` is null before events were first turned on. */
export interface OutboxHealth extends OutboxBacklog {
  readonly endpoint: EndpointState | null
}

export async function readOutboxHealth(db: Kysely<Tables>): Promise<OutboxHealth> {
  const endpoint = await readEndpoint(db)
  return { ...(await readOutboxBacklog(db)), endpoint: endpoint === undefined ? null : endpointOf(endpoint) }
}

/** An event that waits this long, ms, is a problem, although the endpoint counts as up. */
const LONG_WAIT_MS = 10 * 60_000

/** Whether the shop lacks events for another reason than that they are new. `now`: ms since 1970. */
export const isFailing = ({ endpoint, failed, oldestAt }: OutboxHealth, now: number): boolean =>
  (endpoint !== null && endpoint.state !== 'up') || failed > 0 || (oldestAt !== null && now - oldestAt > LONG_WAIT_MS)

/** The whole of it for operators. */
export async function readOutbox(db: Kysely<Tables>): Promise<Outbox> {
  const list = async (is: 'is' | 'is not') => {
    const rows = db.selectFrom('outbox').select(LISTED_COLUMNS).where('failed_at', is, null).orderBy('id').limit(LISTED)
    return (await rows.execute()).map(({ about, ...event }) => ({
      ...event,
      ...subjectOf({ about, type: event.type }),
    }))
  }
  const [failed, pending] = [await list('is not'), await list('is')]
  return {
    ...(await readOutboxHealth(db)),
    events: [...failed, ...pending],
  }
}

/** What an event tells of. */
const subjectOf = ({ about, type }: Pick<OutboxRow, 'about' | 'type'>): Pick<UnsentEvent, 'deliveryId' | 'course'> =>
  type === COURSE_CHANGED ? { deliveryId: null, course: about } : { deliveryId: about, course: null }

const endpointOf = ({ state, failures, since, probe_at, error, error_at, sent_at }: EndpointRow): EndpointState => {
  return {
    state,
    failures,
    since,
    probeAt: state === 'down' ? probe_at : null,
    error,
    errorAt: error_at,
    sentAt: sent_at,
  }
}
