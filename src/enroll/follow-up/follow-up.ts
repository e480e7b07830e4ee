import type { AppContext } from '../../queue/open-inbox.ts'
import { createTaskLease, type TaskLease } from '../../queue/replicas/task-lease.ts'
import { type Background, runBackgroundLoop } from '../../service/lib/background-loop.ts'
import { pause } from '../../service/lib/pause.ts'
import type { Asking } from './look-ups.ts'
import { type ApplyMode, followUpRound, ROUND_OVER, type RoundResult } from './round.ts'
import { areSalesWaitedFor } from './waiting-sales.ts'

/** The time from the start of a round to the next one. */
export const FOLLOW_UP_MS = 15 * 60_000
/** How long the lease lasts after a renewal: longer than a call to the LMS takes. */
const LEASE_MS = 60_000
/** How often a replica without the lease tries to take it. */
const POLL_MS = 30_000
/** The least rest after a round, and the rest after one that failed. */
const AGAIN_MS = 60_000
/** A call is put off while a sale is waited for, but no longer than this, so that a busy shop doesn't end the follow-up. */
const PUT_OFF_MS = 30_000
const PUT_OFF_POLL_MS = 250
/** An LMS without search_emails is asked for 30 accounts a minute: 9 to 12 ms of its time each. */
const SLOW_REST_MS = 2_000

interface FollowUpOptions
  extends Background,
    Pick<AppContext, 'context' | 'publish'>,
    Pick<Asking, 'lms' | 'acquire' | 'isModePending'> {
  readonly applyMode: ApplyMode
  readonly replicas: Pick<AppContext['replicas'], 'me' | 'beat'>
  /** Whether calls to the LMS have no chance now: its circuit breaker is open. */
  readonly isLmsUnavailable: () => boolean
  /** FOLLOW_UP_MS, but for the sandbox and tests. */
  readonly intervalMs: number
  /** Called after each round. */
  readonly onRound: (result: RoundResult) => void
}

/**
 * Follows up the pre-enrolled buyers, in rounds, until the signal is aborted: who has registered is found, and the
 * delivery says so. One replica at a time does it; another one continues after it dies. A round makes no call while the
 * LMS is unavailable, and gives way to sales that a shop waits for.
 */
export function runFollowUp(options: FollowUpOptions): Promise<void> {
  const { context, guard, replicas, intervalMs, isLmsUnavailable, onRound, signal } = options
  const lease = createTaskLease({
    database: context.database,
    name: 'follow-up',
    me: replicas.me,
    forMs: LEASE_MS,
    longestMs: Math.max(LEASE_MS, intervalMs),
    clock: () => performance.now(),
  })
  const pollMs = Math.min(POLL_MS, intervalMs)
  const round = async (): Promise<number> => {
    if (isLmsUnavailable() || !(await guard(lease.take))) return pollMs
    const began = performance.now()
    const result = await followUpRound({ ...options, asking: askingOf(options, lease) })
    const restMs = signal.aborted ? 0 : restAfter({ result, tookMs: performance.now() - began, intervalMs })
    await guard(() => lease.rest(restMs))
    onRound(result)
    return Math.min(pollMs, restMs)
  }
  return runBackgroundLoop({ ...options, round, againMs: pollMs })
}

/** What each call of a round waits for. */
function askingOf(
  { context, guard, lms, acquire, isModePending, isLmsUnavailable, signal }: FollowUpOptions,
  lease: TaskLease,
): Asking {
  const { db } = context.database
  const assertMay = async (): Promise<void> => {
    if (signal.aborted || isLmsUnavailable() || !(await guard(lease.hold))) throw ROUND_OVER
  }
  return {
    lms,
    isModePending,
    acquire: () =>
      acquire().catch((error: unknown) => {
        throw signal.aborted ? ROUND_OVER : error
      }),
    beforeCall: async () => {
      await assertMay()
      for (const end = performance.now() + PUT_OFF_MS; performance.now() < end; await assertMay()) {
        if (!(await guard(() => areSalesWaitedFor({ db, now: context.now() })))) return
        await pause(PUT_OFF_POLL_MS, signal)
      }
    },
    rest: () => pause(SLOW_REST_MS, signal),
  }
}

function restAfter({
  result,
  tookMs,
  intervalMs,
}: {
  result: RoundResult
  tookMs: number
  intervalMs: number
}): number {
  const rest = Math.max(intervalMs - tookMs, Math.min(AGAIN_MS, intervalMs))
  if (result.complete) return rest
  return Math.min(intervalMs, Math.max(AGAIN_MS, result.failure?.retryAfterMs ?? 0))
}
