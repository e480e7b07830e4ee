import type { FastifyInstance } from 'fastify'
import { html } from 'ghtml'
import { queryText } from '../console-deliveries/list-query.ts'
import { numberText, timeHtml } from '../console-layout/format.ts'
import { sessionOf } from '../console-layout/guard.ts'
import { sendPage } from '../console-layout/layout.ts'
import { fill, TEXTS } from '../console-layout/texts.ts'
import type { DeliveryEvent } from '../delivery/types.ts'
import type { BulkReplay, Operations } from '../operations/operations.ts'
import type { Site } from '../session/site.ts'

const words = TEXTS.changes
const PAGE = 50

/** Adds the page that lists who changed what: the events that have an actor, and the bulk replays. */
export function addChanges({
  scope,
  site,
  operations,
}: {
  scope: FastifyInstance
  site: () => Site
  operations: Pick<Operations, 'audit' | 'bulkReplays'>
}): void {
  scope.get('/changes', async (request, reply) => {
    const { base, origin } = site()
    const after = new URL(request.url, origin).searchParams.get('after')
    const [{ items, next }, bulkReplays] = await Promise.all([
      operations.audit({ limit: PAGE, after }),
      after === null ? operations.bulkReplays() : [],
    ])
    const older =
      next === null
        ? ''
        : html`<p class="pages"><a class="button second" href="${base}/changes${queryText({ after: next })}">${words.older}</a></p>`
    const list =
      items.length === 0
        ? html`<p>${words.none}</p>`
        : html`<ol class="timeline">!${items.map((event) => changeHtml(event, base)).join('')}</ol>`
    const main = html`<p>${words.intro}</p>!${bulkReplays.length === 0 ? '' : html`<h2>${words.bulkReplays}</h2>!${bulkReplaysHtml(bulkReplays, base)}<h2>${words.all}</h2>`}!${list}!${older}`
    return sendPage({ reply, site: site(), session: sessionOf(request), title: words.title, current: '/changes', main })
  })
}

function changeHtml({ deliveryId, at, kind, detail, actor }: DeliveryEvent, base: string): string {
  const link = deliveryId === '' ? '' : html` <a href="${base}/deliveries/${deliveryId}">${words.delivery}</a>`
  return html`<li><strong>${actor ?? ''}</strong> ${TEXTS.events[kind]}!${link} <span class="quiet">!${timeHtml(at)}</span>!${detail === '' ? '' : html`<p>${detail}</p>`}</li>`
}

function bulkReplaysHtml(bulkReplays: readonly BulkReplay[], base: string): string {
  const items = bulkReplays.map(({ id, by, startedAt, state, replayed }) => {
    return html`<li><a href="${base}/replays/${id}">${fill(words.bulkReplay, { by, count: numberText(replayed) })}</a> ${TEXTS.replay.states[state]} <span class="quiet">!${timeHtml(startedAt)}</span></li>`
  })
  return html`<ul>!${items.join('')}</ul>`
}
