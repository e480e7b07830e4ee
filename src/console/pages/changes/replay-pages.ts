import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import type { BulkReplay } from '../../../operators/changes/bulk-replay.ts'
import type { Preview, Summary } from '../../../operators/find/listing.ts'
import { type StateCounts, totalOf } from '../../../operators/reports/counts.ts'
import { DELIVERY_STATES } from '../../../sale/types.ts'
import { csrfField, factsHtml, hiddenField, refreshes } from '../../layout/elements.ts'
import { numberText, timeHtml } from '../../layout/format.ts'
import { sendPage } from '../../layout/layout.ts'
import { formOf, queryOf, sessionOf, type WithId } from '../../layout/request.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import { type BreakerView, isOpen, type PageParts } from '../../parts.ts'
import { filterHtml, filterOf, type ListQuery, queryText, readQuery } from '../deliveries/list-filters.ts'
import { tableHtml } from '../deliveries/list-rows.ts'

const words = TEXTS.replay
/** The page of a bulk replay of at most this many deliveries lists them. */
const FEW = 10
/** What an operator hopes for comes first, and what is still open last. */
const ORDER = [...DELIVERY_STATES.filter((state) => state !== 'queued'), 'queued'] as const

/** Adds the pages of a bulk replay: a preview of what it includes, and then its progress, with a button to stop it. */
export function addReplayPages({ scope, operations, liveState, now }: PageParts): void {
  const crumbs = [{ path: '/deliveries', label: TEXTS.deliveries.title }]

  scope.get('/replay', async (request, reply) => {
    const parameters = queryOf(request)
    const [query, enrolled] = [readQuery(parameters), parameters.get('enrolled') === 'yes']
    const filter = filterOf(query, request.zone)
    const preview = await operations.previewReplay({ filter, enrolled })
    const { base } = request.site
    const list = tableHtml(preview.sample, { base, breaker: liveState.breaker(), now: now() })
    const found = foundHtml(request, { preview, query, enrolled, list })
    const main = html`<p>${words.intro}</p><p>!${filterHtml(filter)} <a href="${base}/deliveries${queryText(query)}">${words.change}</a></p>
!${found}`
    return sendPage({ reply, title: words.title, crumbs, current: '/deliveries', main })
  })

  scope.post('/replay', async (request, reply) => {
    const form = formOf(request)
    const order = { filter: filterOf(readQuery(form), request.zone), enrolled: form.get('enrolled') === 'yes' }
    const { id } = await operations.startReplay({ ...order, by: sessionOf(request).username })
    return reply.redirect(`${request.site.base}/replays/${id}`, 303)
  })

  scope.get<WithId>('/replays/:id', async (request, reply) => {
    const { id } = request.params
    const [bulk, results] = await Promise.all([operations.bulkReplay(id), operations.replayResults(id)])
    if (bulk === null) return reply.callNotFound()
    const { items: few } =
      bulk.replayed > FEW ? { items: [] } : await operations.list({ filter: { replay: id }, limit: FEW })
    const main = progressHtml({ request, bulk, results, few, breaker: liveState.breaker(), now: now() })
    return sendPage({ reply, title: words.title, crumbs, current: '/deliveries', main })
  })

  scope.post<WithId>('/replays/:id/stop', async (request, reply) => {
    const stopped = await operations.stopReplay({ id: request.params.id, by: sessionOf(request).username })
    if (stopped === null) return reply.callNotFound()
    return reply.redirect(`${request.site.base}/replays/${stopped.id}`, 303)
  })
}

/** The choice of what a replay includes, and what it finds. `list`: some of that, as escaped HTML. */
function foundHtml(
  request: FastifyRequest,
  { preview, query, enrolled, list }: { preview: Preview; query: ListQuery; enrolled: boolean; list: string },
): string {
  const { base } = request.site
  const fields = Object.entries(query)
    .map(([name, value]) => hiddenField(name, value))
    .join('')
  const choose = html`<form method="get" action="${base}/replay" hx-get="${base}/replay" hx-trigger="change" hx-target="#preview" hx-select="#preview" class="stack">!${fields}
<div><input type="checkbox" id="enrolled" name="enrolled" value="yes"!${enrolled ? ' checked' : ''}> <label for="enrolled">${words.alsoEnrolled}</label></div>
<noscript><button class="second">${words.update}</button></noscript></form>`
  const start = html`<form method="post" action="${base}/replay">!${csrfField(request)}!${fields}!${enrolled ? hiddenField('enrolled', 'yes') : ''}
<button>${fill(words.start, { count: numberText(preview.count) })}</button></form>`
  const sample = html`<h2>${words.sample}</h2>!${list}`
  const found = html`<p class="note">${foundText(preview)}</p>!${preview.count === 0 ? '' : start + sample}`
  return html`!${choose}<div id="preview" aria-live="polite" data-zoned>!${found}</div>`
}

