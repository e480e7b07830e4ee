/** The LMS must be unavailable for this long before an alert. */
const PATIENCE_MS = 10 * 60_000
/** After a successful probe, the next call may fail again; the LMS counts as recovered only after this time. */
const RECOVERY_MS = 60_000

/** Calls `then` after `ms`; the returned function cancels it. */
export type Later = (ms: number, then: () => void) => () => void

/** The state of the circuit breaker. `since` is in ms since 1970. */
export type BreakerReport =
  | { readonly kind: 'closed' | 'half_open' }
  | {
      readonly kind: 'down' | 'throttled' | 'misconfigured'
      readonly since: number
      readonly failure: { readonly message: string }
    }

export type Alert = Extract<BreakerReport, { since: number }>

/**
 * Calls `onAlert` once when the LMS has been down or misconfigured for 10 minutes, even if it was available for moments
 * in between, and then `onRecovered` once when it is available again.
 */
export function watchAlertConditions({
  later,
  onAlert,
  onRecovered,
}: {
  later: Later
  onAlert: (alert: Alert) => void
  onRecovered: () => void
}) {
  let alert: Alert | null = null
  let sent: 'no' | 'pending' | 'yes' = 'no'
  let cancelAlert: (() => void) | null = null
  let cancelRecovery: (() => void) | null = null

  const sendAlert = (): void => {
    if (alert === null || sent === 'yes') return
    const isRecovering = cancelRecovery !== null
    sent = isRecovering ? 'pending' : 'yes'
    if (!isRecovering) onAlert(alert)
  }
  const recover = (): void => {
    const wasSent = sent === 'yes'
    stop()
    alert = null
    sent = 'no'
    if (wasSent) onRecovered()
  }
  const stop = (): void => {
    cancelAlert?.()
    cancelRecovery?.()
    cancelAlert = null
    cancelRecovery = null
  }

  return {
    onBreaker: (report: BreakerReport): void => {
      cancelRecovery?.()
      cancelRecovery = null
      if (report.kind === 'throttled') return // a throttle ends without an operator
      if (!('since' in report)) {
        if (alert !== null) cancelRecovery = later(RECOVERY_MS, recover)
        return
      }
      alert = { ...report, since: alert?.since ?? report.since }
      cancelAlert ??= later(PATIENCE_MS, sendAlert)
      if (sent === 'pending') sendAlert()
    },
    stop,
  }
}
