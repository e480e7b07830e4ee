import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import type { BulkReplay, Preview } from '../../../operators/changes/bulk-replay.ts'
import type { Summary } from '../../../operators/find/listing.ts'
import { type StateCounts, totalOf } from '../../../operators/reports/counts.ts'
import { DELIVERY_STATES, isDone, isStopped, REASONS } from '../../../sale/types.ts'
import { factsHtml, hiddenFields, refreshes } from '../../layout/elements.ts'
import { fillCount, numberText, timeHtml } from '../../layout/format.ts'
import { queryOf } from '../../layout/request.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import type { PageParts } from '../../parts.ts'
import { chipsHtml, filterOf, type ListQuery, queryText, readQuery } from '../deliveries/list-filters.ts'
import { tableHtml } from '../deliveries/list-rows.ts'
import { correctionTitle, stepsHtml } from './bulk-correct-pages.ts'

const words = TEXTS.replay
const correctionWords = TEXTS.bulkCorrection
/** More deliveries are links with their counts: reading 200 of 100,000 takes 130 ms, and the page asks every two seconds. */
const LISTED = 200
/** What an operator hopes for comes first, and what is still open last. */
const ORDER = [...DELIVERY_STATES.filter((state) => state !== 'queued'), 'queued'] as const

/**
 * Adds the page that shows what a bulk replay includes, and starts it; and that of a bulk replay or a bulk correction: its
 * progress, with a button to stop it, and what came of it.
 */
export function addReplayPages(parts: PageParts): void {
  const { scope, operations } = parts
  const crumbs = [{ path: '/deliveries', label: TEXTS.deliveries.title }]

  scope.page('/replay', async ({ request }) => {
    const parameters = queryOf(request)
    const [query, enrolled] = [readQuery(parameters), parameters.get('enrolled') === 'yes']
    const filter = filterOf(query, request.zone)
    const preview = await operations.previewReplay({ filter, enrolled })
    const list = tableHtml(preview.sample, { parts, request })
    const found = foundHtml({ preview, query, enrolled, list })
    const main = html`!${introHtml(query)}!${chipsHtml(filter, request.courseName) || html`<p>${words.all}</p>`}
<p><a href="~/deliveries${queryText(query)}">${words.change}</a></p>
!${found}`
    return { title: words.title, crumbs, current: '/deliveries', main }
  })

  scope.form('/replay', async ({ request, form, by }) => {
    const order = { filter: filterOf(readQuery(form), request.zone), enrolled: form.get('enrolled') === 'yes' }
    const { id } = await operations.startReplay({ ...order, by })
    return `/replays/${id}`
  })

  scope.page('/replays/:id', async ({ request, id }) => {
    const [bulk, results] = await Promise.all([operations.bulkReplay(id), operations.replayResults(id)])
    if (bulk === null) return null
    const { corrects, total, replayed } = bulk
    const { items } =
      replayed > LISTED ? { items: [] } : await operations.list({ filter: { replay: id }, limit: LISTED })
    const main = progressHtml({ parts, request, bulk, results, items: failedFirst(items) })
    const title = corrects === null ? words.title : correctionTitle(total, corrects.to, request.courseName)
    return { title, state: titleOf(bulk, results).title, crumbs, current: '/deliveries', main }
  })

  scope.form('/replays/:id/stop', async ({ id, by }) => {
    const stopped = await operations.stopReplay({ id, by })
    return stopped === null ? null : `/replays/${id}`
  })
}

/** What a replay does. Where the search is for what a person has ended, it takes that back. */
function introHtml({ state }: ListQuery): string {
  const intro = html`<p>${fill(words.intro, { kept: state === 'withdrawn' ? '' : words.kept })}</p>`
  return state !== '' && isStopped(state) ? html`!${intro}<p class="note warning">${words.reopens[state]}</p>` : intro
}

