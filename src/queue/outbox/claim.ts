import { sql } from 'kysely'
import type { Db, EndpointRow, OutboxRow } from '../../database/schema.ts'
import type { WriteContext } from '../events.ts'
import type { Holds } from '../replicas/holds.ts'
import { LONGEST_WAIT_MS } from '../retry-schedule.ts'
import { mayProbe, readEndpoint, takeProbe } from './endpoint.ts'

/** An event that this replica sends. It has the hold for the events about the same delivery or course. */
export interface ClaimedEvent extends Pick<OutboxRow, 'id' | 'about' | 'type' | 'body' | 'attempts'> {
  /** When it was due, ms since 1970, if it is a probe before that time; null if it was due. */
  readonly earlyFor: number | null
}

interface Claim {
  readonly context: WriteContext
  readonly holds: Holds
  /** At most this many. */
  readonly max: number
}

/**
 * Claims due events, the oldest first, and of each delivery or course only its first event, so that the shop gets them in
 * order.
 * While the endpoint is down it claims one at a time, the newest, so that an event that the endpoint can't take doesn't
 * stand for all others. It needn't be due: the few events of a quiet shop would otherwise wait for hours after the outage.
 */
export async function claimEvents({ context, holds, max }: Claim): Promise<ClaimedEvent[]> {
  const { database, now } = context
  const { db } = database
  const endpoint = await readEndpoint(db)
  if (endpoint === undefined || endpoint.state === 'gone') return []
  const isProbe = endpoint.state === 'down'
  if (isProbe && !mayProbe(endpoint, now())) return []
  const rows = await (isProbe ? heads(db).orderBy('id', 'desc').limit(1).execute() : dueHeads(db, { now: now(), max }))
  if (rows.length === 0 || (isProbe && !(await takeProbe(db, endpoint, now())))) return []
  return takeRows({ holds, rows, state: endpoint.state, now: now() })
}

type HeadRow = Pick<OutboxRow, 'id' | 'about' | 'due_at'>

/** As dueRows does: the two ranges of isDue one after the other, because a database would read all that lies between them. */
async function dueHeads(db: Db, { now, max }: { now: number; max: number }): Promise<HeadRow[]> {
  const inOrder = heads(db).orderBy('due_at').orderBy('id')
  const due = await inOrder.where('due_at', '<=', now).limit(max).execute()
  if (due.length === max) return due
  const later = inOrder.where('due_at', '>', now + LONGEST_WAIT_MS).limit(max - due.length)
  return [...due, ...(await later.execute())]
}

/**
 * The events that nobody sends just now. Each is the first about its delivery or course that the shop doesn't have. Those
 * that were given up are passed over.
 */
const heads = (db: Db) =>
  db
    .selectFrom('outbox as event')
    .leftJoin('holds', (join) => join.on('holds.name', '=', sql`concat('event:', event.about)`))
    .select(['event.id', 'event.about', 'event.due_at'])
    .where('holds.name', 'is', null)
    .where('failed_at', 'is', null)
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('outbox as earlier')
            .select(sql.lit(1).as('one'))
            .whereRef('earlier.about', '=', 'event.about')
            .where('earlier.failed_at', 'is', null)
            .whereRef('earlier.seq', '<', 'event.seq'),
        ),
      ),
    )

/**
 * An event that another replica sends at the same time, or has attempted since it was read, is left out; all are if the
 * endpoint is in another state by now, since others are to be sent then.
 */
function takeRows({
  holds,
  rows,
  state,
  now,
}: {
  holds: Holds
  rows: readonly HeadRow[]
  state: EndpointRow['state']
  now: number
}): Promise<ClaimedEvent[]> {
  const earlyFor = (dueAt: number): number | null => (dueAt > now && dueAt <= now + LONGEST_WAIT_MS ? dueAt : null)
  const dueAt = new Map(rows.map(({ id, due_at }) => [id, due_at]))
  return holds.take(
    rows.map(({ about }) => holdOf(about)),
    async (trx, taken) => {
      if ((await readEndpoint(trx))?.state !== state) return { result: [], kept: new Set<string>() }
      const unchanged = await trx
        .selectFrom('outbox')
        .select(['id', 'about', 'type', 'body', 'attempts', 'due_at'])
        .where('id', 'in', [...dueAt.keys()])
        .where('failed_at', 'is', null)
        .execute()
      const result = unchanged
        .filter(({ id, about, due_at }) => taken.has(holdOf(about)) && dueAt.get(id) === due_at)
        .map(({ due_at, ...event }) => ({ ...event, earlyFor: earlyFor(due_at) }))
      return { result, kept: new Set(result.map(({ about }) => holdOf(about))) }
    },
  )
}

/** The name of the hold under which the events about a delivery or a course are sent. */
export const holdOf = (about: string): string => `event:${about}`
