import type { Delivery, DeliveryEvent, Progress, Settlement, VerifiedWebhook } from '../sale/types.ts'
import { AppError, isUnreachable, noneIfUnreachable } from '../service/lib/errors.ts'
import { createWakeUp, untilStored } from '../service/lib/loop.ts'
import type { AnnouncedCall } from './attempt.ts'
import { claimDue } from './claim.ts'
import { createClaimed } from './claimed.ts'
import type { Change } from './events.ts'
import { createGroupCommit } from './group-commit.ts'
import { createRemoteResults } from './remote-results.ts'
import type { Store, Write, Written } from './store.ts'
import { answersSender, createWaiters, WAITING_MAX } from './waiters.ts'
import type { Withdrawn } from './withdrawals/withdrawal.ts'

/** What a webhook has become. `progress`: null if there was no result in time. */
export interface Submitted extends Omit<Change, 'progress' | 'drafts'> {
  readonly progress: Progress | null
  /** The id of the event that records this webhook. Absent if nothing was stored. */
  readonly eventId?: string
}

/** The queue as the webhook and the worker use it. Neither knows the other. */
export interface Inbox {
  /**
   * Stores the webhook, then waits until its delivery is settled or it is clear that it won't be before `deadline` (by
   * performance.now(); null: don't wait). Throws AppError database.unreachable if nothing was stored.
   */
  submit(webhook: VerifiedWebhook, deadline: number | null): Promise<Submitted>
  /**
   * Waits until withdrawals (see orderId) have all ended, on any replica. Resolves to null if they have not by `deadline`
   * (by performance.now(); null: don't wait), or when the inbox is closed.
   */
  withdrawn(of: { readonly ids: readonly string[]; readonly deadline: number | null }): Promise<Withdrawn | null>
  /**
   * Claims up to `max` due deliveries, oldest first, and all that a sender waits for; waits until there is at least one, or
   * until it is time to see whether one in an attempt was stopped, or whether there is room for more. A person has one claimed
   * delivery at a time, until it is settled or released. Throws what the database throws, but waits while it can't be reached.
   */
  claim(max: number, signal: AbortSignal): Promise<Delivery[]>
  isAwaited(id: string): boolean
  /**
   * Records that attempts of claimed deliveries begin, right before their first call to the LMS. Resolves to those that have
   * begun, now or before: an operator may have handled or erased one since it was claimed, the shop may have sent it again,
   * or another replica attempts it or another delivery of the person. None begins while the database is unavailable.
   */
  beginAttempt(ids: readonly string[]): Promise<ReadonlySet<string>>
  /** Whether the attempt has begun and is not settled. */
  hasBegun(id: string): boolean
  /**
   * Which attempts that have begun may go on: see mayContinue in attempt.ts. Stores what the next call may do to their buyers
   * before it is made. Throws what the database throws.
   */
  mayContinue(ids: readonly string[], call?: AnnouncedCall): Promise<ReadonlySet<string>>
  /** Whether the LMS may still carry out a call for a person that nobody waits for any more: see Holds. */
  mayLand(person: string): Promise<boolean>
  /** Ends the wait of a claim, because something was made due. */
  claimSoon(): void
  /** Ends claims without a result; nothing is stored. */
  release(ids: readonly string[]): void
  /**
   * Stores the result of each attempt, and answers the waiting senders. Resolves when all results are stored. One that came
   * without a call begins first; if it may not, its delivery stays in the queue.
   */
  settle(settlements: readonly Settlement[]): Promise<void>
  /** Stops claims until `resume`. Answers all waiting senders at once, because there will be no result for a while. */
  pause(): void
  resume(): void
  /** Ends the inbox: waiting senders learn that their delivery is kept, and results that can't be stored are dropped. */
  close(): void
}

/** The most writes of one transaction. */
const GROUP_MAX = 200
/**
 * Their size at most, about, in bytes. A statement of a group holds up to four times as much: MySQL gets a body in
 * hexadecimal digits, and beside it what was read from it. The smallest limit for a packet in use is MariaDB's, 16 MiB.
 */
const GROUP_BYTES = 1024 * 1024
/** How often to look for what is due, and whether an operator has stopped an attempt: the operator waits for it. */
const CLAIM_MS = 500

interface InboxParts {
  readonly store: Store
  readonly now: () => number
  /** Called with each event after it is stored. */
  readonly publish: (event: DeliveryEvent) => void
  /** Called with each database error except that it can't be reached. The work is retried. */
  readonly onError: (error: unknown) => void
}

/**
 * The queue between the webhook and the worker. The table is the queue; memory holds only the waiting senders and the
 * claims.
 */
