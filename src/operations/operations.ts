import type { Delivery, DeliveryEvent, DeliveryState, Outcome } from '../delivery/types.ts'
import type { DeliveryFilter } from './filter.ts'

/** A delivery as one line of a list. Times are ms since 1970. */
export interface Summary {
  readonly id: string
  readonly state: DeliveryState
  /** As the shop sent them; null where its payload had none. */
  readonly email: string | null
  readonly username: string | null
  readonly courseIds: readonly string[]
  readonly receivedAt: number
  readonly activeAt: number
  readonly attempts: number
  readonly dueAt: number | null
  /** null: nothing has come of it yet, or what is stored can't be read. */
  readonly outcome: Outcome | null
}

export interface Page<Item> {
  readonly items: readonly Item[]
  /** For the next page; null: there is none. It stays good however many deliveries come in between. */
  readonly next: string | null
}

/**
 * A page of a search may be short, or empty, though there is a next one: so many deliveries are looked through for one
 * page and no more. `searchedBackTo` is then how far back (ms since 1970) this page came; else null.
 */
export interface Found extends Page<Summary> {
  readonly searchedBackTo: number | null
}

/** One delivery whole. `unreadable`: what keeps its row from being read; request and outcome are then null. */
export interface Shown extends Delivery {
  readonly activeAt: number
  readonly unreadable: string | null
}

/** What a replay did with each delivery that it was given. */
export interface Replayed {
  /** Due now. */
  readonly due: readonly string[]
  /**
   * Left as it was: there is none of this id, or it was rejected for its payload, which holds no sale that could be
   * worked on: the shop has to send it corrected.
   */
  readonly left: readonly { readonly id: string; readonly why: 'unknown' | 'payload.invalid' }[]
}

/** `already`: it is in that state, in which there is nothing to stop. */
export type Handled =
  | { readonly kind: 'handled' }
  | { readonly kind: 'already'; readonly state: 'succeeded' | 'handled' }
  | { readonly kind: 'unknown' }

/** A replay of all that a filter finds, in steps. `running` until it is `done` or somebody has stopped it. */
export interface BulkReplay {
  readonly id: string
  readonly filter: DeliveryFilter
  /** Whether those that succeeded are worked on again too. */
  readonly succeeded: boolean
  readonly by: string
  readonly startedAt: number
  readonly endedAt: number | null
  readonly state: 'running' | 'done' | 'stopped'
  /** How many it has made due, and how many there were at its start; null: more than `Preview.count` can say. */
  readonly replayed: number
  readonly total: number | null
  /** It works from the latest activity to the oldest, and has come back to this time (ms since 1970). */
  readonly cameTo: number
}

/**
 * `more`: there are more than `count`. `sample`: some of those with the latest activity. What was rejected for its
 * payload is counted, and passed over when it comes to it.
 */
export interface Preview {
  readonly count: number
  readonly more: boolean
  readonly sample: readonly Summary[]
}

/** Numbers of one UTC day, `YYYY-MM-DD`; each counts events, so that a delivery may be in several. */
export interface DayCounts {
  readonly day: string
  readonly received: number
  readonly repeated: number
  readonly succeeded: number
  readonly rejected: number
  readonly needsAttention: number
  readonly retries: number
}

export interface Overview {
  /** The last 30 UTC days, oldest first, without gaps; the last one is today. */
  readonly days: readonly DayCounts[]
  /** From received to the first success, over these days, in seconds; null without any. */
  readonly secondsToEnrollment: { readonly median: number; readonly p95: number; readonly count: number } | null
  /** Counted up to 10,000; `more`: there are more. */
  readonly waiting: { readonly count: number; readonly more: boolean }
  readonly needsAttention: { readonly count: number; readonly more: boolean }
  /** The one that was received first of those that wait; null: none waits. */
  readonly oldestWaiting: { readonly id: string; readonly receivedAt: number } | null
  /** How many services share the database and are alive. */
  readonly replicas: number
}

/**
 * What console and command line want from the inbox. `by` names who does it (at most 254 characters): each change is
 * an event with that actor, stored in the same transaction. Everything throws AppError database.unreachable while the
 * database is away.
 */
export interface Operations {
  /** Newest activity first. `limit`: at most 500 of one page; `after`: the `next` of the page before. */
  list(query: { filter: DeliveryFilter; limit?: number; after?: string | null }): Promise<Found>

  show(id: string): Promise<Shown | null>

  /** What happened to a delivery, oldest first; the last 500. */
  timeline(id: string): Promise<readonly DeliveryEvent[]>

  /** What operators changed, newest first. A bulk replay is one entry. Events of no delivery have '' as deliveryId. */
  audit(query: { limit?: number; after?: string | null }): Promise<Page<DeliveryEvent>>

  overview(): Promise<Overview>

  /** Makes deliveries due now, and nothing else: at most 500. Finished ones begin anew; who waits is not disturbed. */
  replay(order: { ids: readonly string[]; by: string }): Promise<Replayed>

  /** Somebody has taken care of it by other means: nothing is tried any more. A repeat or a replay revives it. */
  markHandled(order: { id: string; note: string; by: string }): Promise<Handled>

  /** What a bulk replay of this filter would make due. Those that succeeded are left out unless asked for. */
  previewReplay(query: { filter: DeliveryFilter; succeeded?: boolean }): Promise<Preview>

  /** Stores the order; the service, whichever replica, carries it out in steps, also after a restart. */
  startReplay(order: { filter: DeliveryFilter; succeeded?: boolean; by: string }): Promise<BulkReplay>

  /** null: there is none of this id. */
  bulkReplay(id: string): Promise<BulkReplay | null>

  /** The latest 20, newest first. */
  bulkReplays(): Promise<readonly BulkReplay[]>

  /** Nothing more is made due; what is already due stays so. null: there is none of this id. */
  stopReplay(order: { id: string; by: string }): Promise<BulkReplay | null>
}
