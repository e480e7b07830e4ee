import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import { isOpen } from '../../../enroll/breakers/breaker-state.ts'
import type { BulkReplay } from '../../../operators/changes/bulk-replay.ts'
import type { Summary } from '../../../operators/find/listing.ts'
import { type StateCounts, totalOf } from '../../../operators/reports/counts.ts'
import { DELIVERY_STATES, isDone } from '../../../sale/types.ts'
import type { CourseName } from '../../layout/course-names.ts'
import { csrfField, factsHtml, refreshes } from '../../layout/elements.ts'
import { numberText, timeHtml } from '../../layout/format.ts'
import { sendPage } from '../../layout/layout.ts'
import { sessionOf, type WithId } from '../../layout/request.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import type { PageParts } from '../../parts.ts'
import { filterHtml, queryText } from '../deliveries/list-filters.ts'
import { tableHtml } from '../deliveries/list-rows.ts'
import { correctionTitle, stepsHtml } from './bulk-correct-pages.ts'

const correctionWords = TEXTS.bulkCorrection
/** The page of a bulk replay of at most this many deliveries lists them; that of a bulk correction lists this many. */
const FEW = 10
const CORRECTED = 200
/** What an operator hopes for comes first, and what is still open last. */
const ORDER = [...DELIVERY_STATES.filter((state) => state !== 'queued'), 'queued'] as const
const wordsOf = ({ corrects }: Pick<BulkReplay, 'corrects'>) =>
  corrects === null ? TEXTS.replay : { ...TEXTS.replay, ...correctionWords.progress }

/** Adds the page of a bulk replay or a bulk correction: its progress, with a button to stop it, and what came of it. */
export function addBulkProgress(parts: PageParts): void {
  const { scope, operations } = parts
  const crumbs = [{ path: '/deliveries', label: TEXTS.deliveries.title }]

  scope.get<WithId>('/replays/:id', async (request, reply) => {
    const { id } = request.params
    const [bulk, results] = await Promise.all([operations.bulkReplay(id), operations.replayResults(id)])
    if (bulk === null) return reply.callNotFound()
    const { corrects, replayed, total } = bulk
    const limit = corrects === null ? FEW : CORRECTED
    const { items } =
      corrects === null && replayed > FEW ? { items: [] } : await operations.list({ filter: { replay: id }, limit })
    const main = progressHtml({ parts, request, bulk, results, few: failedFirst(items) })
    const title = corrects === null ? TEXTS.replay.title : correctionTitle(total, corrects.to, request.courseName)
    return sendPage({ reply, title, crumbs, current: '/deliveries', main })
  })

  scope.post<WithId>('/replays/:id/stop', async (request, reply) => {
    const stopped = await operations.stopReplay({ id: request.params.id, by: sessionOf(request).username })
    if (stopped === null) return reply.callNotFound()
    return reply.redirect(`${request.site.base}/replays/${stopped.id}`, 303)
  })
}

/** Somebody has to do something about those that failed again. */
const failedFirst = (items: readonly Summary[]): Summary[] =>
  items.toSorted((a, b) => Number(hasFailed(b)) - Number(hasFailed(a)))
const hasFailed = ({ state }: Summary): boolean => state === 'needs_attention' || state === 'rejected'

/** What the page shows. */
interface ProgressView {
  readonly bulk: BulkReplay
  readonly results: StateCounts
  /** The deliveries themselves: all, if they are few. */
  readonly few: readonly Summary[]
  readonly parts: PageParts
  readonly request: FastifyRequest
}

/** Returns the progress, and what came of each delivery. It updates itself until all are settled. */
function progressHtml(of: ProgressView): string {
  const { parts, request, bulk, results, few } = of
  const { base } = request.site
  const { id, state, total, replayed, corrects } = bulk
  const words = wordsOf(bulk)
  const running = state === 'running'
  const here = `${base}/replays/${id}`
  const { grade, title } = titleOf(bulk, results)
  const max = Math.max(1, total)
  const bar = running
    ? html`<progress max="${max}" value="${Math.min(replayed, max)}" aria-label="${words.progress}"></progress>`
    : ''
  const stop = html`<form method="post" action="${here}/stop">!${csrfField(request)}<button class="second">${words.stop}</button></form><p>${words.paceNote}</p>`
  const poll = html`<div !${refreshes({ url: here, id: 'progress', seconds: 2 })}></div>`
  const isMoving = running || results.queued > 0
  const steps = corrects === null ? '' : stepsHtml(isMoving ? 'run' : 'result')
  return html`<div id="progress">!${isMoving ? poll : ''}!${steps}
<div class="note ${grade}"><h2>${title}</h2><p role="status">!${resultsHtml(of)}</p>!${bar}!${waitingHtml(of)}!${leftHtml(of)}!${nextHtml(of)}</div>
!${running ? stop : ''}
!${factsHtml(factsOf(bulk, request.courseName))}
!${few.length === 0 ? '' : tableHtml(few, { parts, request, list: queryText({ replay: id }) })}</div>`
}

