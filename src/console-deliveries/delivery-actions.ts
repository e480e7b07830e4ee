import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import { csrfField } from '../console-layout/layout.ts'
import { TEXTS } from '../console-layout/texts.ts'
import { eventOfState } from '../delivery/shop-view.ts'
import { isStopped } from '../delivery/types.ts'
import type { Shown } from '../operations/operations.ts'
import type { Session } from '../session/sessions.ts'

const words = TEXTS.delivery
export const NOTE_MAX = 1000

/** The name of a result that the page can show above a delivery. */
export type Done = keyof typeof words.done

/** Shows the result of the form that led to this page. The address can select only one of these texts. */
export function doneHtml(
  request: FastifyRequest,
  texts: Readonly<Record<string, { grade: string; text: string }>> = words.done,
): string {
  const name = new URL(request.url, 'http://console').searchParams.get('done')
  const [, message] = Object.entries(texts).find(([one]) => one === name) ?? []
  return message === undefined ? '' : html`<p class="note ${message.grade}" role="status">${message.text}</p>`
}

/**
 * What an operator can do with a delivery.
 * @param of.canWithdraw whether there is something to withdraw
 * @param of.tellsShop whether the shop gets events
 */
export function actionsHtml(of: {
  delivery: Shown
  session: Session
  here: string
  canWithdraw: boolean
  tellsShop: boolean
}): string {
  const { delivery, session, here, canWithdraw, tellsShop } = of
  const { state, outcome, replacedBy, request } = delivery
  const csrf = csrfField(session)
  const replayable = outcome?.reason?.code !== 'payload.invalid'
  const button = (path: string, label: string, look: string): string =>
    html`<form method="post" action="${here}/${path}">!${csrf}<button class="${look}">${label}</button></form>`
  const link = (path: string, label: string): string =>
    html`<a class="button second" href="${here}/${path}">${label}</a>`
  const handled = html`<details><summary>${words.handled}</summary>
<form method="post" action="${here}/handled" class="stack">!${csrf}<p>${words.handledHelp}</p>
<label for="note">${words.note}</label><textarea id="note" name="note" rows="2" required maxlength="${NOTE_MAX}"></textarea>
<button class="second">${words.markHandled}</button></form></details>`
  return html`<div class="actions">!${replayable ? button('replay', words.replay, '') : ''}
!${state === 'queued' || request === null ? '' : button('check', words.check, 'second')}
!${replacedBy === null || !isStopped(state) ? link('correct', words.correct) : ''}!${canWithdraw ? link('withdraw', words.withdraw) : ''}
!${tellsShop && eventOfState(state) !== null ? button('send-again', words.sendAgain, 'second') : ''}
!${state === 'handled' ? '' : handled}</div>`
}
