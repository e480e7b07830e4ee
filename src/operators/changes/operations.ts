import type { Changes, Corrected, Correction } from '../../queue/correct.ts'
import type { Handled } from '../../queue/handle.ts'
import type { Replayed } from '../../queue/replay.ts'
import type { GivenAnswers } from '../../queue/shop-answers.ts'
import type { Withdrawable, WithdrawalOrder, WithdrawalOrdered } from '../../queue/withdraw.ts'
import type { Withdrawal } from '../../queue/withdrawal-row.ts'
import type {
  Delivery,
  DeliveryEvent,
  DeliveryState,
  EnrollmentRequest,
  Outcome,
  Source,
  Standings,
} from '../../sale/types.ts'
import type { DeliveryFilter } from '../find/filter.ts'
import type { Neighbors } from '../find/neighbors.ts'
import type { Overview } from '../find/overview.ts'
import type { Cause } from '../reports/causes.ts'
import type { Counted } from '../reports/counted.ts'
import type { StateCounts } from '../reports/counts.ts'
import type { Bar, CourseSales } from '../reports/sales.ts'
import type { TestSale, TestSold } from './test-sale.ts'

/** A delivery as one line of a list. Times are ms since 1970. */
export interface Summary {
  readonly id: string
  readonly state: DeliveryState
  /** As the shop sent them; null where its payload had none. */
  readonly email: string | null
  readonly username: string | null
  /** The first and the last name. */
  readonly name: string | null
  readonly courseIds: readonly string[]
  readonly receivedAt: number
  readonly activeAt: number
  readonly attempts: number
  readonly dueAt: number | null
  /** null if there is no result yet, or if the stored result can't be read. */
  readonly outcome: Outcome | null
  /** What the last check found in the LMS. */
  readonly standings: Standings
  /** When it got its state; null while it is queued. */
  readonly settledAt: number | null
  /** When its courses were first enrolled or pre-enrolled. */
  readonly enrolledAt: number | null
  readonly replayedAt: number | null
  readonly isReplaced: boolean
  /** Of a delivery that an operator marked as handled. */
  readonly handled: { readonly note: string; readonly by: string | null } | null
  readonly source: Source
  /** The webhook-id that it first came with; null if the shop signs without one. */
  readonly webhookId: string | null
}

export interface Page<Item> {
  readonly items: readonly Item[]
  /** The `after` of the next page; null if there is none. It stays valid when new deliveries arrive. */
  readonly next: string | null
}

/**
 * A page of a search can be short, or empty, although there is a next page, because one page reads a limited number of
 * deliveries. `searchedBackTo` is then the time (ms since 1970) that the search reached; else null.
 */
export interface Found extends Page<Summary> {
  readonly searchedBackTo: number | null
}

/** One delivery with all its data. `unreadable`: why its row can't be read; request and outcome are then null. */
export interface Shown extends Delivery {
  readonly activeAt: number
  readonly unreadable: string | null
}

/** One sale of a person, without its payload. `unreadable` as in Shown. */
export type Sale = Pick<
  Shown,
  | 'id'
  | 'state'
  | 'source'
  | 'receivedAt'
  | 'activeAt'
  | 'dueAt'
  | 'request'
  | 'outcome'
  | 'standings'
  | 'replacedBy'
  | 'unreadable'
>

/** The owner of an address, as the deliveries show them. */
export interface Person {
  /** As the newest sale has it; as it was asked for if there is no sale. */
  readonly email: string
  /** At most 100, the latest received first. */
  readonly sales: readonly Sale[]
  /** How many there are. */
  readonly salesCount: number
  /** What happened to these sales, oldest first: at most the last 500 events. */
  readonly timeline: readonly DeliveryEvent[]
  readonly hasMoreEvents: boolean
}

/** A replay of all deliveries that match a filter, in steps. `running` until it is `done` or an operator stops it. */
export interface BulkReplay {
  readonly id: string
  readonly filter: DeliveryFilter
  /** Whether it includes deliveries that are enrolled or pre-enrolled. */
  readonly enrolled: boolean
  readonly by: string
  readonly startedAt: number
  readonly endedAt: number | null
  readonly state: 'running' | 'done' | 'stopped'
  /** How many deliveries it made due, and how many matched at its start. */
  readonly replayed: number
  readonly total: number
  /** It replays from the latest activity to the oldest, and has reached this time (ms since 1970). */
  readonly reachedAt: number
}

/**
 * `left`: how many more match, but were rejected for their payload, so that they can't be replayed. `sample`: those that
 * can, with the latest activity.
 */
export interface Preview {
  readonly count: number
  readonly left: number
  readonly sample: readonly Summary[]
}

/** `planned`: the corrected sale, after the payload rules. The others are as in Corrected. */
export type PlannedCorrection =
  | { readonly kind: 'planned'; readonly request: EnrollmentRequest }
  | Exclude<Corrected, { kind: 'corrected' }>

