import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import type { Shown } from '../../../operators/changes/operations.ts'
import { eventOfState } from '../../../queue/outbox/outbox.ts'
import { REASONS } from '../../../sale/reasons.ts'
import { isStopped } from '../../../sale/types.ts'
import { csrfField } from '../../layout/layout.ts'
import { type BreakerView, isOpen } from '../../layout/live-state.ts'
import { TEXTS } from '../../layout/texts.ts'
import type { Session } from '../../session/sessions.ts'

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
 * The result of the form that led to a delivery's page. A replay is shown only until the delivery settles: then the page
 * shows its result, and an earlier promise would contradict it.
 */
export function deliveryDoneHtml(of: {
  request: FastifyRequest
  delivery: Pick<Shown, 'state'>
  breaker: BreakerView | null
}): string {
  const waits = of.breaker !== null && isOpen(of.breaker)
  const replayed = of.delivery.state !== 'queued' ? 'replayedDone' : waits ? 'replayedWaits' : 'replayed'
  return doneHtml(of.request, { ...words.done, replayed: words.done[replayed] })
}

/**
 * What an operator can do with a delivery: first what its state asks for, the rest on demand.
 * @param of.canWithdraw whether there is something to withdraw
 * @param of.tellsShop whether the shop gets events
 * @param of.replies the texts to copy, as escaped HTML
 */
export function actionsHtml(of: {
  delivery: Shown
  session: Session
  here: string
  canWithdraw: boolean
  tellsShop: boolean
  replies: string
}): string {
  const { delivery, canWithdraw, tellsShop, replies } = of
  const { state, outcome, replacedBy, request } = delivery
  const code = outcome?.reason?.code
  const canReplay = code === undefined || REASONS[code].state !== 'rejected'
  const canCheck = state !== 'queued' && request !== null
  const canCorrect = replacedBy === null || !isStopped(state)
  const all = [
    ...(canReplay ? ['replay' as const] : []),
    ...(canCheck ? ['check' as const] : []),
    ...(canCorrect ? ['correct' as const] : []),
    ...(canWithdraw ? ['withdraw' as const] : []),
    ...(tellsShop && eventOfState(state) !== null ? ['send-again' as const] : []),
    ...(state === 'handled' ? [] : ['handled' as const]),
  ]
  const wanted = firstOf(delivery)
  const first = wanted.filter((one) => all.includes(one))
  const more = all.filter((one) => !first.includes(one)).map((one) => actionHtml(of, one, 'second'))
  const rest =
    more.length === 0
      ? ''
      : html`<details class="more"><summary class="button second">${words.more}</summary><div class="actions">!${more.join('\n')}</div></details>`
  return html`<div class="actions">!${first.map((one, index) => actionHtml(of, one, index === 0 ? '' : 'second')).join('\n')}
!${replies}
!${rest}</div>`
}

type Action = 'replay' | 'check' | 'correct' | 'withdraw' | 'send-again' | 'handled'

/** What helps most likely, the likeliest first. */
function firstOf({ state, outcome }: Pick<Shown, 'state' | 'outcome'>): readonly Action[] {
  const code = outcome?.reason?.code
  const waitsFor = code === undefined ? null : REASONS[code].waitsFor
  if (state === 'pre_enrolled') return ['check', 'correct']
  if (state === 'enrolled') return ['check', 'withdraw']
  if (state === 'rejected' || waitsFor === 'buyer') return ['correct', 'handled']
  if (state === 'needs_attention') return ['replay', 'correct', 'handled']
  return ['replay']
}

function actionHtml({ session, here }: { session: Session; here: string }, action: Action, look: string): string {
  const csrf = csrfField(session)
  const link = (label: string): string => html`<a class="button ${look}" href="${here}/${action}">${label}</a>`
  const button = (label: string): string =>
    html`<form method="post" action="${here}/${action}">!${csrf}<button class="${look}">${label}</button></form>`
  switch (action) {
    case 'replay':
      return button(words.replay)
    case 'check':
      return button(words.check)
    case 'send-again':
      return button(words.sendAgain)
    case 'correct':
      return link(words.correct)
    case 'withdraw':
      return link(words.withdraw)
    case 'handled':
      return html`<details><summary class="button second">${words.handled}</summary>
<form method="post" action="${here}/handled" class="stack">!${csrf}<p>${words.handledHelp}</p>
<label for="note">${words.note}</label><textarea id="note" name="note" rows="2" required maxlength="${NOTE_MAX}"></textarea>
<button class="second">${words.markHandled}</button></form></details>`
  }
}
