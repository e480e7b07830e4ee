import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import type { Shown } from '../../../operators/find/listing.ts'
import { eventOfState } from '../../../queue/outbox/outbox.ts'
import { isStopped, REASONS } from '../../../sale/types.ts'
import { csrfField, seenField } from '../../layout/elements.ts'
import { TEXTS } from '../../layout/texts.ts'

const words = TEXTS.delivery
export const NOTE_MAX = 1000

/** By the end of their addresses. */
const ACTIONS = ['replay', 'check', 'correct', 'withdraw', 'send-again', 'handled'] as const
type Action = (typeof ACTIONS)[number]
const LABELS: Readonly<Record<Action, string>> = { ...words, 'send-again': words.sendAgain }

/**
 * What an operator can do with a delivery: first what its state asks for, the rest on demand.
 * @param of.canWithdraw whether there is something to withdraw
 * @param of.tellsShop whether the shop gets events
 * @param of.replies the texts to copy, as escaped HTML
 */
export function actionsHtml(of: {
  delivery: Shown
  request: FastifyRequest
  here: string
  canWithdraw: boolean
  tellsShop: boolean
  replies: string
}): string {
  const { delivery, canWithdraw, tellsShop, replies } = of
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
!${replies}
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

function actionHtml(
  of: { request: FastifyRequest; delivery: Pick<Shown, 'state' | 'lastEvent'>; here: string },
  action: Action,
  look: string,
): string {
  const { state, lastEvent } = of.delivery
  const [url, label] = [`${of.here}/${action}`, LABELS[action]]
  const csrf = csrfField(of.request) + seenField(lastEvent)
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
