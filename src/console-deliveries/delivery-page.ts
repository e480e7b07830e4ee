import type { FastifyInstance } from 'fastify'
import { html } from 'ghtml'
import { stateHtml, supportUrl, testHtml, timeHtml } from '../console-layout/format.ts'
import { formOf, sessionOf } from '../console-layout/guard.ts'
import { sendPage } from '../console-layout/layout.ts'
import { TEXTS } from '../console-layout/texts.ts'
import type { DeliveryEvent } from '../delivery/types.ts'
import type { CheckedNow } from '../follow-up/check-now.ts'
import type { Operations, Shown } from '../operations/operations.ts'
import type { Withdrawal } from '../operations/withdrawal-row.ts'
import type { Session } from '../session/sessions.ts'
import type { Site } from '../session/site.ts'
import { actionsHtml, type Done, doneHtml, NOTE_MAX } from './delivery-actions.ts'
import { coursesHtml, outcomeHtml } from './outcome.ts'
import { timelineHtml } from './timeline.ts'
import { isPending, withdrawalsHtml } from './withdrawals.ts'

const words = TEXTS.delivery

interface Parts {
  readonly scope: FastifyInstance
  readonly site: () => Site
  readonly operations: Pick<Operations, 'show' | 'timeline' | 'replay' | 'markHandled' | 'withdrawals' | 'withdrawable'>
  readonly checkNow: (order: { ids: readonly string[]; by: string }) => Promise<CheckedNow[]>
  readonly lmsUrl: string
  /** Whether the shop gets events. */
  readonly tellsShop: boolean
}
type WithId = { Params: { id: string } }

/** Adds the page of one delivery: its result and the reason, its timeline, and the actions of an operator. */
export function addDelivery(parts: Parts): void {
  const { scope, site, operations } = parts
  const path = '/deliveries/:id'

  const resultUrl = (id: string, done: Done): string =>
    `${site().base}/deliveries/${encodeURIComponent(id)}?done=${done}`

  scope.get<WithId>(path, async (request, reply) => {
    const { id } = request.params
    const [delivery, events, withdrawals, withdrawable] = await Promise.all([
      operations.show(id),
      operations.timeline(id),
      operations.withdrawals(id),
      operations.withdrawable(id),
    ])
    if (delivery === null) return reply.callNotFound()
    const session = sessionOf(request)
    const canWithdraw = (withdrawable?.courses.length ?? 0) > 0
    const { base } = site()
    const main =
      doneHtml(request) + deliveryHtml({ ...parts, delivery, events, withdrawals, canWithdraw, session, base })
    const title = delivery.request?.email ?? words.untitled
    return sendPage({ reply, site: site(), session, title, current: '/deliveries', main })
  })

  scope.post<WithId>(`${path}/replay`, async (request, reply) => {
    const { id } = request.params
    const { due } = await operations.replay({ ids: [id], by: sessionOf(request).username })
    return reply.redirect(resultUrl(id, due.includes(id) ? 'replayed' : 'left'), 303)
  })

  scope.post<WithId>(`${path}/check`, async (request, reply) => {
    const { id } = request.params
    const [checked] = await parts.checkNow({ ids: [id], by: sessionOf(request).username })
    const found = checked !== undefined && !('failure' in checked)
    return reply.redirect(resultUrl(id, found ? 'checked' : 'unchecked'), 303)
  })

  scope.post<WithId>(`${path}/handled`, async (request, reply) => {
    const { id } = request.params
    const note = (formOf(request).get('note') ?? '').trim().slice(0, NOTE_MAX)
    if (note === '') return reply.redirect(resultUrl(id, 'noNote'), 303)
    const { kind } = await operations.markHandled({ id, note, by: sessionOf(request).username })
    if (kind === 'unknown') return reply.callNotFound()
    return reply.redirect(resultUrl(id, kind), 303)
  })
}

function deliveryHtml(of: {
  delivery: Shown
  events: readonly DeliveryEvent[]
  withdrawals: readonly Withdrawal[]
  canWithdraw: boolean
  tellsShop: boolean
  session: Session
  base: string
  lmsUrl: string
}): string {
  const { delivery, events, withdrawals, canWithdraw, tellsShop, session, base, lmsUrl } = of
  const here = `${base}/deliveries/${delivery.id}`
  const poll = html`<div hx-get="${here}" hx-trigger="every 3s" hx-target="#delivery" hx-select="#delivery" hx-swap="outerMorph" hx-status:4xx="swap:none" hx-status:5xx="swap:none"></div>`
  const payload = Buffer.from(delivery.body).toString('utf8')
  const isMoving = delivery.state === 'queued' || withdrawals.some(isPending)
  return html`<div id="delivery">
!${isMoving ? poll : ''}
!${linksHtml(delivery, base)}!${outcomeHtml(delivery)}
!${actionsHtml({ delivery, session, here, canWithdraw, tellsShop })}
<h2>${words.courses}</h2>!${coursesHtml(delivery, lmsUrl)}
!${withdrawalsHtml(withdrawals)}
<h2>${words.timeline}</h2>!${timelineHtml({ events })}
<h2>${words.details}</h2>!${factsHtml(delivery, lmsUrl)}
<h2>${words.payload}</h2><pre tabindex="0" aria-label="${words.payload}">${payload}</pre>
</div>`
}

/** Links to the buyer, to the delivery that corrects this one, and to the one that it corrects. */
function linksHtml({ id, request, replaces, replacedBy }: Shown, base: string): string {
  const note = (text: string, id: string): string =>
    html`<p class="note">${text} <a href="${base}/deliveries/${id}">${id}</a>.</p>`
  const person = html`<p class="tools"><a href="${base}/people/${id}">${words.person}</a></p>`
  return (
    (request === null ? '' : person) +
    (replacedBy === null ? '' : note(words.replacedNote, replacedBy)) +
    (replaces === null ? '' : note(words.replacesNote, replaces))
  )
}

function factsHtml(delivery: Shown, lmsUrl: string): string {
  const { id, request, receivedAt, activeAt, dueAt, attempts, form, state, source, webhookId } = delivery
  const rows = [
    [words.state, `${stateHtml(state)} ${testHtml(source)}`],
    ...(request === null ? [] : buyerRows(request, lmsUrl)),
    [words.received, timeHtml(receivedAt)],
    [words.active, timeHtml(activeAt)],
    ...(dueAt === null ? [] : [[words.due, timeHtml(dueAt)]]),
    [words.attempts, html`${attempts}`],
    source === 'shop' ? [words.form, html`${formName(form)}`] : [words.source, html`${words.sources[source]}`],
    ...(webhookId === null ? [] : [[words.webhookId, html`<code>${webhookId}</code>`]]),
    [words.id, html`<code>${id}</code>`],
  ]
  return html`<dl class="facts">!${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>!${value}</dd></div>`).join('')}</dl>`
}

function buyerRows({ email, name, family, username }: NonNullable<Shown['request']>, lmsUrl: string): string[][] {
  const link = html`${email} <a href="${supportUrl(email, lmsUrl)}">${words.inLms}</a>`
  return [
    [words.email, link],
    [words.name, html`${name} ${family}`],
    [words.username, html`${username}`],
  ]
}

const formName = (form: string): string =>
  Object.entries({ ...TEXTS.signature.forms, standard: words.standardForm }).find(([name]) => name === form)?.[1] ??
  form