/** How many a replay makes due, and how many it leaves out. */
function foundText({ count, left }: Preview): string {
  const all = numberText(count + left)
  if (left === 0) return count === 0 ? words.nothing : fill(words.found, { count: numberText(count) })
  const rejected = left === 1 ? words.leftOne : fill(words.leftSome, { count: numberText(left) })
  if (count === 0) return fill(words.foundNone, { left: rejected })
  return fill(words.foundSome, { count: numberText(count), all, left: rejected })
}

/** What the page of a bulk replay shows. */
interface ReplayView {
  readonly bulk: BulkReplay
  readonly results: StateCounts
  /** The deliveries themselves, if they are few. */
  readonly few: readonly Summary[]
  readonly breaker: BreakerView | null
  /** ms since 1970. */
  readonly now: number
  readonly request: FastifyRequest
}

/** Returns the progress of a bulk replay, and what came of each delivery. It updates itself until all are settled. */
function progressHtml(of: ReplayView): string {
  const { request, bulk, results, few, breaker, now } = of
  const { base } = request.site
  const { id, state, total, replayed, by, startedAt, endedAt, enrolled, filter } = bulk
  const running = state === 'running'
  const here = `${base}/replays/${id}`
  const { grade, title } = titleOf(bulk, results)
  const max = Math.max(1, total ?? 1)
  const bar =
    total === null || !running
      ? ''
      : html`<progress max="${max}" value="${Math.min(replayed, max)}" aria-label="${words.progress}"></progress>`
  const stop = html`<form method="post" action="${here}/stop">!${csrfField(request)}<button class="second">${words.stop}</button></form><p>${words.paceNote}</p>`
  const poll = html`<div !${refreshes({ url: here, id: 'progress', seconds: 2 })}></div>`
  const isMoving = running || results.queued > 0
  const facts = [
    [words.which, html`!${filterHtml(filter)}!${enrolled ? html` ${words.withEnrolled}` : ''}`],
    [words.startedBy, html`${by}`],
    [words.startedAt, timeHtml(startedAt, 'seconds')],
    ...(endedAt === null ? [] : [[words.endedAt, timeHtml(endedAt, 'seconds')] as const]),
  ] as const
  return html`<div id="progress">!${isMoving ? poll : ''}
<div class="note ${grade}"><h2>${title}</h2><p role="status">!${resultsHtml(of)}</p>!${bar}!${waitingHtml(of)}</div>
!${running ? stop : ''}
!${factsHtml(facts)}
!${few.length === 0 ? '' : tableHtml(few, { base, breaker, now })}</div>`
}

/** The progress in one title. It is good only if nothing failed. */
function titleOf({ state }: BulkReplay, states: StateCounts): { grade: string; title: string } {
  const failed = states.needs_attention + states.rejected
  const counted = totalOf(states)
  if (state !== 'done') return { grade: '', title: words.states[state] }
  if (states.queued > 0) return { grade: '', title: words.states.attempting }
  if (failed === 0) return { grade: counted === 0 ? '' : 'good', title: words.states.done }
  return failed === counted
    ? { grade: 'bad', title: words.states.allFailed }
    : { grade: 'warning', title: words.states.someFailed }
}

/** How many were replayed, and how many are in each state now; each number leads to its list. */
function resultsHtml({ request, bulk, results: states }: ReplayView): string {
  const { id, state, total, replayed } = bulk
  const [done, running] = [numberText(replayed), state === 'running']
  if (replayed === 0 && !running) return html`${words.none}`
  const links = ORDER.filter((one) => states[one] > 0).map((one) => {
    const text = fill(words.results[one], { count: numberText(states[one]) })
    return html`<a href="${request.site.base}/deliveries${queryText({ state: one, replay: id })}">${text}</a>`
  })
  const counted = totalOf(states)
  const unknown = counted >= replayed ? [] : [fill(words.unknown, { count: numberText(replayed - counted) })]
  const list = [...links, ...unknown.map((text) => html`${text}`)].join(', ')
  if (!running) return html`${fill(words.replayed, { done })} !${list}.`
  const progress = fill(words.progressOf, { done, total: numberText(Math.max(total, replayed)) })
  return html`${progress}!${links.length === 0 ? '' : html` ${words.replayedSoFar} !${list}.`}`
}

/** Why those that are queued don't move. */
function waitingHtml({ breaker, results }: ReplayView): string {
  if (breaker === null || !isOpen(breaker) || results.queued === 0) return ''
  return html`<p>${words.waiting} ${TEXTS.status.lms[breaker.kind]} ${TEXTS.status.since} !${timeHtml(breaker.since)}.</p>`
}
