import type { ExpressionBuilder } from 'kysely'
import type { Db, Tables, Trx } from '../database/schema.ts'
import { inTransaction } from '../database/transaction.ts'
import { idPrefix } from '../sale/ids.ts'
import type { DeliveryState } from '../sale/types.ts'
import { type Background, pause, runBackgroundLoop } from '../service/lib/loop.ts'
import { lockDeliveries, remove } from './change-deliveries.ts'
import type { WriteContext } from './events.ts'
import { along } from './in-order.ts'
import { handOverGiven } from './withdrawals/given.ts'
import { isUnhandled } from './withdrawals/withdrawal.ts'

/** Small steps, so that no writer waits long, and a rest between them that is longer than a step. */
const STEP = 200
const REST_MS = 100
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** Nothing remains to be done about these. Behind each of the others is a buyer without the course. */
const FINISHED = ['enrolled', 'rejected', 'handled', 'withdrawn'] as const satisfies readonly DeliveryState[]

/**
 * That nothing needs the row: no withdrawal, whose order is in the lines, is still to be carried out, or has failed so that a
 * person has to deal with it, and what corrects the delivery is gone. A refund of what the shop sold finds the correction by
 * it, and a repeat would start what was wrong.
 */
const isUnneeded = (eb: ExpressionBuilder<Tables, 'deliveries'>) =>
  eb.and([
    eb.not(
      eb.exists(
        eb
          .selectFrom('delivery_lines')
          .select('position')
          .whereRef('delivery_id', '=', 'deliveries.id')
          .where((line) =>
            line.or([
              line('withdrawal_state', '=', 'open'),
              line.and([line('withdrawal_state', '=', 'failed'), isUnhandled(line)]),
            ]),
          ),
      ),
    ),
    // For an exists, MariaDB reads the ids of all deliveries.
    eb(
      eb
        .selectFrom('deliveries as correction')
        .select('correction.id')
        .whereRef('correction.id', '=', 'deliveries.replaced_by'),
      'is',
      null,
    ),
  ])

/** What a step needs. `before`: ms since 1970. */
interface Purge extends Pick<WriteContext, 'database' | 'random'> {
  readonly before: number
}

/**
 * Deletes finished deliveries whose last activity was before `before` (ms since 1970), with their events: one step of at
 * most 200 deliveries. Deliveries that wait or need attention are never deleted, however old, nor those with a withdrawal
 * that is open or has failed, or with a stored correction. Resolves to how many deliveries were deleted.
 */
export async function purgeStep({ database, random, before }: Purge): Promise<number> {
  const ids = await findOld({ db: database.db, before })
  if (ids.length === 0) return 0
  const body = async (trx: Trx): Promise<number> => {
    await lockDeliveries({ trx }, ids)
    // A repeat may have requeued one meanwhile: delete only those that are still old and finished.
    const old = await trx
      .selectFrom('deliveries')
      .select('id')
      .where('id', 'in', ids)
      .where('active_at', '<', before)
      .where('state', 'in', FINISHED)
      .where(isUnneeded)
      .execute()
    const gone = old.map(({ id }) => id)
    await handOverGiven(trx, gone)
    await remove({ trx }, gone)
    return old.length
  }
  return inTransaction({ database, random, body })
}

/** One state after the other, each by its part of the index, so that rows that are kept are never read. */
async function findOld({ db, before }: { db: Db; before: number }): Promise<string[]> {
  const ids: string[] = []
  for (const state of FINISHED) {
    const rows = await along(db, 'deliveries_state')
      .select('id')
      .where('state', '=', state)
      .where('active_at', '<', before)
      .where(isUnneeded)
      .orderBy('active_at')
      .limit(STEP - ids.length)
      .execute()
    ids.push(...rows.map(({ id }) => id))
    if (ids.length === STEP) break
  }
  return ids
}

/**
 * Deletes audit entries from before `before` with their events that belong to no delivery, bulk replays and incidents
 * that have ended, senders that sent nothing since, the webhook-ids of refunds that concerned no delivery, and those of erased sales: one step of
 * at most 200 entries. Resolves to how many entries were deleted.
 */
