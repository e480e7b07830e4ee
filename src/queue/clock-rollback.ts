import type { Kysely } from 'kysely'
import type { Tables } from '../database/schema.ts'

/** Smaller steps are ordinary clock corrections; an error of a second does no harm. */
const NOTICED_MS = 1000

/**
 * Detects that the clock was set back. An attempt that was scheduled by the old clock would wait until that time comes
 * again, so it is brought forward by the same amount. Call the returned function regularly; after a failure, the next
 * call catches up.
 * @param from.bringForward brings the scheduled attempts forward by this many ms
 */
export function createClockRollback({
  now,
  bringForward,
}: {
  now: () => number
  bringForward: (ms: number) => Promise<void>
}): () => Promise<void> {
  let last = now()
  return async () => {
    const at = now()
    const back = last - at
    if (back >= NOTICED_MS) await bringForward(back)
    last = at
  }
}

/**
 * Watches a wait by the clock (ms since 1970). Returns a function that returns by how much the clock has been set since:
 * ms, negative if it was set back, 0 if it wasn't set.
 */
export function watchClock(now: () => number): () => number {
  const [at, began] = [now(), performance.now()]
  return () => {
    const jump = now() - at - (performance.now() - began)
    return Math.abs(jump) < NOTICED_MS ? 0 : jump
  }
}

interface Scheduled {
  readonly db: Kysely<Tables>
  readonly owner: string
  /** ms since 1970 */
  readonly now: number
}

/**
 * Brings forward by `ms` what waits for another attempt: the deliveries of `owner`, and the withdrawals and events that
 * nobody is attempting. Each replica does that with the latter, so these come sooner if there are several.
 */
export async function bringForward({ db, owner, now, ms }: Scheduled & { ms: number }): Promise<void> {
  await db
    .updateTable('deliveries')
    .set((eb) => ({ due_at: eb('due_at', '-', ms) }))
    .where('owner', '=', owner)
    .where('state', '=', 'queued')
    .where('due_at', '>', now)
    .execute()
  await db
    .updateTable('withdrawals')
    .set((eb) => ({ due_at: eb('due_at', '-', ms) }))
    .where('ended_at', 'is', null)
    .where('due_at', '>', now)
    .execute()
  await db
    .updateTable('outbox')
    .set((eb) => ({ due_at: eb('due_at', '-', ms) }))
    .where('failed_at', 'is', null)
    .where('due_at', '>', now)
    .execute()
}

/**
 * Corrects the times of scheduled attempts that were written while the clock was ahead. A row that was last changed in
 * the future shows by how much. No attempt may be further ahead than `longestWaitMs`.
 */
export async function correctFutureTimes({
  db,
  owner,
  now,
  longestWaitMs,
}: Scheduled & { longestWaitMs: number }): Promise<void> {
  const mine = db.updateTable('deliveries').where('owner', '=', owner).where('state', '=', 'queued')
  await mine
    .set((eb) => ({ due_at: eb('due_at', '-', eb.parens('active_at', '-', now)) }))
    .where('due_at', '>', now)
    .where('active_at', '>', now)
    .execute()
  await mine
    .set({ due_at: now })
    .where('due_at', '>', now + longestWaitMs)
    .execute()
}