/**
 * What operators can read and change, for the console and the command line. `by` names the operator (at most 254
 * characters): each change stores an event with that actor in the same transaction. Every function throws AppError
 * database.unreachable while the database is unavailable.
 */
export interface Operations {
  /** Lists deliveries, newest activity first. `limit`: at most 500; `after`: the `next` of the previous page. */
  list(query: { filter: DeliveryFilter; limit?: number; after?: string | null }): Promise<Found>

  show(id: string): Promise<Shown | null>

  /** Returns the last 500 events of a delivery, oldest first. */
  timeline(id: string): Promise<readonly DeliveryEvent[]>

  /** The sales of an address, in any letter case. Without a sale, the lists are empty. */
  person(email: string): Promise<Person>

  /** The same for the buyer of a delivery; null if the delivery does not exist, or names no address. */
  buyerOf(id: string): Promise<Person | null>

  /** Lists the changes by operators, newest first. A bulk replay is one entry. Events of no delivery have '' as deliveryId. */
  audit(query: { limit?: number; after?: string | null }): Promise<Page<DeliveryEvent>>

  /** Returns these deliveries as lines of a list, without those that don't exist any more: at most some hundred. */
  summaries(ids: readonly string[]): Promise<readonly Summary[]>

  overview(): Promise<Overview>

  /** Groups the deliveries that need attention or were rejected by reason and course, the most frequent first. */
  causes(query?: { states?: readonly ('needs_attention' | 'rejected')[] }): Promise<readonly Cause[]>

  /** Counts the deliveries by state, each once. A count that takes long is followed by the one before; see Counted. */
  countByState(): Promise<Counted<StateCounts>>

  /** Counts the sales between these times (ms since 1970, ascending), each once by its state now; see salesBySpan. */
  sales(bounds: readonly number[]): Promise<Counted<readonly Bar[]>>

  /** Counts the sales of the last 30 days by their first course and their state. */
  salesByCourse(): Promise<Counted<readonly CourseSales[]>>

  /** Returns the deliveries above and below a delivery in the list with this filter. */
  neighbors(query: { id: string; filter: DeliveryFilter }): Promise<Neighbors>

  /** What the shop was answered about a delivery. See readAnswers. */
  answers(id: string): Promise<GivenAnswers>

  /** Makes at most 500 deliveries due now. Settled deliveries start again; an attempt in progress is not disturbed. */
  replay(order: { ids: readonly string[]; by: string }): Promise<Replayed>

  /**
   * Records that an operator took care of a delivery by other means, in any state: attempts stop. A repeat or a replay
   * starts it again.
   */
  markHandled(order: { id: string; note: string; by: string }): Promise<Handled>

  /**
   * Replaces a delivery by a corrected one with another address or other courses. The old one becomes handled, and is
   * withdrawn if the correction says so. Resolves when no call to the LMS for the old one is in flight.
   */
  correct(correction: Correction): Promise<Corrected>

  /** Shows what a correction would store, or why it is refused. Changes nothing. */
  previewCorrection(correction: Changes & { id: string }): Promise<PlannedCorrection>

  /** What a delivery can be withdrawn from; null if it does not exist, or if its row can't be read. */
  withdrawable(id: string): Promise<Withdrawable | null>

  /**
   * Stores an order to take the buyer out of courses that the delivery reported. Any replica of the service carries it
   * out, even after a restart. A queued delivery becomes handled at once.
   */
  withdraw(order: WithdrawalOrder): Promise<WithdrawalOrdered>

  /** Returns the latest 20 orders for a delivery, newest first. */
  withdrawals(id: string): Promise<readonly Withdrawal[]>

  /** Stores a sale as if the shop had sent it, marked as a test. */
  testSale(sale: TestSale): Promise<TestSold>

  /** Shows what a bulk replay of this filter makes due. It excludes enrolled and pre-enrolled ones unless `enrolled` is true. */
  previewReplay(query: { filter: DeliveryFilter; enrolled?: boolean }): Promise<Preview>

  /** Stores a bulk replay. Any replica of the service runs it in steps, even after a restart. */
  startReplay(order: { filter: DeliveryFilter; enrolled?: boolean; by: string }): Promise<BulkReplay>

  /** Returns null if it does not exist. */
  bulkReplay(id: string): Promise<BulkReplay | null>

  /** What came of the deliveries of a bulk replay. Those that were deleted since are not counted. */
  replayResults(id: string): Promise<StateCounts>

  /** Returns the latest 20, newest first. */
  bulkReplays(): Promise<readonly BulkReplay[]>

  /** Stops a bulk replay; deliveries that are already due stay due. Returns null if it does not exist. */
  stopReplay(order: { id: string; by: string }): Promise<BulkReplay | null>
}
