import { html } from 'ghtml'
import type { Summary } from '../../../operators/changes/operations.ts'
import { REASONS, type Reason } from '../../../sale/reasons.ts'
import { reasonName, subjectText } from '../../../sale/words.ts'
import { agoHtml, durationText } from '../../layout/format.ts'
import { type BreakerView, isOpen } from '../../layout/live-state.ts'
import { fill, TEXTS } from '../../layout/texts.ts'

const words = TEXTS.listOutcome
const MINUTE_MS = 60_000
/** Shown as 0.1 s. */
const SHORTEST_MS = 100

/** What the outcome of a row depends on, beside its delivery. */
export interface Now {
  /** ms since 1970. */
  readonly now: number
  /** The circuit breaker; null until the worker has started. */
  readonly breaker: BreakerView | null
}

/** Returns in one short line what came of a delivery, or what it waits for. */
export function outcomeLineHtml(item: Summary, { now, breaker }: Now): string {
  const { state, outcome } = item
  switch (state) {
    case 'queued':
      return waitHtml(item, { now, breaker })
    case 'enrolled':
      return enrolledHtml(item)
    case 'pre_enrolled':
      return html`${accountText(item)}`
    case 'handled':
      return handledHtml(item)
    case 'withdrawn':
      return html`${words.withdrawn}`
    case 'needs_attention':
    case 'rejected':
      return html`${outcome === null || outcome.reason === null ? '' : reasonLine(outcome.reason)}`
  }
}

/** A reason in a few words. What a sender did wrong is named. */
const reasonLine = (reason: Reason): string =>
  REASONS[reason.code].subject === 'field_errors' ? subjectText(reason) : reasonName(reason.code)

function waitHtml({ attempts, dueAt }: Summary, { now, breaker }: Now): string {
  if (breaker !== null && isOpen(breaker)) {
    return html`<span title="${breaker.failure.message}">${words.waits[breaker.kind]}; ${words.continues}</span>`
  }
  if (attempts === 0 || dueAt === null || dueAt <= now) return html`${words.attempting}`
  return html`${words.next} !${agoHtml(dueAt)}`
}

/** How long the enrollment took. After a replay or a repeat, the first success counts, as the buyer saw it. */
function enrolledHtml({ receivedAt, settledAt, enrolledAt, replayedAt, standings }: Summary): string {
  const lost = Object.values(standings).find(({ standing }) => standing !== 'enrolled')
  if (lost !== undefined) return html`${words.standings[lost.standing]} ${words.since} !${agoHtml(lost.since)}`
  const at = replayedAt === null ? settledAt : enrolledAt
  if (at === null) return ''
  const took = Math.max(SHORTEST_MS, at - receivedAt)
  const time = took < MINUTE_MS ? `${(took / 1000).toFixed(1)} ${TEXTS.units.second}` : durationText(took)
  return html`${fill(words.in, { time })}`
}

function handledHtml({ isReplaced, handled }: Summary): string {
  if (isReplaced) return html`${words.replaced}`
  if (handled === null || handled.note === '') return html`${words.handled}`
  const { note, by } = handled
  return by === null ? html`“${note}”` : html`“${note}” ${fill(TEXTS.delivery.by, { actor: by })}`
}

/** What the last check found of the buyer's account. */
function accountText({ standings }: Summary): string {
  const waits = Object.values(standings).find(({ standing }) => standing !== 'enrolled')
  return waits === undefined ? words.unchecked : words.standings[waits.standing]
}
