import type { Db } from '../database/schema.ts'
import { type Background, pause } from '../service/lib/loop.ts'

/** A call is put off while a sale is waited for, but no longer than this, so that a busy shop doesn't end what can wait. */
const PUT_OFF_MS = 30_000
const PUT_OFF_POLL_MS = 250
/** The shop waits up to 8 s for an answer. */
const WAITED_FOR_MS = 10_000

/**
 * Puts a call to the LMS off while a shop waits for the result of a sale. Call it before each call of work that can wait.
 * @param of.now ms since 1970
 * @param of.guard runs what needs the database
 * @param of.assertMay throws to end the work: called at once, and after each wait
 * @throws what `guard` and `assertMay` throw
 */
export async function giveWay(of: {
  db: Db
  now: () => number
  guard: Background['guard']
  assertMay: () => void
  signal: AbortSignal
}): Promise<void> {
  const { db, now, guard, assertMay, signal } = of
  assertMay()
  for (const end = performance.now() + PUT_OFF_MS; performance.now() < end; assertMay()) {
    if (!(await guard(() => areSalesWaitedFor({ db, now: now() })))) return
    await pause(PUT_OFF_POLL_MS, signal)
  }
}

/**
 * Whether a shop probably waits for the result of a delivery, at any replica: one is being processed, and came in or
 * was last attempted within the last 10 s. `now`: ms since 1970.
 */
export async function areSalesWaitedFor({ db, now }: { db: Db; now: number }): Promise<boolean> {
  const row = await db
    .selectFrom('deliveries')
    .select('id')
    .where('state', '=', 'queued')
    .where('active_at', '>', now - WAITED_FOR_MS)
    .where('due_at', '<=', now)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}
