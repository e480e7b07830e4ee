import type { FastifyInstance } from 'fastify'
import { html } from 'ghtml'
import type { Operations } from '../../../operators/changes/operations.ts'
import type { Preview } from '../../../operators/find/listing.ts'
import { numberText } from '../../layout/format.ts'
import { formOf, sessionOf } from '../../layout/guard.ts'
import { csrfField, sendPage } from '../../layout/layout.ts'
import type { LiveState } from '../../layout/live-state.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import type { Session } from '../../session/sessions.ts'
import type { Site } from '../../session/site.ts'
import { filterHtml } from '../deliveries/filter-description.ts'
import { filterOf, type ListQuery, queryText, readQuery } from '../deliveries/list-query.ts'
import { tableHtml } from '../deliveries/list-rows.ts'
import { progressHtml } from './replay-progress.ts'

const words = TEXTS.replay
/** The page of a bulk replay of at most this many deliveries lists them. */
const FEW = 10

interface Parts {
  readonly scope: FastifyInstance
  readonly site: () => Site
  readonly operations: Pick<
    Operations,
    'list' | 'previewReplay' | 'startReplay' | 'bulkReplay' | 'replayResults' | 'stopReplay'
  >
  readonly breaker: LiveState['breaker']
  readonly now: () => number
}

/** Adds the pages of a bulk replay: a preview of what it includes, and then its progress, with a button to stop it. */
export function addReplayPages({ scope, site, operations, breaker, now }: Parts): void {
  const crumbs = [{ path: '/deliveries', label: TEXTS.deliveries.title }]

  scope.get('/replay', async (request, reply) => {
    const parameters = new URL(request.url, site().origin).searchParams
    const [query, enrolled] = [readQuery(parameters), parameters.get('enrolled') === 'yes']
    const filter = filterOf(query, request.zone)
    const preview = await operations.previewReplay({ filter, enrolled })
    const session = sessionOf(request)
    const sample = { base: site().base, breaker: breaker(), now: now() }
    const main = previewHtml({ preview, query, filter, enrolled, session, sample })
    return sendPage({ reply, site: site(), session, title: words.title, crumbs, current: '/deliveries', main })
  })

  scope.post('/replay', async (request, reply) => {
    const form = formOf(request)
    const order = { filter: filterOf(readQuery(form), request.zone), enrolled: form.get('enrolled') === 'yes' }
    const { id } = await operations.startReplay({ ...order, by: sessionOf(request).username })
    return reply.redirect(`${site().base}/replays/${id}`, 303)
  })

  scope.get<{ Params: { id: string } }>('/replays/:id', async (request, reply) => {
    const { id } = request.params
    const [bulk, results] = await Promise.all([operations.bulkReplay(id), operations.replayResults(id)])
    if (bulk === null) return reply.callNotFound()
    const { items: few } =
      bulk.replayed > FEW ? { items: [] } : await operations.list({ filter: { replay: id }, limit: FEW })
    const session = sessionOf(request)
    const main = progressHtml({ bulk, results, few, breaker: breaker(), now: now(), session, base: site().base })
    return sendPage({ reply, site: site(), session, title: words.title, crumbs, current: '/deliveries', main })
  })

  scope.post<{ Params: { id: string } }>('/replays/:id/stop', async (request, reply) => {
    const stopped = await operations.stopReplay({ id: request.params.id, by: sessionOf(request).username })
    if (stopped === null) return reply.callNotFound()
    return reply.redirect(`${site().base}/replays/${stopped.id}`, 303)
  })
}

const hidden = (name: string, value: string): string => html`<input type="hidden" name="${name}" value="${value}">`

function previewHtml(of: {
  preview: Preview
  query: ListQuery
  filter: ReturnType<typeof filterOf>
  enrolled: boolean
  session: Session
  sample: Parameters<typeof tableHtml>[1]
}): string {
  const { preview, query, filter, enrolled, session, sample } = of
  const { base } = sample
  const fields = Object.entries(query)
    .map(([name, value]) => hidden(name, value))
    .join('')
  const choose = html`<form method="get" action="${base}/replay" hx-get="${base}/replay" hx-trigger="change" hx-target="#preview" hx-select="#preview" class="stack">!${fields}
<div><input type="checkbox" id="enrolled" name="enrolled" value="yes"!${enrolled ? ' checked' : ''}> <label for="enrolled">${words.alsoEnrolled}</label></div>
<noscript><button class="second">${words.update}</button></noscript></form>`
  const start = html`<form method="post" action="${base}/replay">!${csrfField(session)}!${fields}!${enrolled ? hidden('enrolled', 'yes') : ''}
<button>${fill(words.start, { count: numberText(preview.count) })}</button></form>`
  const list = html`<h2>${words.sample}</h2>!${tableHtml(preview.sample, sample)}`
  const found = html`<p class="note">${foundText(preview)}</p>!${preview.count === 0 ? '' : start + list}`
  return html`<p>${words.intro}</p><p>!${filterHtml(filter)} <a href="${base}/deliveries${queryText(query)}">${words.change}</a></p>
!${choose}<div id="preview" aria-live="polite" data-zoned>!${found}</div>`
}

/** How many a replay makes due, and how many it leaves out. */
function foundText({ count, left }: Preview): string {
  const all = numberText(count + left)
  if (left === 0) return count === 0 ? words.nothing : fill(words.found, { count: numberText(count) })
  const rejected = left === 1 ? words.leftOne : fill(words.leftSome, { count: numberText(left) })
  if (count === 0) return fill(words.foundNone, { left: rejected })
  return fill(words.foundSome, { count: numberText(count), all, left: rejected })
}