/** The choice of what a replay includes, and what it finds. `list`: some of that, as escaped HTML. */
function foundHtml(of: { preview: Preview; query: ListQuery; enrolled: boolean; list: string }): string {
  const { preview, query, enrolled, list } = of
  const fields = hiddenFields(query)
  // Of a search for another state, none is enrolled.
  const canBeEnrolled = query.state === '' || isDone(query.state)
  const choose = html`<form method="get" action="~/replay" hx-get="~/replay" hx-trigger="change" hx-target="#preview" hx-select="#preview" class="stack">!${fields}
<div><input type="checkbox" id="enrolled" name="enrolled" value="yes"!${enrolled ? ' checked' : ''}> <label for="enrolled">${words.alsoEnrolled}</label></div>
<noscript><button class="second">${words.update}</button></noscript></form>`
  const start = html`<form method="post" action="~/replay">!${fields}!${hiddenFields({ enrolled: enrolled ? 'yes' : '' })}
<button>${fillCount(words.start, preview.count)}</button></form>`
  const sample = html`<h2>${words.sample}</h2>!${list}`
  const found = html`<p class="note">${foundText(preview)}</p>!${preview.count === 0 ? '' : start + sample}`
  return html`!${canBeEnrolled ? choose : ''}<div id="preview" aria-live="polite">!${found}</div>`
}

function foundText({ count, left }: Preview): string {
  if (left === 0) return count === 0 ? words.nothing : fillCount(words.found, count)
  const rejected = fillCount(words.left, left)
  if (count === 0) return fill(words.foundNone, { left: rejected })
  return fillCount(words.foundSome, count, { all: numberText(count + left), left: rejected })
}

/** Somebody has to do something about those that failed again. */
const failedFirst = (items: readonly Summary[]): Summary[] =>
  items.toSorted((a, b) => Number(hasFailed(b)) - Number(hasFailed(a)))
const hasFailed = ({ state }: Summary): boolean => state === 'needs_attention' || state === 'rejected'

interface ProgressView {
  readonly bulk: BulkReplay
  readonly results: StateCounts
  /** The deliveries themselves; none if they are too many. */
  readonly items: readonly Summary[]
  readonly parts: PageParts
  readonly request: FastifyRequest
}

/** Returns the progress, and what came of each delivery. It updates itself until all are settled. */
function progressHtml(of: ProgressView): string {
  const { parts, request, bulk, results, items } = of
  const { id, state, total, replayed, corrects } = bulk
  const running = state === 'running'
  const here = `~/replays/${id}`
  const { grade, title } = titleOf(bulk, results)
  const max = Math.max(1, total)
  const bar = running
    ? html`<progress max="${max}" value="${Math.min(replayed, max)}" aria-label="${words.progress}"></progress>`
    : ''
  const stop = html`<form method="post" action="${here}/stop"><button class="second">${words.stop}</button></form><p>${words.paceNote}</p>`
  const poll = html`<div !${refreshes({ url: here, id: 'progress', seconds: 2 })}></div>`
  const isMoving = running || results.queued > 0
  const steps = corrects === null ? '' : stepsHtml(isMoving ? 'run' : 'result')
  return html`<div id="progress">!${isMoving ? poll : ''}!${steps}
<div class="note ${grade}"><h2 aria-live="polite">${title}</h2><p>!${resultsHtml(of)}</p>!${bar}!${waitingHtml(of)}!${leftHtml(of)}!${nextHtml(of)}</div>
!${running ? stop : ''}
!${orderHtml(of)}
!${items.length === 0 ? '' : tableHtml(items, { parts, request, list: queryText({ replay: id }) })}</div>`
}

