import type { FastifyInstance, FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import type { DeliveryEvent } from '../delivery/types.ts'
import type { Operations, Shown } from '../operations/operations.ts'
import { personUrl, stateHtml, timeHtml } from './format.ts'
import { formOf, sessionOf } from './guard.ts'
import { csrfField, sendPage } from './layout.ts'
import { coursesHtml, outcomeHtml } from './outcome.ts'
import type { Session } from './sessions.ts'
import type { Site } from './site.ts'
import { fill, TEXTS } from './texts.ts'

const words = TEXTS.delivery
const NOTE_MAX = 1000

interface Parts {
  readonly scope: FastifyInstance
  readonly site: () => Site
  readonly operations: Pick<Operations, 'show' | 'timeline' | 'replay' | 'markHandled'>
  readonly lmsUrl: string
}
type WithId = { Params: { id: string } }

/** Adds the page of one delivery: its result and the reason, its timeline, and the actions of an operator. */
export function addDelivery(parts: Parts): void {
  const { scope, site, operations } = parts
  const path = '/deliveries/:id'

  const resultUrl = (id: string, done: keyof typeof words.done): string =>
    `${site().base}/deliveries/${encodeURIComponent(id)}?done=${done}`

  scope.get<WithId>(path, async (request, reply) => {
    const { id } = request.params
    const [delivery, events] = await Promise.all([operations.show(id), operations.timeline(id)])
    if (delivery === null) return reply.callNotFound()
    const session = sessionOf(request)
    const main =
      doneHtml(request) + deliveryHtml({ delivery, events, session, base: site().base, lmsUrl: parts.lmsUrl })
    const title = delivery.request?.email ?? words.untitled
    return sendPage({ reply, site: site(), session, title, current: '/deliveries', main })
  })

  scope.post<WithId>(`${path}/replay`, async (request, reply) => {
    const { id } = request.params
    const { due } = await operations.replay({ ids: [id], by: sessionOf(request).username })
    return reply.redirect(resultUrl(id, due.includes(id) ? 'replayed' : 'left'), 303)
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
  session: Session
  base: string
  lmsUrl: string
}): string {
  const { delivery, events, session, base, lmsUrl } = of
  const here = `${base}/deliveries/${delivery.id}`
  const poll = html`<div hx-get="${here}" hx-trigger="every 3s" hx-target="#delivery" hx-select="#delivery" hx-swap="outerMorph" hx-status:4xx="swap:none" hx-status:5xx="swap:none"></div>`
  const payload = Buffer.from(delivery.body).toString('utf8')
  return html`<div id="delivery">
!${delivery.state === 'queued' ? poll : ''}
!${outcomeHtml(delivery)}
!${actionsHtml(delivery, session, here)}
<h2>${words.courses}</h2>!${coursesHtml(delivery, lmsUrl)}
<h2>${words.timeline}</h2>!${timelineHtml(events)}
<h2>${words.details}</h2>!${factsHtml(delivery, lmsUrl)}
<h2>${words.payload}</h2><pre tabindex="0" aria-label="${words.payload}">${payload}</pre>
</div>`
}

/** Shows the result of the form that led to this page. The address can select only one of these texts. */
function doneHtml(request: FastifyRequest): string {
  const name = new URL(request.url, 'http://console').searchParams.get('done')
  const [, message] = Object.entries(words.done).find(([one]) => one === name) ?? []
  return message === undefined ? '' : html`<p class="note ${message.grade}" role="status">${message.text}</p>`
}

function actionsHtml({ state, outcome }: Shown, session: Session, here: string): string {
  const csrf = csrfField(session)
  const replayable = outcome?.reason?.code !== 'payload.invalid'
  const replay = html`<form method="post" action="${here}/replay">!${csrf}<button>${words.replay}</button></form>`
  const open = state !== 'handled'
  const handled = html`<details><summary>${words.handled}</summary>
<form method="post" action="${here}/handled" class="stack">!${csrf}<p>${words.handledHelp}</p>
<label for="note">${words.note}</label><textarea id="note" name="note" rows="2" required maxlength="${NOTE_MAX}"></textarea>
<button class="second">${words.markHandled}</button></form></details>`
  return html`<div class="actions">!${replayable ? replay : ''}!${open ? handled : ''}</div>`
}

function timelineHtml(events: readonly DeliveryEvent[]): string {
  const items = events.map(({ at, kind, detail, actor }) => {
    const by = actor === null ? '' : html` <span class="quiet">${fill(words.by, { actor })}</span>`
    const more = detail === '' ? '' : html`<p>${detail}</p>`
    return html`<li class="${kind.replaceAll('_', '-')}"><strong>${TEXTS.events[kind]}</strong>!${by} <span class="quiet">!${timeHtml(at)}</span>!${more}</li>`
  })
  return html`<ol class="timeline">!${items.join('')}</ol>`
}

function factsHtml(delivery: Shown, lmsUrl: string): string {
  const { id, request, receivedAt, activeAt, dueAt, attempts, form, state, webhookId } = delivery
  const rows = [
    [words.state, stateHtml(state)],
    ...(request === null ? [] : buyerRows(request, lmsUrl)),
    [words.received, timeHtml(receivedAt)],
    [words.active, timeHtml(activeAt)],
    ...(dueAt === null ? [] : [[words.due, timeHtml(dueAt)]]),
    [words.attempts, html`${attempts}`],
    [words.form, html`${formName(form)}`],
    ...(webhookId === null ? [] : [[words.webhookId, html`<code>${webhookId}</code>`]]),
    [words.id, html`<code>${id}</code>`],
  ]
  return html`<dl class="facts">!${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>!${value}</dd></div>`).join('')}</dl>`
}

function buyerRows({ email, name, family, username }: NonNullable<Shown['request']>, lmsUrl: string): string[][] {
  const link = html`<a href="${personUrl(email, lmsUrl)}">${email}</a> <span class="quiet">${words.inLms}</span>`
  return [
    [words.email, link],
    [words.name, html`${name} ${family}`],
    [words.username, html`${username}`],
  ]
}

const formName = (form: string): string =>
  Object.entries({ ...TEXTS.signature.forms, standard: words.standardForm }).find(([name]) => name === form)?.[1] ??
  form
