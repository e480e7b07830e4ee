const PATIENCE_MS = 10 * 60_000
/** A probe may find the LMS well and the next call fail again: only so long after that it counts as well. */
const WELL_MS = 60_000

/** Calls `then` in `ms`; the returned function calls it off. */
export type Later = (ms: number, then: () => void) => () => void

/** How the LMS stands to us, as far as somebody has to be told. `since` is ms since 1970. */
export type BreakerReport =
  | { readonly kind: 'closed' | 'half_open' }
  | {
      readonly kind: 'down' | 'throttled' | 'misconfigured'
      readonly since: number
      readonly failure: { readonly message: string }
    }

export type Alert = Extract<BreakerReport, { since: number }>

/**
 * Tells of an LMS that has been down or misconfigured for 10 minutes, also if it was well for moments in between, and,
 * after that, that it is well again. Both once.
 */
export function watchAlertConditions({
  later,
  onAlert,
  onRecovered,
}: {
  later: Later
  onAlert: (trouble: Alert) => void
  onRecovered: () => void
}) {
  let trouble: Alert | null = null
  let told: 'not yet' | 'due' | 'told' = 'not yet'
  let callOffTelling: (() => void) | null = null
  let callOffWell: (() => void) | null = null

  const tell = (): void => {
    if (trouble === null || told === 'told') return
    const wellForNow = callOffWell !== null
    told = wellForNow ? 'due' : 'told'
    if (!wellForNow) onAlert(trouble)
  }
  const recover = (): void => {
    const wasTold = told === 'told'
    stop()
    trouble = null
    told = 'not yet'
    if (wasTold) onRecovered()
  }
  const stop = (): void => {
    callOffTelling?.()
    callOffWell?.()
    callOffTelling = null
    callOffWell = null
  }

  return {
    onBreaker: (report: BreakerReport): void => {
      callOffWell?.()
      callOffWell = null
      if (report.kind === 'throttled') return // it passes by itself
      if (!('since' in report)) {
        if (trouble !== null) callOffWell = later(WELL_MS, recover)
        return
      }
      trouble = { ...report, since: trouble?.since ?? report.since }
      callOffTelling ??= later(PATIENCE_MS, tell)
      if (told === 'due') tell()
    },
    stop,
  }
}
