import { createAvailability } from '../database/availability.ts'
import { createDatabaseClock } from '../database/clock.ts'
import { openDatabase } from '../database/database.ts'
import { createIds } from '../sale/ids.ts'
import type { DeliveryEvent } from '../sale/types.ts'
import { createInbox } from './inbox.ts'
import { createMembership } from './replicas/membership.ts'
import { createReplicas } from './replicas/replicas.ts'
import { TIMING, type Timing } from './replicas/timing.ts'
import { createStore } from './store.ts'

interface InboxOptions {
  url: string
  ca?: string | undefined
  timing?: Timing
  /** Gives a new name for this replica at each call, of at most 36 characters. */
  newName: () => string
  /** This machine's clock, ms since 1970. */
  now: () => number
  random: () => number
  /** Whether the shop gets events. */
  hasOutbox: boolean
  /** Called with each event after it is stored. */
  publish: (event: DeliveryEvent) => void
  /** Called with each unexpected error. The work is retried. */
  onError: (error: unknown) => void
  /** Called with the reason when the database becomes unavailable, and with null when it is available again. */
  onAvailability: (reason: string | null) => void
  /** Called with the number of deliveries that pruned replicas left, which any replica may claim now. */
  onReleased: (deliveries: number) => void
}

/**
 * Opens the inbox of a service, with its database and its membership. See openDatabase for the URL and for what it
 * throws. Sends no statement to the database before the membership enters it. Read the inbox's times by the clock `now`
 * of the result.
 */
export function openInbox({
  url,
  ca,
  timing = TIMING,
  newName,
  now: wall,
  random,
  hasOutbox,
  publish,
  onError,
  onAvailability,
  onReleased,
}: InboxOptions) {
  const { deadAfterMs, landsMs } = timing
  // The server ends a dead replica's open transaction before the replica is pruned, so that its locks block nothing.
  const idleTimeoutMs = deadAfterMs / 2
  const database = openDatabase({ url, ca, serve: true, idleTimeoutMs })
  const clock = createDatabaseClock({ database, wall })
  const { now } = clock
  const context = { database, now, newId: createIds({ now }), random, hasOutbox }
  const availability = createAvailability({
    database,
    onChange: (reason) => {
      onAvailability(reason)
      if (reason !== null) membership.wake()
    },
  })
  const replicas = createReplicas({ database, newName, deadAfterMs, landsMs })
  const { lease } = replicas
  const store = createStore({ ...context, replicas, guard: availability.guard, landsMs })
  const inbox = createInbox({ store, now, publish, onError })
  const membership = createMembership({
    database,
    replicas,
    lease,
    availability,
    clock,
    timing,
    claimAll: store.claimAll,
    onReleased: (deliveries) => {
      onReleased(deliveries)
      inbox.claimOrphansSoon()
    },
  })
  return { database, inbox, context, replicas, lease, availability, membership, now, timing }
}
