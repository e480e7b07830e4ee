import type { Arrival, Delivery, Progress, Settlement } from '../delivery/types.ts'

/** The queue as the webhook and the worker see it. Neither knows the other. */
export interface Inbox {
  /**
   * Stores the arrival, then waits until it is settled or it is clear that it won't be before `deadline` (ms since
   * 1970; null: don't wait). Throws AppError database.unreachable, and then nothing is stored.
   */
  submit(arrival: Arrival, deadline: number | null): Promise<{ id: string; progress: Progress | null }>
  /**
   * Up to `max` due deliveries, oldest first, and all that a sender waits for; waits until there is one. A person has
   * one claimed delivery at a time, until it is settled or released. Gives none only after the signal is aborted. Throws
   * what the database throws, but waits for one that can't be reached.
   */
  claim(max: number, signal: AbortSignal): Promise<Delivery[]>
  isAwaited(id: string): boolean
  lastActivityAt(): Promise<number | null>
  /**
   * Whether a claimed delivery is still this replica's to work on. It isn't when the others have pruned this replica, as
   * after a pause of the whole process: then another one has it.
   */
  isMine(id: string): boolean
  /**
   * Notes that an attempt begins, right before its first call to the LMS. Gives the deliveries whose attempt may begin:
   * an operator may have handled or erased one since it was claimed, or the shop may have sent it again. None while the
   * database is away, because then nothing confirms whose they are.
   */
  beginAttempt(deliveries: readonly Pick<Delivery, 'id' | 'generation'>[]): Promise<ReadonlySet<string>>
  /** No call is under way for these deliveries: one that an operator has stopped can be released. */
  endCall(ids: readonly string[]): void
  /** Between two calls of an attempt: whether the delivery still is ours to work on. Throws what the database throws. */
  mayContinue(id: string): Promise<boolean>
  /** There are deliveries of no replica: the next claim looks for them at once. */
  claimOrphansSoon(): void
  /** Gives claimed deliveries back without a result; nothing is stored. */
  release(ids: readonly string[]): void
  /** Stores the result of each attempt, and answers those who wait. Ends when all of it is stored. */
  settle(settlements: readonly Settlement[]): Promise<void>
  /** Nothing can be claimed until `resume`, and nobody waits for an answer: there will be none for a while. */
  pause(): void
  resume(): void
  /** The end: senders who still wait learn that the delivery is kept, and results that can't be stored are dropped. */
  close(): void
}
