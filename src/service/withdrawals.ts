import { isOpen } from '../enrollment/breaker-state.ts'
import type { CircuitBreaker } from '../enrollment/circuit-breaker.ts'
import type { openInbox } from '../inbox/open-inbox.ts'
import type { Budget } from '../openedx/budget.ts'
import type { Observer } from '../telemetry/observer.ts'
import type { WakeUp } from '../wake-up.ts'
import { runWithdrawals } from '../withdrawal/run-withdrawals.ts'

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
