/** The state of the circuit breaker. `since` is in ms since 1970. */
export type BreakerReport =
  | { readonly kind: 'closed' | 'half_open' }
  | {
      readonly kind: 'down' | 'throttled' | 'misconfigured'
      readonly since: number
      readonly failure: { readonly message: string }
    }

/** After a successful probe, the next call may fail again; the LMS counts as available only after this time, ms. */
export const RECOVERY_MS = 60_000

/** The LMS can't be used. `since` is in ms since 1970. */
export interface Outage {
  readonly kind: 'down' | 'misconfigured'
  readonly since: number
  readonly message: string
}

export interface OutageWatch {
  /** Takes each change of the circuit breaker. */
  onBreaker(report: BreakerReport): void
  /** The outage, even if the LMS was available for moments since it began; null if there is none. */
  outage(): Outage | null
}

/**
 * Sees the outages of the LMS as this replica's circuit breaker reports them. A throttle is none: it ends without an
 * operator.
 * @param from.clock the monotonic clock, ms
 */
export function watchOutages({ clock }: { clock: () => number }): OutageWatch {
  let current: Outage | null = null
  let availableAt: number | null = null
  const outage = (): Outage | null => {
    if (availableAt !== null && clock() - availableAt >= RECOVERY_MS) {
      current = null
      availableAt = null
    }
    return current
  }
  return {
    onBreaker: (report) => {
      const before = outage()
      if (report.kind === 'down' || report.kind === 'misconfigured') {
        const { kind, since, failure } = report
        current = { kind, since: before?.since ?? since, message: failure.message }
        availableAt = null
      } else if (before !== null) availableAt ??= clock()
    },
    outage,
  }
}
