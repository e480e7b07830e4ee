import { html } from 'ghtml'
import type { Shown } from '../../../operators/changes/operations.ts'
import { REASONS } from '../../../sale/reasons.ts'
import { reasonSentence } from '../../../sale/words.ts'
import { agoHtml, durationText, timeHtml } from '../../layout/format.ts'
import { type BreakerView, isOpen } from '../../layout/live-state.ts'
import { fill, TEXTS } from '../../layout/texts.ts'

const words = TEXTS.outcome

/**
 * Returns the box at the top of a delivery's page: its state, the reason, what an operator has to do, and the means.
 * @param of.breaker the circuit breaker: while it is open, a queued delivery waits for the LMS
 * @param of.followUpMs the time between two checks of who has registered
 * @param of.actions the forms, as escaped HTML
 */
export function outcomeHtml(of: {
  delivery: Shown
  breaker: BreakerView | null
  followUpMs: number
  actions: string
}): string {
  const { delivery, breaker, followUpMs, actions } = of
  const { state, outcome, unreadable } = delivery
  if (unreadable !== null) {
    return html`<div class="note bad"><h2>${words.unreadable}</h2><p>${unreadable}</p>!${actions}</div>`
  }
  const { title, grade } = words.states[state]
  const reason = outcome?.reason ?? null
  const why = reason === null ? '' : html`<p>${reasonSentence(reason)} ${REASONS[reason.code].todo}</p>`
  const says = fill(words.states[state].text, { interval: durationText(followUpMs) })
  const text = reason === null || state === 'handled' ? html`<p>${says}</p>` : ''
  const next = state === 'queued' ? waitHtml(delivery, breaker) : ''
  return html`<div class="note ${grade}"><h2>${title}</h2>!${text}!${why}!${next}!${actions}</div>`
}

/** Why a queued delivery waits, and until when. */
function waitHtml({ dueAt }: Pick<Shown, 'dueAt'>, breaker: BreakerView | null): string {
  if (breaker !== null && isOpen(breaker)) {
    const { kind, since, probeAt, failure } = breaker
    return html`<p>${fill(words.waits[kind], { reason: failure.message })} ${words.since} !${agoHtml(since)}. ${words.probedAt} !${timeHtml(probeAt, 'seconds')}.</p>`
  }
  return dueAt === null ? '' : html`<p>${words.nextAttemptAt} !${timeHtml(dueAt, 'seconds')}.</p>`
}
