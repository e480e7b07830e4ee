import type { Db, EndpointRow, OutboxRow } from '../../database/schema.ts'
import { readEndpoint } from '../../queue/outbox/endpoint.ts'
import { COURSE_CHANGED } from '../../queue/outbox/outbox.ts'
import { countUnsent } from '../../queue/outbox/send-again.ts'

const LISTED = 100

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

/**
 * Whether the shop gets its events: how many wait, how many were given up (the counts stop at UNSENT_MAX), and when the oldest
 * that waits was stored, ms since 1970; null if none waits. `endpoint` is null before events were first turned on.
 */
export async function readOutboxHealth(db: Db) {
  const endpoint = await readEndpoint(db)
  const [oldest] = await listUnsent(db, 'is', 1)
  return {
    pending: await countUnsent(db, 'waiting'),
    failed: await countUnsent(db, 'failed'),
    oldestAt: oldest?.createdAt ?? null,
    endpoint: endpoint === undefined ? null : endpointOf(endpoint),
  }
}
export type OutboxHealth = Awaited<ReturnType<typeof readOutboxHealth>>

/** An event that waits this long, ms, is a problem, although the endpoint counts as up. */
const LONG_WAIT_MS = 10 * 60_000

/** Whether the shop lacks events for another reason than that they are new. `now`: ms since 1970. */
export const isFailing = ({ endpoint, failed, oldestAt }: OutboxHealth, now: number): boolean =>
  (endpoint !== null && endpoint.state !== 'up') || failed > 0 || (oldestAt !== null && now - oldestAt > LONG_WAIT_MS)

/** Whether the endpoint has failed once or twice, or has not answered an order to send again yet, and so can't be said to work. */
export const hasFailedLast = ({ endpoint, pending }: Pick<OutboxHealth, 'endpoint' | 'pending'>): boolean =>
  endpoint !== null && (endpoint.failures > 0 || (pending > 0 && (endpoint.errorAt ?? 0) > (endpoint.sentAt ?? 0)))

/** The same with the oldest 100 events of each kind: first those that were given up, then those that wait. */
export async function readOutbox(db: Db) {
  const health = await readOutboxHealth(db)
  const failed = health.failed === 0 ? [] : await listUnsent(db, 'is not') // to find that there is none, it reads all
  return { ...health, events: [...failed, ...(await listUnsent(db, 'is'))] }
}
export type Outbox = Awaited<ReturnType<typeof readOutbox>>

/** The oldest events that wait (`is`), or that were given up (`is not`). */
export async function listUnsent(db: Db, is: 'is' | 'is not', most = LISTED) {
  const rows = db.selectFrom('outbox').select(LISTED_COLUMNS).where('failed_at', is, null).orderBy('id').limit(most)
  return (await rows.execute()).map(({ about, ...event }) => ({ ...event, ...subjectOf({ about, type: event.type }) }))
}
/** An event that the shop does not have, see OutboxRow. */
export type UnsentEvent = Awaited<ReturnType<typeof listUnsent>>[number]

/** What an event tells of: a delivery, or else a course. */
const subjectOf = ({ about, type }: Pick<OutboxRow, 'about' | 'type'>) =>
  type === COURSE_CHANGED ? { deliveryId: null, course: about } : { deliveryId: about, course: null }

/** The state of the shop's endpoint for operators, see EndpointRow. A probe is sent only if it is down. */
const endpointOf = ({ state, failures, since, probe_at, error, error_at, sent_at }: EndpointRow) => ({
  state,
  failures,
  since,
  probeAt: state === 'down' ? probe_at : null,
  error,
  errorAt: error_at,
  sentAt: sent_at,
})
export type EndpointState = ReturnType<typeof endpointOf>
