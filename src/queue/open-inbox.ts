import { createAvailability } from '../database/availability.ts'
import { openDatabase } from '../database/database.ts'
import { createDatabaseClock, type Database } from '../database/dialect.ts'
import { createIds } from '../sale/ids.ts'
import type { Background } from '../service/lib/loop.ts'
import type { WriteContext } from './events.ts'
import { createInbox, type Inbox } from './inbox.ts'
import { createMembership, type Membership } from './replicas/membership.ts'
import { createReplicas, type Replicas } from './replicas/replicas.ts'
import { TIMING, type Timing } from './replicas/timing.ts'
import { createStore } from './store.ts'

/**
 * The application context: what all parts of one running service share. It is made once, at the start. A part gets all of
 * it, under these names, with what is its own beside it.
 */
export interface AppContext extends Background {
  readonly database: Database
  /** For every write. */
  readonly context: WriteContext
  /** The database's clock, ms since 1970. */
  readonly now: () => number
  readonly random: () => number
  readonly inbox: Inbox
  readonly replicas: Replicas
  readonly membership: Membership
  /** Why the database can't be used now; null while it can. */
  readonly databaseReason: () => string | null
}

interface InboxOptions
  extends Pick<AppContext, 'random' | 'onError' | 'signal'>,
    Pick<WriteContext, 'hasOutbox' | 'publish'> {
  url: string
  ca?: string | undefined
  timing?: Timing
  /** Gives a new name for this replica at each call, of at most 36 characters. */
  newName: () => string
  /** This machine's clock, ms since 1970. */
  now: () => number
  /** Called with the reason when the database becomes unavailable, and with null when it is available again. */
  onAvailability: (reason: string | null) => void
  /** Called with the number of replicas that were pruned. */
  onPruned: (replicas: number) => void
}

/**
 * Opens the inbox of a service, with its database and its membership. See openDatabase for the URL and for what it
 * throws. Sends no statement to the database before the membership enters it.
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
  onPruned,
  signal,
}: InboxOptions): AppContext {
  const { deadAfterMs, landsMs } = timing
  // The server ends a dead replica's open transaction before the replica is pruned, so that its locks block nothing.
  const idleTimeoutMs = deadAfterMs / 2
  const database = openDatabase({ url, ca, serve: true, idleTimeoutMs })
  const clock = createDatabaseClock({ database, wall })
  const { now } = clock
  const context = { database, now, newId: createIds({ now }), random, hasOutbox, publish }
  const availability = createAvailability({
    database,
    onChange: (reason) => {
      onAvailability(reason)
      if (reason !== null) membership.wake()
    },
  })
  const replicas = createReplicas({ database, newName, deadAfterMs, landsMs, random })
  const store = createStore({ ...context, replicas, guard: availability.guard })
  const inbox = createInbox({ store, now, publish, onError })
  const membership = createMembership({
    database,
    replicas,
    availability,
    clock,
    timing,
    onPruned,
  })
  const { guard, reason: databaseReason } = availability
  const shared = { onError, signal, guard }
  return { ...shared, database, context, now, random, inbox, replicas, membership, databaseReason }
}
