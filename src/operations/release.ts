import type { WriteContext } from '../database/write-context.ts'
import { pause } from '../pause.ts'

const LOOK_MS = 100

/**
 * Waits until no call to the LMS is under way for deliveries that were just marked as handled. Their owner works
 * between two calls, sees it, and gives them back. An owner that has been silent for so long that it may not call any
 * more counts as done: its lease has ended.
 * @param of.silentMs how long that is
 */
export async function untilReleased(
  { database: { db, dialect } }: Pick<WriteContext, 'database'>,
  { ids, silentMs }: { ids: readonly string[]; silentMs: number },
): Promise<void> {
  if (ids.length === 0) return
  const never = new AbortController().signal
  for (;;) {
    const held = await db
      .selectFrom('deliveries')
      .select('owner')
      .where('id', 'in', ids)
      .where('state', '=', 'handled')
      .where('owner', 'is not', null)
      .execute()
    const owners = [...new Set(held.flatMap(({ owner }) => owner ?? []))]
    if (owners.length === 0) return
    const alive = await db
      .selectFrom('replicas')
      .select('id')
      .where('id', 'in', owners)
      .where('seen_at', '>', (eb) => eb(dialect.clock, '-', silentMs))
      .execute()
    if (alive.length === 0) return
    await pause(LOOK_MS, never)
  }
}