/** Which deliveries, and who ordered it. */
function factsOf(bulk: BulkReplay, courseName: CourseName): (readonly [name: string, value: string])[] {
  const { by, startedAt, endedAt, enrolled, filter, corrects } = bulk
  const words = wordsOf(bulk)
  const named = corrects === null ? null : courseName(corrects.to)
  const what =
    corrects === null
      ? html`!${filterHtml(filter, courseName)}!${enrolled ? html` ${words.withEnrolled}` : ''}`
      : html`<code>${corrects.from}</code> → !${named === null ? '' : html`<bdi>${named}</bdi> `}<code>${corrects.to}</code>`
  return [
    [words.which, what],
    [words.startedBy, html`${by}`],
    [words.startedAt, timeHtml(startedAt, 'seconds')],
    ...(endedAt === null ? [] : [[words.endedAt, timeHtml(endedAt, 'seconds')] as const]),
  ]
}

/** The progress in one title. It is good only if nothing failed. */
function titleOf(bulk: BulkReplay, states: StateCounts): { grade: string; title: string } {
  const { state, corrects, total } = bulk
  const words = wordsOf(bulk).states
  const failed = states.needs_attention + states.rejected
  const counted = totalOf(states)
  if (state !== 'done') return { grade: '', title: words[state] }
  if (states.queued > 0) return { grade: '', title: words.attempting }
  if (corrects !== null) {
    const done = DELIVERY_STATES.filter(isDone).reduce((sum, one) => sum + states[one], 0)
    const title = fill(correctionWords.onTheirWay, { done: numberText(done), total: numberText(total) })
    return { grade: done === total ? 'good' : 'warning', title }
  }
  if (failed === 0) return { grade: counted === 0 ? '' : 'good', title: words.done }
  return failed === counted ? { grade: 'bad', title: words.allFailed } : { grade: 'warning', title: words.someFailed }
}

/** How many were replayed or corrected, and how many are in each state now; each number leads to its list. */
function resultsHtml({ request, bulk, results: states }: ProgressView): string {
  const { id, state, total, replayed, corrects } = bulk
  const isReplay = corrects === null
  const { none, replayedSoFar } = wordsOf(bulk)
  const [done, running] = [numberText(replayed), state === 'running']
  if (replayed === 0 && !running) return html`${none}`
  const links = ORDER.filter((one) => states[one] > 0).map((one) => {
    const text = fill(TEXTS.counts[one], { count: numberText(states[one]) })
    return html`<a href="${request.site.base}/deliveries${queryText({ state: one, replay: id })}">${text}</a>`
  })
  const counted = totalOf(states)
  const unknown =
    counted >= replayed
      ? []
      : [
          fill(isReplay ? TEXTS.replay.unknown : correctionWords.progress.unknown, {
            count: numberText(replayed - counted),
          }),
        ]
  const list = [...links, ...unknown.map((text) => html`${text}`)].join(', ')
  if (!running)
    return html`${fill(isReplay ? TEXTS.replay.replayed : correctionWords.progress.replayed, { done })} !${list}.`
  const progress = fill(isReplay ? TEXTS.replay.progressOf : correctionWords.progress.progressOf, {
    done,
    total: numberText(Math.max(total, replayed)),
  })
  return html`${progress}!${links.length === 0 ? '' : html` ${replayedSoFar} !${list}.`}`
}

/** Why those that are queued don't move. */
function waitingHtml({ parts, results, bulk }: ProgressView): string {
  const breaker = parts.liveState.breaker()
  if (!isOpen(breaker) || results.queued === 0) return ''
  return html`<p>${wordsOf(bulk).waiting} ${TEXTS.status.lms[breaker.kind]} ${TEXTS.status.since} !${timeHtml(breaker.since)}.</p>`
}

/** What a correction left as it is, and the way to it. */
function leftHtml({ request, bulk }: ProgressView): string {
  const { corrects, state, total, replayed, filter } = bulk
  if (corrects === null || state !== 'done' || replayed >= total) return ''
  const { cause = '', ids = [] } = filter
  const query = queryText({ cause, about: corrects.from, ids: ids.join(',') })
  return html`<p>${fill(correctionWords.left, { count: numberText(total - replayed) })} <a href="${request.site.base}/deliveries${query}">${correctionWords.openLeft}</a></p>`
}

/** The next step after a correction: what failed again, or back to what else needs somebody. */
function nextHtml({ request, bulk, results }: ProgressView): string {
  if (bulk.corrects === null || bulk.state === 'running' || results.queued > 0) return ''
  const { base } = request.site
  const failed = results.needs_attention
  const open =
    failed === 0
      ? ''
      : html`<a class="button" href="${base}/deliveries${queryText({ state: 'needs_attention', replay: bulk.id })}">${fill(correctionWords.openFailed, { count: numberText(failed) })}</a>`
  return html`<p class="actions">!${open}<a class="button second" href="${base}/">${correctionWords.back}</a></p>`
}
