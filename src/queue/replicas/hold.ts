import type { Kysely, Transaction } from 'kysely'
import type { Dialect } from '../../database/dialect.ts'
import type { Tables } from '../../database/schema.ts'
import { TIMING } from './timing.ts'

const { landsMs } = TIMING
/** Between two confirmations, a replica makes a call that reads and one that changes something: 30 s each at most. */
const HOLD_MS = 60_000 + landsMs
const NOBODY = ''

const nameOf = (deliveryId: string): string => `change:${deliveryId}`

/** One replica, by its name, and one delivery. */
interface Holding {
  readonly me: string
  readonly id: string
}

/**
 * Takes or renews the hold on a delivery: the right of one replica to change something in the LMS for it outside of an
 * attempt. No withdrawal for the delivery begins meanwhile. The transaction has locked the delivery, and confirmed the
 * heartbeat of `me`. Resolves to false if another replica has the hold, or a call of one may still be carried out.
 */
export async function takeHold(
  { trx, dialect }: { trx: Transaction<Tables>; dialect: Pick<Dialect, 'clock'> },
  { me, id }: Holding,
): Promise<boolean> {
  const name = nameOf(id)
  const row = await trx.selectFrom('leases').select('owner').where('name', '=', name).executeTakeFirst()
  if (row !== undefined && row.owner !== me && (await heldAmong({ on: trx, dialect }, [id])).length > 0) return false
  await trx.deleteFrom('leases').where('name', '=', name).execute()
  await trx
    .insertInto('leases')
    .values((eb) => ({ name, owner: me, until: eb(dialect.clock, '+', HOLD_MS) }))
    .execute()
  return true
}

/**
 * Ends a hold. `isKnown`: whether the effect of every call is known. If the LMS may still carry one out, withdrawals for
 * the delivery wait for another minute.
 */
export async function endHold(
  { db, dialect }: { db: Kysely<Tables>; dialect: Pick<Dialect, 'clock'> },
  { me, id, isKnown }: Holding & { isKnown: boolean },
): Promise<void> {
  const name = nameOf(id)
  if (isKnown) await db.deleteFrom('leases').where('name', '=', name).where('owner', '=', me).execute()
  else {
    await db
      .updateTable('leases')
      .set((eb) => ({ owner: NOBODY, until: eb(dialect.clock, '+', landsMs) }))
      .where('name', '=', name)
      .where('owner', '=', me)
      .execute()
  }
}

interface Looking {
  readonly on: Pick<Kysely<Tables>, 'selectFrom'>
  readonly dialect: Pick<Dialect, 'clock'>
  /** A replica that has been silent for this long has no lease. Absent: every replica has one until it is pruned. */
  readonly silentMs?: number
}

/**
 * Those of the deliveries on which there is a hold. That of a live replica lasts until the replica ends it, so that no
 * jump of a clock ends it. That of a dead one lasts until the LMS can't carry out its last call any more.
 */
export async function heldAmong({ on, dialect, silentMs }: Looking, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const rows = await on
    .selectFrom('leases')
    .leftJoin('replicas', 'replicas.id', 'leases.owner')
    .select('leases.name')
    .where('leases.name', 'in', ids.map(nameOf))
    .where((eb) => {
      const isAlive =
        silentMs === undefined
          ? eb('replicas.id', 'is not', null)
          : eb('replicas.seen_at', '>', eb(dialect.clock, '-', silentMs))
      return eb.or([isAlive, eb('leases.until', '>', dialect.clock)])
    })
    .execute()
  const held = new Set(rows.map(({ name }) => name))
  return ids.filter((id) => held.has(nameOf(id)))
}

/** The names of the replicas that have the holds on these deliveries, dead ones too. */
export async function holdersOf(on: Pick<Kysely<Tables>, 'selectFrom'>, ids: readonly string[]): Promise<string[]> {
  const rows = await on
    .selectFrom('leases')
    .select('owner')
    .where('name', 'in', ids.map(nameOf))
    .where('owner', '!=', NOBODY)
    .execute()
  return rows.map(({ owner }) => owner)
}

/** Deletes what is left of the holds on deliveries that are erased. */
export async function forgetHolds(trx: Transaction<Tables>, ids: readonly string[]): Promise<void> {
  await trx.deleteFrom('leases').where('name', 'in', ids.map(nameOf)).execute()
}
