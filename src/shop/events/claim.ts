import { type Kysely, sql } from 'kysely'
import type { OutboxRow, Tables } from '../../database/schema.ts'
import { inTransaction, type WriteContext } from '../../database/transaction.ts'
import { mayProbe, readEndpoint, takeProbe } from '../../queue/outbox/endpoint.ts'
import { LONGEST_EVENT_WAIT_MS } from '../../queue/outbox/schedule.ts'
import { freeAmong, type Replicas } from '../../queue/replicas/replicas.ts'

/** How many due events to look at. Other replicas may claim the first ones. */
const PAGE = 50

/** An event that this replica sends, under the name `owner`. */
export interface ClaimedEvent extends Pick<OutboxRow, 'id' | 'type' | 'body' | 'attempts'> {
  readonly deliveryId: string
  readonly owner: string
}

interface Claim {
  readonly context: WriteContext
  readonly replicas: Pick<Replicas, 'me' | 'beat' | 'rejoin'>
  /** At most this many. */
  readonly max: number
  /** The events that this replica sends already. */
  readonly inFlight: ReadonlySet<string>
}

/**
 * Claims due events, the oldest first, and of each delivery only its first event, so that the shop gets them in order.
 * While the endpoint is down it claims one at a time, the newest, so that an event that the endpoint can't take doesn't
 * stand for all others. An event whose owner is no longer a replica is free: a replica is removed only after its lease
 * has ended, and then it sends nothing.
 */
export async function claimEvents({ context, replicas, max, inFlight }: Claim): Promise<ClaimedEvent[]> {
  const { database, now } = context
  const { db } = database
  const endpoint = await readEndpoint(db)
  if (endpoint === undefined || endpoint.state === 'gone') return []
  const isProbe = endpoint.state === 'down'
  if (isProbe && !mayProbe(endpoint, now())) return []
  const due = (await dueHeads(db, { now: now(), newestFirst: isProbe })).filter(({ id }) => !inFlight.has(id))
  if (due.length === 0) return []
  const free = (await freeAmong(db, { rows: due, me: replicas.me() })).slice(0, isProbe ? 1 : max)
  if (free.length === 0 || (isProbe && !(await takeProbe(db, endpoint, now())))) return []
  return claimRows({ context, replicas, rows: free })
}

/**
 * Each is the first of its delivery that the shop doesn't have. Those that were given up are passed over. A time further
 * ahead than the longest wait is from before the clock was set back.
 */
function dueHeads(
  db: Kysely<Tables>,
  { now, newestFirst }: { now: number; newestFirst: boolean },
): Promise<OutboxRow[]> {
  let query = db
    .selectFrom('outbox as event')
    .selectAll()
    .where('failed_at', 'is', null)
    .where((eb) => eb.or([eb('due_at', '<=', now), eb('due_at', '>', now + LONGEST_EVENT_WAIT_MS)]))
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('outbox as earlier')
            .select(sql.lit(1).as('one'))
            .whereRef('earlier.delivery_id', '=', 'event.delivery_id')
            .where('earlier.failed_at', 'is', null)
            .where((either) =>
              either.or([
                either('earlier.seq', '<', either.ref('event.seq')),
                either.and([
                  either('earlier.seq', '=', either.ref('event.seq')),
                  either('earlier.id', '<', either.ref('event.id')),
                ]),
              ]),
            ),
        ),
      ),
    )
  query = newestFirst ? query.orderBy('id', 'desc') : query.orderBy('due_at').orderBy('id')
  return query.limit(PAGE).execute()
}

/** An event that another replica claims at the same time is left to it. */
async function claimRows({
  context: { database, random },
  replicas,
  rows,
}: Omit<Claim, 'max' | 'inFlight'> & { rows: readonly OutboxRow[] }): Promise<ClaimedEvent[]> {
  const before = replicas.me()
  const claimed = await inTransaction({
    database,
    random,
    body: async (trx) => {
      const owner = await replicas.beat(trx) // blocks pruning, so that the owner can't be gone
      if (owner === null) return null
      const ids = new Set<string>()
      for (const row of sorted(rows)) if (await setOwner(trx, row, owner)) ids.add(row.id)
      return { owner, ids }
    },
  })
  if (claimed === null) {
    await replicas.rejoin(before)
    return []
  }
  const { owner, ids } = claimed
  return rows.flatMap(({ id, type, body, attempts, delivery_id: deliveryId }) =>
    ids.has(id) ? [{ id, type, body, attempts, deliveryId, owner }] : [],
  )
}

/** Unsorted, two replicas deadlock on MySQL. */
const sorted = (rows: readonly OutboxRow[]): OutboxRow[] => rows.toSorted((a, b) => (a.id < b.id ? -1 : 1))

async function setOwner(trx: Kysely<Tables>, row: OutboxRow, owner: string): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('outbox')
    .set({ owner })
    .where('id', '=', row.id)
    .where('failed_at', 'is', null)
    .where('owner', row.owner === null ? 'is' : '=', row.owner)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}
