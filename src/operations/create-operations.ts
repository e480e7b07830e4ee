import type { Availability } from '../database/availability.ts'
import type { WriteContext } from '../database/write-context.ts'
import type { DeliveryEvent } from '../delivery/types.ts'
import { TIMING } from '../replicas/timing.ts'
import type { AuditedResult } from './audited-change.ts'
import { listReplays, readReplay, replayable, startReplay, stopReplay } from './bulk-replay.ts'
import { list, preview, show } from './listing.ts'
import type { Operations } from './operations.ts'
import { overview } from './overview.ts'
import { untilReleased } from './release.ts'
import { markHandled, replay } from './replay.ts'
import { audit, timeline } from './timeline.ts'

/**
 * Creates the operations of a service or a command. `publish` is called with each event after it is stored, and `onDue`
 * when deliveries become due.
 */
export function createOperations({
  context,
  guard,
  replicas,
  publish,
  onDue,
  silentMs = TIMING.deadAfterMs,
}: {
  context: WriteContext
  guard: Availability['guard']
  /** How many replicas are alive. */
  replicas: () => number
  publish: (event: DeliveryEvent) => void
  onDue: () => void
  /** A replica that is silent for this long may no longer call the LMS. */
  silentMs?: number
}): Operations {
  const { db } = context.database
  const change = async <Result>(work: () => Promise<AuditedResult<Result>>): Promise<Result> => {
    const { result, events } = await guard(work)
    for (const event of events) publish(event)
    if (events.some(({ kind }) => kind === 'replayed')) onDue()
    return result
  }
  return {
    list: (query) => guard(() => list({ db, ...query })),
    show: (id) => guard(() => show({ db, id })),
    timeline: (id) => guard(() => timeline({ db, id })),
    audit: (query) => guard(() => audit({ db, ...query })),
    overview: () => guard(() => overview({ db, now: context.now(), replicas: replicas() })),
    replay: (order) => change(() => replay(context, order)),
    markHandled: async (order) => {
      const handled = await change(() => markHandled(context, order))
      if (handled.kind === 'handled') await guard(() => untilReleased(context, { ids: [order.id], silentMs }))
      return handled
    },
    previewReplay: ({ filter, enrolled = false }) => guard(() => preview({ db, filter: replayable(filter, enrolled) })),
    startReplay: ({ enrolled = false, ...order }) => change(() => startReplay(context, { ...order, enrolled })),
    bulkReplay: (id) => guard(() => readReplay(db, id)),
    bulkReplays: () => guard(() => listReplays(db)),
    stopReplay: (order) => change(() => stopReplay(context, order)),
  }
}