export function createInbox(parts: InboxParts): Inbox {
  const state = createInboxState(parts)
  const { store, waiters, claimed, wakeUp } = state
  return {
    submit: (webhook, deadline) => submit(state, webhook, deadline),
    withdrawn: state.remote.withdrawn,
    claim: (max, signal) => claim(state, max, signal),
    isAwaited: waiters.isAwaited,
    beginAttempt: (ids) => beginAttempt(state, { ids, calls: true }),
    hasBegun: claimed.hasBegun,
    mayContinue: store.mayContinue,
    mayLand: store.mayLand,
    claimSoon: wakeUp.wake,
    release: (ids) => {
      claimed.release(ids)
      wakeUp.wake()
    },
    settle: async (settlements) => {
      await Promise.all(settlements.map((settlement) => settle(state, settlement)))
    },
    pause: () => {
      state.paused = true
      waiters.giveUp()
    },
    resume: () => {
      state.paused = false
      wakeUp.wake()
    },
    close: () => {
      state.closing.abort()
      waiters.giveUp()
    },
  }
}

function createInboxState({ store, now, publish, onError }: InboxParts) {
  const report = (error: unknown): void => {
    if (!isUnreachable(error)) onError(error)
  }
  const waiters = createWaiters({ max: WAITING_MAX, isAnswer: answersSender(now) })
  const claimed = createClaimed()
  const closing = new AbortController()
  return {
    store,
    publish,
    report,
    waiters,
    claimed,
    wakeUp: createWakeUp(),
    write: createGroupCommit<Write, Written>({
      write: store.write,
      max: GROUP_MAX,
      sizeOf,
      maxSize: GROUP_BYTES,
      isHopeless: isUnreachable,
    }),
    remote: createRemoteResults({ store, waiters, claimed, onError: report, signal: closing.signal }),
    closing,
    paused: false,
  }
}
type State = ReturnType<typeof createInboxState>

async function submit(state: State, webhook: VerifiedWebhook, deadline: number | null): Promise<Submitted> {
  const { write, publish, closing, waiters, remote, wakeUp } = state
  const { progress, events, ...written } = await write({ kind: 'accept', webhook }).catch(notStored)
  for (const event of events) publish(event)
  if (written.misusedId !== undefined) return { ...written, progress: null }
  const [event] = events // the first one records the webhook itself
  const of = { ...written, ...(event === undefined ? {} : { eventId: event.id }) }
  if (progress.state !== 'queued') return { ...of, progress }
  // Read now and not before the write: nobody would tell a sender who begins to wait after the pause.
  if (deadline === null || state.paused || closing.signal.aborted) {
    wakeUp.wake()
    return { ...of, progress: null }
  }
  const settled = waiters.wait({ id: of.id, generation: progress.generation, deadline })
  remote.follow()
  wakeUp.wake()
  return { ...of, progress: await settled }
}

async function claim(state: State, max: number, signal: AbortSignal): Promise<Delivery[]> {
  while (!signal.aborted) {
    const woken = state.wakeUp.listen()
    const deliveries = state.paused ? [] : await claimNow(state, max).catch(noneIfUnreachable)
    if (deliveries.length > 0) return deliveries
    await woken(CLAIM_MS, signal)
    if (max === 0 || state.claimed.anyBegun()) return []
  }
  return []
}

async function claimNow(state: State, max: number): Promise<Delivery[]> {
  const deliveries = await claimDue(state, max)
  if (!state.paused) return deliveries
  state.claimed.release(deliveries.map(({ id }) => id))
  return []
}

async function beginAttempt(
  { store, claimed, report }: State,
  { ids, calls }: { ids: readonly string[]; calls: boolean },
): Promise<ReadonlySet<string>> {
  const again = ids.filter(claimed.hasBegun)
  const first = ids.flatMap((id) => (claimed.hasBegun(id) ? [] : (claimed.attemptOf(id) ?? [])))
  if (first.length === 0) return new Set(again)
  const begun = await store.beginAttempt(first, { calls }).catch((error: unknown) => {
    report(error)
    return []
  })
  for (const id of begun) claimed.begin(id)
  return new Set([...again, ...begun])
}

/** The LMS already has the effect of the attempt, so the result is kept until the database stores it. */
async function settle(state: State, settlement: Settlement): Promise<void> {
  const { write, publish, claimed, waiters, wakeUp, closing, report } = state
  const { id } = settlement
  if (!claimed.hasBegun(id) && !(await beginAttempt(state, { ids: [id], calls: false })).has(id)) {
    claimed.release([id])
    return wakeUp.wake()
  }
  const person = claimed.attemptOf(id)?.person ?? id
  const store = (): Promise<Written> => write({ kind: 'settle', settlement, person })
  const stored = await untilStored(store, { onError: report, signal: closing.signal })
  if (stored === null) return
  claimed.release([id])
  for (const event of stored.events) publish(event)
  waiters.notify(id, stored.progress)
  wakeUp.wake()
}

/** See GROUP_BYTES. */
const sizeOf = (write: Write): number =>
  write.kind === 'accept'
    ? write.webhook.body.length + (write.webhook.reason?.subject.length ?? 0)
    : JSON.stringify(write.settlement).length

const notStored = (cause: unknown): never => {
  throw new AppError(
    'database.unreachable',
    'A sale could not be stored, so it was not accepted, and the shop has to send it again.',
    { cause },
  )
}