export async function purgeAuditStep({ database, random, before }: Purge): Promise<number> {
  const { db } = database
  await db.deleteFrom('bulk_replays').where('started_at', '<', before).where('state', '!=', 'running').execute()
  await db.deleteFrom('webhook_ids').where('delivery_id', '=', '').where('received_at', '<', before).execute()
  await db.deleteFrom('forgotten_ids').where('forgotten_at', '<', before).execute()
  await db.deleteFrom('incidents').where('ended_at', '<', before).execute()
  await db.deleteFrom('senders').where('last_at', '<', before).execute()
  const old = await db
    .selectFrom('events')
    .select('id')
    .where('audited', '=', 1)
    .where('id', '<', idPrefix(before))
    .orderBy('id')
    .limit(STEP)
    .execute()
  if (old.length === 0) return 0
  const ids = old.map(({ id }) => id)
  const body = async (trx: Trx): Promise<void> => {
    await trx.deleteFrom('events').where('delivery_id', '=', '').where('id', 'in', ids).execute()
    await trx.updateTable('events').set({ audited: null }).where('audited', '=', 1).where('id', 'in', ids).execute()
  }
  await inTransaction({ database, random, body })
  return old.length
}

/** How long an event that the shop does not have is kept at least: longer than it is sent again and again. */
const UNSENT_MS = 7 * DAY_MS

/**
 * Deletes events that the shop never got and that are older than `before` (ms since 1970): one step of at most 200. They
 * were given up, or nothing sends them any more.
 */
export async function purgeOutboxStep({ db, before }: { db: Db; before: number }): Promise<number> {
  const old = await db
    .selectFrom('outbox')
    .select('id')
    .where('id', '<', idPrefix(before))
    .orderBy('id')
    .limit(STEP)
    .execute()
  if (old.length === 0) return 0
  const ids = old.map(({ id }) => id)
  await db.deleteFrom('outbox').where('id', 'in', ids).execute()
  return ids.length
}

/**
 * Deletes what is known of the deliveries of bulk replays that started before `before` (ms since 1970): one step of at
 * most 200. They are deleted in steps, because one bulk replay can have all deliveries.
 */
export async function purgeReplayedStep({ db, before }: { db: Db; before: number }): Promise<number> {
  const old = await db
    .selectFrom('replayed_deliveries')
    .select(['replay_id', 'delivery_id'])
    .where('replay_id', '<', idPrefix(before))
    .orderBy('replay_id')
    .orderBy('delivery_id')
    .limit(STEP)
    .execute()
  for (const [id, deliveries] of Map.groupBy(old, ({ replay_id }) => replay_id)) {
    const ids = deliveries.map(({ delivery_id }) => delivery_id)
    await db.deleteFrom('replayed_deliveries').where('replay_id', '=', id).where('delivery_id', 'in', ids).execute()
  }
  return old.length
}

/** Deletes the sessions of the console that have ended by now, so that the names in them don't wait for the next sign-in. */
async function purgeSessions(db: Db, before: number): Promise<void> {
  await db.deleteFrom('console_sessions').where('started_at', '<=', before).execute()
}

/**
 * Deletes what is older than `days`, every hour from an hour after the start, until the signal is aborted. Replicas may do it
 * at the same time.
 */
export async function runRetention({
  context,
  days,
  sessionMs,
  everyMs = HOUR_MS,
  onPurged,
  ...background
}: Background & {
  context: Pick<WriteContext, 'database' | 'random' | 'now'>
  days: number
  /** How long a session of the console lasts. */
  sessionMs: number
  /** From the start to the first round, and from each round to the next: ms. */
  everyMs?: number | undefined
  /** Called with the number of deleted deliveries, if any. */
  onPurged: (deliveries: number) => void
}): Promise<void> {
  const { guard, signal } = background
  const { database, now } = context
  const { db } = database
  /** Repeats the step, with a rest after each, until it finds nothing. */
  const inSteps = async (step: () => Promise<number>): Promise<void> => {
    while (!signal.aborted && (await guard(step)) > 0) await pause(REST_MS, signal)
  }
  const round = async (): Promise<number> => {
    const before = now() - days * DAY_MS
    let purged = 0
    try {
      await guard(() => purgeSessions(db, now() - sessionMs))
      await inSteps(async () => {
        const deliveries = await purgeStep({ ...context, before })
        purged += deliveries
        return deliveries
      })
      await inSteps(() => purgeAuditStep({ ...context, before }))
      await inSteps(() => purgeReplayedStep({ db, before }))
      await inSteps(() => purgeOutboxStep({ db, before: Math.min(before, now() - UNSENT_MS) }))
    } finally {
      if (purged > 0) onPurged(purged)
    }
    return everyMs
  }
  // A machine may start with a clock that is months ahead. NTP sets it right within minutes; until then, all seems too old.
  await pause(everyMs, signal)
  await runBackgroundLoop({ ...background, round, againMs: everyMs })
}
