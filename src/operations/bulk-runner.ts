import type { WriteContext } from '../database/write-context.ts'
import type { DeliveryEvent } from '../delivery/types.ts'
import { type Background, runBackgroundLoop } from '../inbox/background-loop.ts'
import { stepReplay } from './bulk-replay.ts'

const LOOK_MS = 1000
/** Longer than a step takes, so that webhooks come in between. */
const REST_MS = 100

/**
 * Carries out the bulk replays that operators have ordered, one after the other, until the signal is aborted. Several
 * replicas may do it at once, and one may die in the middle.
 */
export function runBulkReplays({
  context,
  guard,
  onStepped,
  ...background
}: Background & {
  context: WriteContext
  /** Told what was made due, after it is stored. */
  onStepped: (events: readonly DeliveryEvent[]) => void
}): Promise<void> {
  const step = async (): Promise<number> => {
    const { db } = context.database
    const running = db.selectFrom('bulk_replays').select('id').where('state', '=', 'running').orderBy('id')
    const next = await running.limit(1).executeTakeFirst()
    if (next === undefined) return LOOK_MS
    const done = await stepReplay(context, next.id)
    if (done !== null) onStepped(done.events)
    return REST_MS
  }
  return runBackgroundLoop({ ...background, round: () => guard(step), againMs: LOOK_MS })
}
