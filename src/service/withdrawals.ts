import { isOpen } from '../enroll/breakers/breaker-state.ts'
import type { CircuitBreaker } from '../enroll/breakers/circuit-breaker.ts'
import { runWithdrawals } from '../enroll/withdraw/run-withdrawals.ts'
import type { Budget } from '../lms/client/budget.ts'
import type { openInbox } from '../queue/open-inbox.ts'
import type { WakeUp } from './lib/wake-up.ts'
import type { Observer } from './telemetry/observer.ts'

/** Carries out the withdrawals that were ordered, until the signal is aborted. */
export function startWithdrawals({
  opened: { context, replicas, availability, inbox, timing },
  observer,
  breaker,
  budget,
  wakeUp,
  signal,
}: {
  opened: Pick<ReturnType<typeof openInbox>, 'context' | 'replicas' | 'availability' | 'inbox' | 'timing'>
  observer: Observer
  breaker: CircuitBreaker
  budget: Budget
  wakeUp: WakeUp
  signal: AbortSignal
}): Promise<void> {
  return runWithdrawals({
    context,
    guard: availability.guard,
    replicas,
    lms: breaker.lms,
    acquire: () => budget.acquire(signal),
    landsMs: timing.landsMs,
    wakeUp,
    isOpen: () => isOpen(breaker.state()),
    onEvents: (events) => {
      for (const event of events) observer.onEvent(event)
      if (events.some(({ kind }) => kind === 'replayed')) inbox.claimOrphansSoon()
    },
    onError: observer.onError,
    signal,
  })
}
