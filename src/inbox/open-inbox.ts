import { createAvailability } from '../database/availability.ts'
import { createDatabaseClock } from '../database/clock.ts'
import { openDatabase } from '../database/database.ts'
import { createIds } from '../delivery/ids.ts'
import type { DeliveryEvent } from '../delivery/types.ts'
import { createLease } from '../replicas/lease.ts'
import { createPresence } from '../replicas/membership.ts'
import { createReplicas } from '../replicas/replicas.ts'
import { createInbox } from './inbox.ts'
import { createStore, guardStore } from './store.ts'

/** How this replica tells the others that it lives, and when it gives one up for dead: ms by the database's clock. */
export interface Timing {
  readonly heartbeatMs: number
  readonly deadAfterMs: number
}
export const TIMING: Timing = { heartbeatMs: 5000, deadAfterMs: 20_000 }

/**
 * The inbox of a service, with all that belongs to it; see openDatabase for the URL and for what it throws. Nothing is
 * asked of the database before the presence enters it. `now` is the clock by which its times are to be read.
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
  onFreed,
}: {
  url: string
  timing?: Timing
  /** Gives another name for this replica each time, of at most 36 characters. */
  newName: () => string
  /** This machine's clock. */
  now: () => number
  /** No retry is further ahead than this, ms. */
  longestWaitMs: number
  random: () => number
  /** Told of each event after it is stored. */
  publish: (event: DeliveryEvent) => void
  /** Told of what should not happen; it is tried again. */
  onError: (error: unknown) => void
  /** Told when the database can't be used any more, and why, and when it can again (null). */
  onAvailability: (reason: string | null) => void
  /** Told how many deliveries of dead replicas any replica may take now. */
  onFreed: (deliveries: number) => void
}) {
  const { heartbeatMs, deadAfterMs } = timing
  // A dead replica's unfinished transaction is gone before it is given up, so that its locks hold up nobody.
  const database = openDatabase({ url, serve: true, silentMs: deadAfterMs / 2 })
  const clock = createDatabaseClock({ database, wall })
  const { now } = clock
  const newId = createIds({ now })
  const availability = createAvailability({
    database,
    onChange: (reason) => {
      onAvailability(reason)
      if (reason !== null) presence.wake()
    },
  })
  const replicas = createReplicas({ database, newName, deadAfterMs })
  const lease = createLease({ forMs: deadAfterMs, clock: () => performance.now() })
  const store = createStore({ database, replicas, now, newId, random })
  const inbox = createInbox({ store: guardStore(store, availability), now, publish, onError })
  const presence = createPresence({
    database,
    replicas,
    store,
    lease,
    availability,
    clock,
    longestWaitMs,
    heartbeatMs,
    deadAfterMs,
    onFreed: (deliveries) => {
      onFreed(deliveries)
      inbox.adoptNow()
    },
  })
  const means = { database, now, newId, random }
  return { database, inbox, means, replicas, lease, availability, presence, now }
}
