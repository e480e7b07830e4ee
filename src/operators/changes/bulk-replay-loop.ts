import type { WriteContext } from '../../database/write-context.ts'
import type { DeliveryEvent } from '../../sale/types.ts'
import { type Background, runBackgroundLoop } from '../../service/lib/background-loop.ts'
import { stepReplay } from './bulk-replay.ts'

const POLL_MS = 1000
/** Longer than a step takes, so that webhooks get their turn between steps. */
const BETWEEN_STEPS_MS = 100

/**
 * Runs the bulk replays that operators started, one after the other, until the signal is aborted. Several replicas can
 * run them at once, and a replica can die in the middle of one.
 */
export function runBulkReplays({
  context,
  guard,
  onStepped,
  ...background
}: Background & {
  context: WriteContext
  /** Called with the events of a step, after they are stored. */
  onStepped: (events: readonly DeliveryEvent[]) => void
}): Promise<void> {
  const step = async (): Promise<number> => {
    const { db } = context.database
    const running = db.selectFrom('bulk_replays').select('id').where('state', '=', 'running').orderBy('id')
    const next = await running.limit(1).executeTakeFirst()
    if (next === undefined) return POLL_MS
    const done = await stepReplay(context, next.id)
    if (done !== null) onStepped(done.events)
    return BETWEEN_STEPS_MS
  }
  return runBackgroundLoop({ ...background, round: () => guard(step), againMs: POLL_MS })
}
