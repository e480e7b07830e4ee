import type { Kysely } from 'kysely'
import type { DeliveryRow, Tables, WithdrawalRow } from '../../database/schema.ts'
import { inTransaction, type WriteContext } from '../../database/transaction.ts'
import { lockDelivery } from '../change-deliveries.ts'
import { heldAmong } from '../replicas/hold.ts'
import { freeAmong, type Replicas } from '../replicas/replicas.ts'
import { LONGEST_WAIT_MS } from '../retry-schedule.ts'

/** How many due orders to look at. Other replicas may claim the first ones. */
const PAGE = 20

/** An order that this replica carries out under the name `owner`, and its delivery as it was when it was claimed. */
export interface ClaimedOrder {
  readonly row: WithdrawalRow
  readonly owner: string
  readonly delivery: DeliveryRow
}

/**
 * Claims the next due order, the oldest first; null if there is none. An order whose owner is no longer a replica is
 * free: a replica is removed only after its lease has ended, so it can make no more calls. The last one that it made may
 * still be carried out, which the order then notes. Orders for a delivery that is still in a call are left for later: see
 * untilReleased and takeHold. So are those for a delivery that another order is carried out for: a refund can come while one
 * is open. Orders for a delivery that was erased are deleted.
 */
export async function claimOrder({
  context: { database, random, now },
  replicas,
  landsMs,
}: {
  context: WriteContext
  landsMs: number
  replicas: Pick<Replicas, 'me' | 'beat' | 'rejoin'>
}): Promise<ClaimedOrder | null> {
  const { db } = database
  const at = now()
  const due = await db
    .selectFrom('withdrawals')
    .selectAll()
    .where('ended_at', 'is', null)
    // A time further ahead than the longest wait is from before the clock was set back.
    .where((eb) => eb.or([eb('due_at', '<=', at), eb('due_at', '>', at + LONGEST_WAIT_MS)]))
    .orderBy('due_at')
    .orderBy('id')
    .limit(PAGE)
    .execute()
  // This replica carries out one order at a time, so its own are left over.
  const free = due.length === 0 ? [] : await freeAmong(db, { rows: due, me: replicas.me() })
  for (const row of free) {
    const delivery = await db.selectFrom('deliveries').selectAll().where('id', '=', row.delivery_id).executeTakeFirst()
    if (delivery === undefined) await db.deleteFrom('withdrawals').where('id', '=', row.id).execute()
    else if (delivery.owner === null || delivery.state === 'queued') {
      const wasInCall = row.owner !== null && row.effect_unknown !== 0
      const unenrolls_until = wasInCall ? now() + landsMs : row.unenrolls_until
      const owner = await inTransaction({
        database,
        random,
        body: async (trx) => {
          const me = await replicas.beat(trx) // blocks pruning, so that the owner can't be gone
          await lockDelivery({ trx }, row.delivery_id)
          if (me === null || (await isInProgress(trx, row))) return null
          if ((await heldAmong({ on: trx, dialect: database.dialect }, [row.delivery_id])).length > 0) return null
          return (await setOwner(trx, { row, set: { owner: me, unenrolls_until } })) ? me : null
        },
      })
      if (owner !== null) return { row: { ...row, owner, unenrolls_until }, owner, delivery }
    }
  }
  return null
}

/** Whether another order for the same delivery is carried out. Ask it while the delivery is locked. */
async function isInProgress(on: Kysely<Tables>, { id, delivery_id }: WithdrawalRow): Promise<boolean> {
  const other = await on
    .selectFrom('withdrawals')
    .select('id')
    .where('delivery_id', '=', delivery_id)
    .where('id', '!=', id)
    .where('ended_at', 'is', null)
    .where('owner', 'is not', null)
    .executeTakeFirst()
  return other !== undefined
}

async function setOwner(
  on: Kysely<Tables>,
  { row, set }: { row: WithdrawalRow; set: Pick<WithdrawalRow, 'owner' | 'unenrolls_until'> },
): Promise<boolean> {
  const { numUpdatedRows } = await on
    .updateTable('withdrawals')
    .set(set)
    .where('id', '=', row.id)
    .where('ended_at', 'is', null)
    .where('owner', row.owner === null ? 'is' : '=', row.owner)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/**
 * Whether the order may go on: it is still this replica's, which the others haven't pruned; it has not ended; and the
 * delivery was neither sent again nor replayed since it was ordered.
 */
export async function mayContinue(db: Kysely<Tables>, { row, owner }: ClaimedOrder): Promise<boolean> {
  const found = await db
    .selectFrom('withdrawals')
    .innerJoin('deliveries', 'deliveries.id', 'withdrawals.delivery_id')
    .innerJoin('replicas', 'replicas.id', 'withdrawals.owner')
    .select('deliveries.generation')
    .where('withdrawals.id', '=', row.id)
    .where('withdrawals.owner', '=', owner)
    .where('withdrawals.ended_at', 'is', null)
    .executeTakeFirst()
  return found !== undefined && found.generation === row.generation
}

/** Records, before a call that changes something in the LMS, that the order may have an effect from now on. */
export async function noteEffect(db: Kysely<Tables>, { row, owner }: ClaimedOrder): Promise<void> {
  await db
    .updateTable('withdrawals')
    .set({ effect_unknown: 1 })
    .where('id', '=', row.id)
    .where('owner', '=', owner)
    .execute()
}

/** Releases an order for a later attempt. `changed`: what the attempt changed; absent: it did not begin. */
export async function releaseOrder(
  db: Kysely<Tables>,
  {
    order: { row, owner },
    dueAt,
    changed,
  }: {
    order: ClaimedOrder
    dueAt: number
    changed?: Partial<Pick<WithdrawalRow, 'attempts' | 'result' | 'effect_unknown' | 'unenrolls_until'>>
  },
): Promise<void> {
  await db
    .updateTable('withdrawals')
    .set({ owner: null, due_at: dueAt, ...changed })
    .where('id', '=', row.id)
    .where('owner', '=', owner)
    .execute()
}
