import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import type { Shown } from '../../../operators/find/listing.ts'
import { eventOfState } from '../../../queue/outbox/outbox.ts'
import type { DeliverySentence } from '../../../sale/delivery-sentence.ts'
import { isStopped, REASONS } from '../../../sale/types.ts'
import { csrfField, seenField } from '../../layout/elements.ts'
import { agoHtml, durationText, sentenceHtml, timeHtml } from '../../layout/format.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import { type BreakerView, isOpen } from '../../parts.ts'
import { repliesHtml } from './replies.ts'

const words = TEXTS.delivery
const outcomeWords = TEXTS.outcome
export const NOTE_MAX = 1000

/** By the end of their addresses. */
const ACTIONS = ['replay', 'check', 'correct', 'withdraw', 'send-again', 'handled'] as const
type Action = (typeof ACTIONS)[number]
const LABELS: Readonly<Record<Action, string>> = { ...words, 'send-again': words.sendAgain }

interface Box {
  readonly request: FastifyRequest
  readonly delivery: Shown
  /** What is true of it. */
  readonly sentence: DeliverySentence
  /** The address of its page. */
  readonly here: string
  /** While it is open, a queued delivery waits for the LMS. */
  readonly breaker: BreakerView | null
  /** The time between two checks of who has registered. */
  readonly followUpMs: number
  /** Whether there is something to withdraw, and whether the shop gets events. */
  readonly canWithdraw: boolean
  readonly tellsShop: boolean
  readonly lmsUrl: string
}

/** Returns the box at the top of a delivery's page: its state, the reason, what an operator has to do, and the means. */
export function boxHtml(of: Box): string {
  const { delivery, sentence, breaker, followUpMs } = of
  const { state, outcome, unreadable } = delivery
  const actions = actionsHtml(of)
  if (unreadable !== null) {
    return html`<div class="note bad"><h2>${outcomeWords.unreadable}</h2><p>${unreadable}</p>!${actions}</div>`
  }
  const { title, grade } = outcomeWords.states[state]
  const reason = outcome?.reason ?? null
  const isOver = isStopped(state)
  const todo = reason === null || isOver ? '' : html` ${REASONS[reason.code].todo}`
  const checks =
    state === 'pre_enrolled' ? html` ${fill(outcomeWords.checkedEvery, { interval: durationText(followUpMs) })}` : ''
  const next = state === 'queued' ? waitHtml(delivery, breaker) : ''
  const look = sentence.situation === 'lost' ? 'warning' : grade
  return html`<div class="note ${look}"><div aria-live="polite"><h2>${title}</h2><p>!${sentenceHtml(sentence)}!${todo}!${checks}</p></div>!${next}!${actions}</div>`
}

/** Why a queued delivery waits, and until when. */
function waitHtml({ dueAt }: Pick<Shown, 'dueAt'>, breaker: BreakerView | null): string {
  if (breaker !== null && isOpen(breaker)) {
    const { kind, since, probeAt, failure } = breaker
    return html`<p>${fill(outcomeWords.waits[kind], { reason: failure.message })} ${outcomeWords.since} !${agoHtml(since)}. ${outcomeWords.probedAt} !${timeHtml(probeAt, 'seconds')}.</p>`
  }
  return dueAt === null ? '' : html`<p>${outcomeWords.nextAttemptAt} !${timeHtml(dueAt, 'seconds')}.</p>`
}

/** What an operator can do with a delivery: first what its state asks for, the rest on demand. */
function actionsHtml(of: Box): string {
  const { delivery, canWithdraw, tellsShop } = of
  const { state, outcome, replacedBy } = delivery
  const code = outcome?.reason?.code
  const possible: Readonly<Record<Action, boolean>> = {
    replay: code === undefined || REASONS[code].state !== 'rejected',
    check: state !== 'queued' && delivery.request !== null,
    correct: replacedBy === null || !isStopped(state),
    withdraw: canWithdraw,
    'send-again': tellsShop && eventOfState(state) !== null,
    handled: state !== 'handled',
  }
  const all = ACTIONS.filter((one) => possible[one])
  const wanted = firstOf(delivery)
  const first = wanted.filter((one) => all.includes(one))
  const more = all.filter((one) => !first.includes(one)).map((one) => actionHtml(of, one, 'second'))
  const rest =
    more.length === 0
      ? ''
      : html`<details class="more" id="more"><summary class="button second">${words.more}</summary><div class="actions">!${more.join('\n')}</div></details>`
  return html`<div class="actions">!${first.map((one, index) => actionHtml(of, one, index === 0 ? '' : 'second')).join('\n')}
!${repliesHtml(of)}
!${rest}</div>`
}

/** What helps most likely, the likeliest first. */
function firstOf({ state, outcome }: Pick<Shown, 'state' | 'outcome'>): readonly Action[] {
  const code = outcome?.reason?.code
  const waitsFor = code === undefined ? null : REASONS[code].waitsFor
  if (state === 'pre_enrolled') return ['check', 'correct']
  if (state === 'enrolled') return ['check', 'withdraw']
  if (isStopped(state)) return []
  if (state === 'rejected' || waitsFor === 'buyer') return ['correct', 'handled']
  if (state === 'needs_attention') return ['replay', 'correct', 'handled']
  return ['replay']
}

function actionHtml({ request, delivery, here }: Box, action: Action, look: string): string {
  const { state, lastEvent } = delivery
  const [url, label] = [`${here}/${action}`, LABELS[action]]
  const csrf = csrfField(request) + seenField(lastEvent)
  switch (action) {
    case 'replay':
      return isStopped(state)
        ? html`<details><summary class="button second">${words.reopen}</summary>
<form method="post" action="${url}" class="stack">!${csrf}<p>${words.reopens[state]}</p>
<button class="second">${words.replayAnyway}</button></form></details>`
        : html`<form method="post" action="${url}">!${csrf}<button class="${look}">${label}</button></form>`
    case 'check':
    case 'send-again':
      return html`<form method="post" action="${url}" id="do-${action}">!${csrf}<button class="${look}">${label}</button></form>`
    case 'correct':
    case 'withdraw':
      return html`<a class="button ${look}" id="do-${action}" href="${url}">${label}</a>`
    case 'handled':
      return html`<details id="do-${action}"><summary class="button second">${label}</summary>
<form method="post" action="${url}" class="stack">!${csrf}<p>${words.handledHelp}</p>
<label for="note">${words.note}</label><textarea id="note" name="note" rows="2" required maxlength="${NOTE_MAX}"></textarea>
<button class="second">${words.markHandled}</button></form></details>`
  }
}
