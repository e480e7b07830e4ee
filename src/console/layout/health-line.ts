import { html } from 'ghtml'
import type { BacklogCounts } from '../../operators/reports/counts.ts'
import { numberText, timeHtml } from './format.ts'
import { type BreakerView, isOpen } from './live-state.ts'
import { refreshes } from './refresh.ts'
import { fill, TEXTS } from './texts.ts'

const words = TEXTS.status

/** What every page shows beside its own content. */
export interface ConsoleStatus {
  /** null while the database can't be read. */
  readonly counts: BacklogCounts | null
  /** The state of the circuit breaker; null until the worker has started. */
  readonly breaker: BreakerView | null
  /** The unused share of the call budget, from 0 to 1; null until the worker has started. */
  readonly budget: number | null
}

/** Returns the line about the LMS, the queue and the call budget; it updates itself. */
export function healthHtml({ counts, breaker, budget }: ConsoleStatus, base: string): string {
  const kind = breaker?.kind ?? 'unknown'
  const since = breaker === null || !isOpen(breaker) ? '' : html` ${words.since} !${timeHtml(breaker.since)}`
  const queued =
    counts === null
      ? ''
      : html`<a href="${base}/deliveries?state=queued">${fill(words.queued, { count: numberText(counts.queued) })}</a>`
  const used =
    budget === null ? '' : html`<span>${fill(words.budget, { percent: `${Math.round((1 - budget) * 100)}` })}</span>`
  return html`<div id="health" !${refreshes({ url: `${base}/status`, id: 'health', seconds: 10 })}>
<span class="breaker ${kind}">${words.lms[kind]}!${since}</span> !${queued} !${used}</div>`
}
