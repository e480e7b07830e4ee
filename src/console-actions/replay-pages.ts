import type { FastifyInstance } from 'fastify'
import { html } from 'ghtml'
import { tableHtml } from '../console-deliveries/deliveries-page.ts'
import { filterHtml } from '../console-deliveries/filter-description.ts'
import { filterOf, type ListQuery, queryText, readQuery } from '../console-deliveries/list-query.ts'
import { countText, numberText, timeHtml } from '../console-layout/format.ts'
import { formOf, sessionOf } from '../console-layout/guard.ts'
import { csrfField, sendPage } from '../console-layout/layout.ts'
import { fill, TEXTS } from '../console-layout/texts.ts'
import type { BulkReplay, Operations, Preview } from '../operations/operations.ts'
import type { Session } from '../session/sessions.ts'
import type { Site } from '../session/site.ts'

const words = TEXTS.replay

/** Adds the pages of a bulk replay: a preview of what it includes, and then its progress, with a button to stop it. */
export function addReplayPages({
  scope,
  site,
  operations,
}: {
  scope: FastifyInstance
  site: () => Site
  operations: Pick<Operations, 'previewReplay' | 'startReplay' | 'bulkReplay' | 'stopReplay'>
}): void {
  scope.get('/replay', async (request, reply) => {
    const parameters = new URL(request.url, site().origin).searchParams
    const [query, enrolled] = [readQuery(parameters), parameters.get('enrolled') === 'yes']
    const preview = await operations.previewReplay({ filter: filterOf(query), enrolled })
    const session = sessionOf(request)
    const main = previewHtml({ preview, query, enrolled, session, base: site().base })
    return sendPage({ reply, site: site(), session, title: words.title, current: '/deliveries', main })
  })

  scope.post('/replay', async (request, reply) => {
    const form = formOf(request)
    const order = { filter: filterOf(readQuery(form)), enrolled: form.get('enrolled') === 'yes' }
    const { id } = await operations.startReplay({ ...order, by: sessionOf(request).username })
    return reply.redirect(`${site().base}/replays/${id}`, 303)
  })

  scope.get<{ Params: { id: string } }>('/replays/:id', async (request, reply) => {
    const bulk = await operations.bulkReplay(request.params.id)
    if (bulk === null) return reply.callNotFound()
    const session = sessionOf(request)
    const main = progressHtml(bulk, session, site().base)
    return sendPage({ reply, site: site(), session, title: words.progress, current: '/changes', main })
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
  enrolled: boolean
  session: Session
  base: string
}): string {
  const { preview, query, enrolled, session, base } = of
  const fields = Object.entries(query)
    .map(([name, value]) => hidden(name, value))
    .join('')
  const count = countText(preview)
  const choose = html`<form method="get" action="${base}/replay" hx-get="${base}/replay" hx-trigger="change" hx-target="#preview" hx-select="#preview" class="stack">!${fields}
<div><input type="checkbox" id="enrolled" name="enrolled" value="yes"!${enrolled ? ' checked' : ''}> <label for="enrolled">${words.alsoEnrolled}</label></div>
<noscript><button class="second">${words.update}</button></noscript></form>`
  const start = html`<form method="post" action="${base}/replay">!${csrfField(session)}!${fields}!${enrolled ? hidden('enrolled', 'yes') : ''}
<button>${fill(words.start, { count })}</button></form>`
  const found =
    preview.count === 0
      ? html`<p class="note">${words.nothing}</p>`
      : html`<p class="note">${fill(words.found, { count })}</p>!${start}<h2>${words.sample}</h2>!${tableHtml(preview.sample, base)}`
  return html`<p>${words.intro}</p><p>!${filterHtml(filterOf(query))} <a href="${base}/deliveries${queryText(query)}">${words.change}</a></p>
!${choose}<div id="preview" aria-live="polite">!${found}</div>`
}

function progressHtml(bulk: BulkReplay, session: Session, base: string): string {
  const { id, state, total, replayed, by, startedAt, endedAt, enrolled, filter } = bulk
  const running = state === 'running'
  const here = `${base}/replays/${id}`
  const of =
    total === null
      ? fill(words.progressOpen, { done: numberText(replayed) })
      : fill(words.progressOf, { done: numberText(replayed), total: numberText(total) })
  const bar =
    total === null
      ? ''
      : html`<progress max="${Math.max(1, total)}" value="${Math.min(replayed, Math.max(1, total))}" aria-label="${words.progress}"></progress>`
  const stop = html`<form method="post" action="${here}/stop">!${csrfField(session)}<button class="second">${words.stop}</button></form>`
  const poll = html`<div hx-get="${here}" hx-trigger="every 2s" hx-target="#progress" hx-select="#progress" hx-swap="outerMorph" hx-status:4xx="swap:none" hx-status:5xx="swap:none"></div>`
  return html`<div id="progress">!${running ? poll : ''}
<div class="note ${state === 'done' ? 'good' : ''}"><h2>${words.states[state]}</h2><p role="status">${of}</p>!${bar}</div>
!${running ? stop : ''}
<p>${words.paceNote}</p>
<dl class="facts"><div><dt>${words.which}</dt><dd>!${filterHtml(filter)}!${enrolled ? html` ${words.withEnrolled}` : ''}</dd></div>
<div><dt>${words.startedBy}</dt><dd>${by}</dd></div><div><dt>${words.startedAt}</dt><dd>!${timeHtml(startedAt)}</dd></div>
!${endedAt === null ? '' : html`<div><dt>${words.endedAt}</dt><dd>!${timeHtml(endedAt)}</dd></div>`}</dl></div>`
}
