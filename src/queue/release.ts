import type { Kysely } from 'kysely'
import type { Tables } from '../database/schema.ts'
import type { WriteContext } from '../database/transaction.ts'
import { STOPPED_STATES } from '../sale/types.ts'
import { pause } from '../service/lib/loop.ts'
import { heldAmong, holdersOf } from './replicas/hold.ts'
import { createSilenceWatch } from './replicas/replicas.ts'

const POLL_MS = 100

/**
 * Waits until no call to the LMS is in flight for deliveries that an operator just stopped. Their owner notices the
 * mark between two calls and releases them. So does a replica that changes something for one outside of an attempt. An
 * owner that is silent for `silentMs` can make no more calls, because its lease has ended.
 * @param of.silentMs measured here, whatever the clocks say
 */
export async function untilReleased(
  { database }: Pick<WriteContext, 'database'>,
  { ids, silentMs }: { ids: readonly string[]; silentMs: number },
): Promise<void> {
  if (ids.length === 0) return
  const { db } = database
  const never = new AbortController().signal
  const watch = createSilenceWatch({ forMs: silentMs, clock: () => performance.now() })
  for (;;) {
    const owners = await ownersOf(db, ids)
    if (owners.length === 0) return
    const replicas = await db.selectFrom('replicas').select(['id', 'seen_at']).where('id', 'in', owners).execute()
    if (watch.silent(replicas).length === replicas.length) return
    await pause(POLL_MS, never)
  }
}

/** The replicas that may make a call for stopped deliveries. */
async function ownersOf(db: Kysely<Tables>, ids: readonly string[]): Promise<string[]> {
  const held = await db
    .selectFrom('deliveries')
    .select('owner')
    .where('id', 'in', ids)
    .where('state', 'in', STOPPED_STATES)
    .execute()
  return [...new Set([...held.flatMap(({ owner }) => owner ?? []), ...(await holdersOf(db, ids))])]
}

/**
 * Waits until the follow-up and reconcile make no call for these deliveries, and the LMS can't carry one out any more.
 * @param of.silentMs the silence after which the lease of a replica has ended
 */
export async function untilNotHeld(
  { database: { db, dialect } }: Pick<WriteContext, 'database'>,
  { ids, silentMs }: { ids: readonly string[]; silentMs: number },
): Promise<void> {
  const never = new AbortController().signal
  while ((await heldAmong({ on: db, dialect, silentMs }, ids)).length > 0) await pause(POLL_MS, never)
}
