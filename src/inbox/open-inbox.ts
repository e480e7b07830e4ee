import { createAvailability } from '../database/availability.ts'
import { createDatabaseClock } from '../database/clock.ts'
import { openDatabase } from '../database/database.ts'
import { createIds } from '../delivery/ids.ts'
import type { DeliveryEvent } from '../delivery/types.ts'
import { createLease } from '../replicas/lease.ts'
import { createMembership } from '../replicas/membership.ts'
import { createReplicas } from '../replicas/replicas.ts'
import { TIMING, type Timing } from '../replicas/timing.ts'
import { createInbox } from './inbox.ts'
import { createStore, guardStore } from './store.ts'

/**
 * The inbox of a service, with its database and its membership; see openDatabase for the URL and for what it throws. It
 * asks nothing of the database before the membership enters it. `now` in the result is the clock by which its times are
 * to be read.
 */
export function openInbox({
  url,
  timing = TIMING,
  newName,
  now: wall,
  longestWaitMs,
  random,
  publish,
  onError,
  onAvailability,
  onReleased,
}: {
  url: string
  timing?: Timing
  /** Gives another name for this replica each time, of at most 36 characters. */
  newName: () => string
  /** This machine's clock. */
  now: () => number
  /** No attempt is scheduled further ahead than this, ms. */
  longestWaitMs: number
  random: () => number
  /** Told of each event after it is stored. */
  publish: (event: DeliveryEvent) => void
  /** Told of what should not happen; it is retried. */
  onError: (error: unknown) => void
  /** Told when the database becomes unavailable, and why, and when it is available again (null). */
  onAvailability: (reason: string | null) => void
  /** Told how many deliveries of pruned replicas any replica may claim now. */
  onReleased: (deliveries: number) => void
}) {
  const { deadAfterMs } = timing
  // A dead replica's unfinished transaction is gone before the replica is pruned, so that its locks block nothing.
  const database = openDatabase({ url, serve: true, idleTimeoutMs: deadAfterMs / 2 })
  const clock = createDatabaseClock({ database, wall })
  const { now } = clock
  const context = { database, now, newId: createIds({ now }), random }
  const availability = createAvailability({
    database,
    onChange: (reason) => {
      onAvailability(reason)
      if (reason !== null) membership.wake()
    },
  })
  const replicas = createReplicas({ database, newName, deadAfterMs })
  const lease = createLease({ forMs: deadAfterMs, clock: () => performance.now() })
  const store = createStore({ ...context, replicas })
  const inbox = createInbox({ store: guardStore(store, availability), now, publish, onError })
  const membership = createMembership({
    database,
    replicas,
    lease,
    availability,
    clock,
    timing,
    claimAll: () => store.claimAll(longestWaitMs),
    onReleased: (deliveries) => {
      onReleased(deliveries)
      inbox.claimOrphansSoon()
    },
  })
  return { database, inbox, context, replicas, lease, availability, membership, now }
}
