import type { FastifyInstance } from 'fastify'
import { html } from 'ghtml'
import { countText, durationText, numberText, timeHtml } from '../console-layout/format.ts'
import { sessionOf } from '../console-layout/guard.ts'
import { sendPage } from '../console-layout/layout.ts'
import { type BreakerView, isOpen, type LiveState } from '../console-layout/live-state.ts'
import { fill, fillBoth, TEXTS } from '../console-layout/texts.ts'
import { queryText } from '../operations/list-query.ts'
import type { DayCounts, Operations, Overview } from '../operations/operations.ts'
import type { SendersView } from '../senders/view.ts'
import type { Site } from '../session/site.ts'
import { chartHtml } from './chart.ts'
import { type Problem, problemsOf } from './problems.ts'

const words = TEXTS.overview

/** Adds the page that shows whether the service works, its problems first; it updates itself. */
export function addOverview({
  scope,
  site,
  operations,
  liveState,
  readSenders,
  now,
}: {
  scope: FastifyInstance
  site: () => Site
  operations: Pick<Operations, 'overview'>
  liveState: LiveState
  readSenders: () => Promise<SendersView>
  now: () => number
}): void {
  scope.get('/', async (request, reply) => {
    const { base } = site()
    const session = sessionOf(request)
    const [overview, { refused }] = await Promise.all([operations.overview(), readSenders()])
    const [breaker, budget] = [liveState.breaker(), liveState.budget()]
    const problems = problemsOf({
      overview,
      breaker,
      pausedCourses: liveState.pausedCourses(),
      budget,
      refusedSenders: refused,
      now: now(),
    })
    const main = html`<div id="overview" hx-get="${base}/" hx-trigger="every 10s" hx-select="#overview" hx-swap="outerMorph" hx-status:4xx="swap:none" hx-status:5xx="swap:none">
<div role="status">!${problemsHtml(problems, overview, site())}</div>
!${figuresHtml(overview, base)}
<h2>${words.month}</h2>
!${chartHtml(overview.days)}
!${paceHtml(overview)}
<h2>${words.current}</h2>
!${currentHtml({ overview, breaker, budget, base, now: now() })}
</div>`
    return sendPage({ reply, site: site(), session, title: words.title, current: '/', main })
  })
}

function problemsHtml(problems: readonly Problem[], { days }: Overview, { origin, base }: Site): string {
  if (problems.length > 0) {
    return problems
      .map(
        ({ grade, title, text, path, action }) => html`<div class="note ${grade}"><h2>${title}</h2><p>${text}</p>
!${path === null ? '' : html`<p><a class="button" href="${base}${path}">${action}</a></p>`}</div>`,
      )
      .join('')
  }
  const isUnused = days.every(({ received, repeated }) => received + repeated === 0)
  const webhook = `${origin}${base.replace(/\/lernito\/console$/, '')}/api/lernito/webhook/`
  const message = isUnused ? fillBoth(words.nothingYet, { webhook }) : words.healthy
  return html`<div class="note good"><h2>${message.title}</h2><p>${message.text}</p></div>`
}

function figuresHtml({ days, queued, preEnrolled, needsAttention }: Overview, base: string): string {
  const today = days.at(-1)
  const sum = (of: (day: DayCounts) => number): number => days.reduce((total, day) => total + of(day), 0)
  const events = [
    { name: words.received, of: (day: DayCounts) => day.received },
    { name: words.enrolled, of: (day: DayCounts) => day.enrolled + day.claimed },
  ].map(({ name, of }) => {
    const most = fill(words.inMonth, { count: numberText(sum(of)) })
    return html`<div><dt>${name}</dt><dd><strong>${numberText(today === undefined ? 0 : of(today))}</strong> <span>${words.today}</span></dd><dd class="quiet">${most}</dd></div>`
  })
  const month = sum(({ needsAttention: count }) => count)
  const current = [
    { name: words.queued, count: queued, state: 'queued', more: words.retried },
    { name: words.preEnrolled, count: preEnrolled, state: 'pre_enrolled', more: words.followed },
    {
      name: words.attention,
      count: needsAttention,
      state: 'needs_attention',
      more: fill(words.inMonth, { count: numberText(month) }),
    },
  ] as const
  const links = current.map(({ name, count, state, more }) => {
    const href = `${base}/deliveries${queryText({ state })}`
    return html`<div class="${count.count > 0 ? state.replace('_', '-') : ''}"><dt>${name}</dt><dd><a href="${href}"><strong>${countText(count)}</strong> <span>${words.currently}</span></a></dd><dd class="quiet">${more}</dd></div>`
  })
  return html`<dl class="figures">!${[...events, ...links].join('')}</dl>`
}

function paceHtml({ secondsToEnrollment }: Overview): string {
  if (secondsToEnrollment === null) return ''
  const { median, p95, count } = secondsToEnrollment
  const pace = fill(words.pace, {
    median: durationText(median * 1000),
    p95: durationText(p95 * 1000),
    count: numberText(count),
  })
  return html`<p>${pace}</p>`
}

function currentHtml(of: {
  overview: Overview
  breaker: BreakerView | null
  budget: number | null
  base: string
  now: number
}): string {
  const { overview, breaker, budget, base, now } = of
  const { oldestQueued, replicas } = overview
  const since = breaker === null || !isOpen(breaker) ? '' : html` ${words.since} !${timeHtml(breaker.since)}`
  const kind = breaker?.kind ?? 'unknown'
  const used = budget === null ? null : Math.round((1 - budget) * 100)
  const oldest =
    oldestQueued === null
      ? html`${words.none}`
      : html`<a href="${base}/deliveries/${oldestQueued.id}">${durationText(Math.max(0, now - oldestQueued.receivedAt))}</a>`
  const rows = [
    [words.lms, html`<span class="breaker ${kind}">${words.breaker[kind]}</span>!${since}`],
    [words.oldest, oldest],
    [
      words.budget,
      used === null
        ? html`${words.none}`
        : html`<meter min="0" max="100" high="80" value="${used}" aria-label="${words.budget}"></meter> ${used}%`,
    ],
    [words.replicas, html`${numberText(replicas)}`],
  ] as const
  return html`<dl class="facts">!${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>!${value}</dd></div>`).join('')}</dl>`
}
