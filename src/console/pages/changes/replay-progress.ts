import { html } from 'ghtml'
import type { BulkReplay } from '../../../operators/changes/bulk-replay.ts'
import type { Summary } from '../../../operators/find/listing.ts'
import { type StateCounts, totalOf } from '../../../operators/reports/counts.ts'
import { DELIVERY_STATES } from '../../../sale/types.ts'
import { numberText, timeHtml } from '../../layout/format.ts'
import { csrfField } from '../../layout/layout.ts'
import { type BreakerView, isOpen } from '../../layout/live-state.ts'
import { refreshes } from '../../layout/refresh.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import type { Session } from '../../session/sessions.ts'
import { filterHtml } from '../deliveries/filter-description.ts'
import { queryText } from '../deliveries/list-query.ts'
import { tableHtml } from '../deliveries/list-rows.ts'

const words = TEXTS.replay
/** What an operator hopes for comes first, and what is still open last. */
const ORDER = [...DELIVERY_STATES.filter((state) => state !== 'queued'), 'queued'] as const

/** What the page of a bulk replay shows. */
export interface ReplayView {
  readonly bulk: BulkReplay
  readonly results: StateCounts
  /** The deliveries themselves, if they are few. */
  readonly few: readonly Summary[]
  readonly breaker: BreakerView | null
  /** ms since 1970. */
  readonly now: number
  readonly session: Session
  readonly base: string
}

/** Returns the progress of a bulk replay, and what came of each delivery. It updates itself until all are settled. */
export function progressHtml(of: ReplayView): string {
  const { bulk, results, few, session, base, ...now } = of
  const { id, state, total, replayed, by, startedAt, endedAt, enrolled, filter } = bulk
  const running = state === 'running'
  const here = `${base}/replays/${id}`
  const { grade, title } = titleOf(bulk, results)
  const max = Math.max(1, total ?? 1)
  const bar =
    total === null || !running
      ? ''
      : html`<progress max="${max}" value="${Math.min(replayed, max)}" aria-label="${words.progress}"></progress>`
  const stop = html`<form method="post" action="${here}/stop">!${csrfField(session)}<button class="second">${words.stop}</button></form><p>${words.paceNote}</p>`
  const poll = html`<div !${refreshes({ url: here, id: 'progress', seconds: 2 })}></div>`
  const isMoving = running || results.queued > 0
  return html`<div id="progress">!${isMoving ? poll : ''}
<div class="note ${grade}"><h2>${title}</h2><p role="status">!${resultsHtml(of)}</p>!${bar}!${waitingHtml(of)}</div>
!${running ? stop : ''}
<dl class="facts"><div><dt>${words.which}</dt><dd>!${filterHtml(filter)}!${enrolled ? html` ${words.withEnrolled}` : ''}</dd></div>
<div><dt>${words.startedBy}</dt><dd>${by}</dd></div><div><dt>${words.startedAt}</dt><dd>!${timeHtml(startedAt, 'seconds')}</dd></div>
!${endedAt === null ? '' : html`<div><dt>${words.endedAt}</dt><dd>!${timeHtml(endedAt, 'seconds')}</dd></div>`}</dl>
!${few.length === 0 ? '' : tableHtml(few, { ...now, base })}</div>`
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
function resultsHtml({ bulk, results: states, base }: ReplayView): string {
  const { id, state, total, replayed } = bulk
  const [done, running] = [numberText(replayed), state === 'running']
  if (replayed === 0 && !running) return html`${words.none}`
  const links = ORDER.filter((one) => states[one] > 0).map((one) => {
    const text = fill(words.results[one], { count: numberText(states[one]) })
    return html`<a href="${base}/deliveries${queryText({ state: one, replay: id })}">${text}</a>`
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
