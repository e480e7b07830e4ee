import { html } from 'ghtml'
import type { Shown } from '../../../operators/changes/operations.ts'
import type { Neighbors } from '../../../operators/find/neighbors.ts'
import type { GivenAnswers } from '../../../queue/shop-answers.ts'
import type { Withdrawal } from '../../../queue/withdrawal-row.ts'
import type { DeliveryEvent } from '../../../sale/types.ts'
import type { Crumb } from '../../layout/layout.ts'
import type { BreakerView } from '../../layout/live-state.ts'
import { refreshes } from '../../layout/refresh.ts'
import { TEXTS } from '../../layout/texts.ts'
import type { Session } from '../../session/sessions.ts'
import { attemptsHtml } from './attempts.ts'
import { coursesHtml } from './course-table.ts'
import { actionsHtml } from './delivery-actions.ts'
import { factsHtml, payloadHtml } from './delivery-facts.ts'
import { outcomeHtml } from './outcome.ts'
import { repliesHtml } from './replies.ts'
import { shopAnswersHtml } from './shop-answers.ts'
import { timelineHtml } from './timeline.ts'
import { isPending, withdrawalsHtml } from './withdrawals.ts'

const words = TEXTS.delivery

/** The answers to the shop are stored up to a second after they were given, and the page asks every two seconds. */
const FOLLOWED_MS = 5_000

/** What the page of a delivery shows. */
export interface DeliveryView {
  readonly delivery: Shown
  readonly events: readonly DeliveryEvent[]
  readonly answers: GivenAnswers
  readonly withdrawals: readonly Withdrawal[]
  /** Whether there is something to withdraw. */
  readonly canWithdraw: boolean
  /** Whether the shop gets events. */
  readonly tellsShop: boolean
  readonly breaker: BreakerView | null
  /** From the start of a round of the follow-up to the next one. */
  readonly followUpMs: number
  /** In ms since 1970. */
  readonly now: number
  /** The result of the form that led here, as escaped HTML. */
  readonly done: string
  readonly session: Session
  readonly base: string
  readonly lmsUrl: string
}

/** Returns the page of a delivery: first what to do, then what happened. It follows the delivery until it has settled. */
export function deliveryHtml(of: DeliveryView): string {
  const { delivery, events, answers, withdrawals, done, session, base, lmsUrl } = of
  const here = `${base}/deliveries/${delivery.id}`
  const poll = html`<div !${refreshes({ url: here, id: 'delivery', seconds: 2 })}></div>`
  const actions = actionsHtml({ ...of, session, here, replies: repliesHtml(delivery, lmsUrl) })
  return html`<div id="delivery" class="columns">
<div>!${isMoving(of) ? poll : ''}!${done}
!${outcomeHtml({ ...of, actions })}!${linksHtml(delivery, base)}
<h2>${words.courses}</h2>!${coursesHtml(delivery, lmsUrl)}
!${attemptsHtml(events)}!${shopAnswersHtml(answers)}!${withdrawalsHtml(withdrawals)}
<h2>${words.timeline}</h2>!${timelineHtml({ events })}</div>
<aside aria-label="${words.details}">!${factsHtml(delivery, lmsUrl)}!${payloadHtml(delivery)}</aside>
</div>`
}

/** Whether the page can change by itself: something is to be done, or was done just now. */
function isMoving({ delivery, withdrawals, events, now }: DeliveryView): boolean {
  const last = events.at(-1)
  const isRecent = last !== undefined && Math.abs(now - last.at) < FOLLOWED_MS
  return delivery.state === 'queued' || withdrawals.some(isPending) || isRecent
}

/** The buyer's name, and the way to everything about them. */
export function introHtml({ id, request }: Pick<Shown, 'id' | 'request'>, base: string): string {
  if (request === null) return ''
  const name = `${request.name} ${request.family}`.trim()
  return html`${name === '' ? '' : `${name} · `}<a href="${base}/people/${id}">${words.person}</a>`
}

/** The way back from a page below that of a delivery, which names the buyer. */
export const crumbsOf = ({ id, request }: { id: string; request: { readonly email: string } | null }): Crumb[] => [
  { path: '/deliveries', label: TEXTS.deliveries.title },
  { path: `/deliveries/${id}`, label: request?.email ?? words.untitled },
]

/** Links to the deliveries above and below in the list with these filters. */
export function neighborsHtml({ previous, next }: Neighbors, path: string, list: string): string[] {
  const link = (id: string | null, label: string): string =>
    id === null ? '' : html`<a href="${path}/${id}${list}">${label}</a>`
  return [link(previous, words.previousDelivery), link(next, words.nextDelivery)]
}

/** Links to the delivery that corrects this one, and to the one that it corrects. */
function linksHtml({ replaces, replacedBy }: Shown, base: string): string {
  const note = (text: string, id: string): string =>
    html`<p class="note">${text} <a href="${base}/deliveries/${id}">${id}</a>.</p>`
  return (
    (replacedBy === null ? '' : note(words.replacedNote, replacedBy)) +
    (replaces === null ? '' : note(words.replacesNote, replaces))
  )
}