function orderHtml({ bulk, request }: ProgressView): string {
  const { by, startedAt, enrolled, filter, corrects } = bulk
  const named = corrects === null ? null : request.courseName(corrects.to)
  const what =
    corrects === null
      ? (chipsHtml(filter, request.courseName) || html`${words.all}`) + (enrolled ? html` ${words.withEnrolled}` : '')
      : html`<code>${corrects.from}</code> → !${named === null ? '' : html`<bdi>${named}</bdi> `}<code>${corrects.to}</code>`
  return factsHtml([
    [corrects === null ? words.which : correctionWords.key, what],
    [words.startedBy, html`${by}`],
    [words.startedAt, timeHtml(startedAt, 'seconds')],
  ])
}

/** The progress in one title. It is good only if nothing failed. */
function titleOf(bulk: BulkReplay, states: StateCounts): { grade: string; title: string } {
  const { state, corrects, total } = bulk
  const failed = states.needs_attention + states.rejected
  const counted = totalOf(states)
  if (state !== 'done') return { grade: '', title: words.states[state] }
  if (states.queued > 0) return { grade: '', title: words.states.attempting }
  // A colleague was faster.
  if (corrects !== null && total === 0) return { grade: '', title: correctionWords.nothing }
  if (corrects !== null) {
    const done = DELIVERY_STATES.filter(isDone).reduce((sum, one) => sum + states[one], 0)
    const title = fill(correctionWords.onTheirWay, { done: numberText(done), total: numberText(total) })
    return { grade: done === total ? 'good' : 'warning', title }
  }
  if (failed === 0) return { grade: counted === 0 ? '' : 'good', title: words.states.done }
  return failed === counted
    ? { grade: 'bad', title: words.states.allFailed }
    : { grade: 'warning', title: words.states.someFailed }
}

function resultsHtml({ bulk, results: states }: ProgressView): string {
  const { id, state, total, replayed } = bulk
  if (replayed === 0 && state !== 'running') return html`${words.none}`
  const links = ORDER.filter((one) => states[one] > 0).map((one) => {
    const text = fillCount(TEXTS.counts[one], states[one])
    return html`<a href="~/deliveries${queryText({ state: one, replay: id })}">${text}</a>`
  })
  const gone = replayed - totalOf(states)
  const list = [...links, ...(gone > 0 ? [html`${fillCount(words.deleted, gone)}`] : [])].join(', ')
  if (state === 'done') return html`!${list}.`
  const progress = fill(words.progressOf, { done: numberText(replayed), total: numberText(Math.max(total, replayed)) })
  return html`${progress}!${links.length === 0 ? '' : html` ${words.soFar} !${list}.`}`
}

/** Why those that are queued don't move. */
function waitingHtml({ parts, results }: ProgressView): string {
  const outage = parts.outage()
  if (outage === null || results.queued === 0) return ''
  return html`<p>${words.waiting} ${TEXTS.status.lms[outage.kind]} ${TEXTS.status.since} !${timeHtml(outage.since)}.</p>`
}

/** What a correction left as it is, and the way to it. */
function leftHtml({ bulk }: ProgressView): string {
  const { corrects, state, total, replayed, filter } = bulk
  if (corrects === null || state !== 'done' || replayed >= total) return ''
  const { cause, ids = [] } = filter
  if (cause === undefined) return '' // a correction always has one
  const { state: failed } = REASONS[cause]
  const query = queryText({ state: failed, cause, about: corrects.from, ids: ids.join(',') })
  return html`<p>${fillCount(correctionWords.left, total - replayed)} <a href="~/deliveries${query}">${correctionWords.openLeft}</a></p>`
}

/** The next step after a correction: what failed again, or back to what else needs somebody. */
function nextHtml({ bulk, results }: ProgressView): string {
  if (bulk.corrects === null || bulk.state === 'running' || results.queued > 0) return ''
  const failed = results.needs_attention
  const open =
    failed === 0
      ? ''
      : html`<a class="button" href="~/deliveries${queryText({ state: 'needs_attention', replay: bulk.id })}">${fillCount(correctionWords.openFailed, failed)}</a>`
  return html`<p class="actions">!${open}<a class="button second" href="~/">${correctionWords.back}</a></p>`
}
