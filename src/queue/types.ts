import type { Delivery, Progress, Settlement, VerifiedWebhook } from '../sale/types.ts'
import type { Withdrawn } from './withdrawal-row.ts'

/** `progress`: null if there was no result in time. */
export interface Submitted {
  readonly id: string
  readonly progress: Progress | null
  /** The id of the event that records this webhook. Absent if nothing was stored. */
  readonly eventId?: string
  /** Set if the webhook-id is that of another sale: the number of course keys of that sale, whose progress this is. */
  readonly courseCount?: number
  /** The webhook-id is that of a refund: nothing was stored, and `id` is ''. */
  readonly isRefundId?: true
}

/** The queue as the webhook and the worker use it. Neither knows the other. */
export interface Inbox {
  /**
   * Stores the webhook, then waits until its delivery is settled or it is clear that it won't be before `deadline` (ms
   * since 1970; null: don't wait). Throws AppError database.unreachable if nothing was stored.
   */
  submit(webhook: VerifiedWebhook, deadline: number | null): Promise<Submitted>
  /**
   * Waits until withdrawals have all ended, on any replica. Resolves to null if they have not by `deadline` (ms
   * since 1970; null: don't wait), or when the inbox is closed.
   */
  withdrawn(of: { readonly ids: readonly string[]; readonly deadline: number | null }): Promise<Withdrawn | null>
  /**
   * Claims up to `max` due deliveries, oldest first, and all that a sender waits for; waits until there is at least one.
   * A person has one claimed delivery at a time, until it is settled or released. Resolves to none only after the signal
   * is aborted. Throws what the database throws, but waits while the database can't be reached.
   */
  claim(max: number, signal: AbortSignal): Promise<Delivery[]>
  isAwaited(id: string): boolean
  lastActivityAt(): Promise<number | null>
  /**
   * Whether a claimed delivery still belongs to this replica. It doesn't if the others have pruned this replica, for
   * example after a pause of the whole process: then another replica has it.
   */
  isMine(id: string): boolean
  /**
   * Records that attempts begin, right before their first call to the LMS. Resolves to the deliveries whose attempt may
   * begin: an operator may have handled or erased one since it was claimed, or the shop may have sent it again. Resolves
   * to none while the database is unavailable, because nothing confirms their owner then.
   */
  beginAttempt(deliveries: readonly Pick<Delivery, 'id' | 'generation'>[]): Promise<ReadonlySet<string>>
  /** No call is in flight for these deliveries any more: those that an operator has stopped can be released. */
  endCall(ids: readonly string[]): void
  /** Right before a call of an attempt: which deliveries are still ours. Throws what the database throws. */
  mayContinue(ids: readonly string[]): Promise<ReadonlySet<string>>
  /** Makes the next claim look for orphans at once. */
  claimOrphansSoon(): void
  /** Ends claims without a result; nothing is stored. */
  release(ids: readonly string[]): void
  /** Stores the result of each attempt, and answers the waiting senders. Resolves when all results are stored. */
  settle(settlements: readonly Settlement[]): Promise<void>
  /** Stops claims until `resume`. Answers all waiting senders at once, because there will be no result for a while. */
  pause(): void
  resume(): void
  /** Ends the inbox: waiting senders learn that their delivery is kept, and results that can't be stored are dropped. */
  close(): void
}
