import type { FastifyReply, FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import type { LaterChange } from '../../../queue/change-deliveries.ts'
import { detailText } from '../../../sale/words.ts'
import { csrfField, sameFields, seenField } from '../../layout/elements.ts'
import { timeHtml } from '../../layout/format.ts'
import { type Crumb, sendPage } from '../../layout/layout.ts'
import { formOf, type WithId } from '../../layout/request.ts'
import { fill, TEXTS } from '../../layout/texts.ts'

const words = TEXTS.outdated

/**
 * Answers an order that was not carried out, because another operator changed the delivery after its page was opened: says
 * who did what and when, and offers the same order again, with all that was entered.
 * @param of.action the end of the order's address
 * @param of.lastEvent the number of the delivery's last event now
 */
export function sendOutdated(of: {
  request: FastifyRequest<WithId>
  reply: FastifyReply
  action: keyof typeof words.again
  change: LaterChange
  lastEvent: number
  crumbs: readonly Crumb[]
}): FastifyReply {
  const { request, reply, action, change, lastEvent, crumbs } = of
  const { kind, by, at, detail } = change
  const here = `${request.site.base}/deliveries/${encodeURIComponent(request.params.id)}`
  const more = detail === '' ? '' : html`<p><bdi>${detailText(detail)}</bdi></p>`
  const main = html`<div class="note warning" role="alert"><p>${fill(words.text, { by })} <strong>${TEXTS.events[kind]}</strong>, !${timeHtml(at, 'seconds')}.</p>!${more}</div>
<p>${words.look}</p><div class="actions"><a class="button" href="${here}">${TEXTS.operatorForm.back}</a>
<form method="post" action="${here}/${action}">!${csrfField(request)}!${sameFields(formOf(request))}!${seenField(lastEvent)}<button class="second">${words.again[action]}</button></form></div>`
  return sendPage({ reply, status: 409, title: words.title, crumbs, current: '/deliveries', main })
}
