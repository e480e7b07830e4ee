import type { FastifyInstance } from 'fastify'
import { html } from 'ghtml'
import type { Operations } from '../../../operators/changes/operations.ts'
import type { Overview } from '../../../operators/find/overview.ts'
import {
  type Bar,
  type Counted,
  type CourseSales,
  type StateCounts,
  totalOf,
} from '../../../operators/reports/counts.ts'
import type { DeliveryState } from '../../../sale/types.ts'
import type { SendersView } from '../../../shop/senders/view.ts'
import { agoHtml, durationText, numberText, timeHtml } from '../../layout/format.ts'
import { sessionOf } from '../../layout/guard.ts'
import { sendPage } from '../../layout/layout.ts'
import { type BreakerView, isOpen, type LiveState } from '../../layout/live-state.ts'
import type { LmsCalls } from '../../layout/lms-calls.ts'
import { refreshes } from '../../layout/refresh.ts'
import { shareReads } from '../../layout/share-reads.ts'
import { fillBoth, TEXTS } from '../../layout/texts.ts'
import { latestDays, latestHours, type Zone } from '../../layout/zone.ts'
import type { Site } from '../../session/site.ts'
import { queryText } from '../deliveries/list-query.ts'
import { type IncidentReports, lastIncidentHtml } from '../incidents-page.ts'
import { causesHtml } from './causes-table.ts'
import { chartHtml } from './chart.ts'
import { createClosestCourses } from './closest-courses.ts'
import { type Problem, problemsOf } from './problems.ts'
import { tilesHtml } from './tiles.ts'

const words = TEXTS.overview
/** A count of this age is not the one that was asked for: ms. */
const AGED_MS = 2_000
/** The slowest read of the page, and the one whose numbers nobody watches. */
const COURSES_MS = 10_000

interface Parts {
  readonly scope: FastifyInstance
  readonly site: () => Site
  readonly operations: Pick<Operations, 'overview' | 'causes' | 'countByState' | 'sales' | 'salesByCourse'>
  readonly incidents: Pick<IncidentReports, 'between'>
  readonly liveState: LiveState
  readonly lms: Pick<LmsCalls, 'findCourse'>
  readonly readSenders: () => Promise<SendersView>
  readonly now: () => number
}

/** Adds the page that shows whether the service works, its problems first; it updates itself. */
export function addOverview(parts: Parts): void {
  const { scope, site } = parts
  const closestCourses = createClosestCourses({ findCourse: parts.lms.findCourse, now: parts.now })
  const readCourses = shareReads({ read: parts.operations.salesByCourse, forMs: COURSES_MS, now: parts.now })
  scope.get<{ Querystring: { by?: string } }>('/', async (request, reply) => {
    const { base } = site()
    const by = request.query.by === 'hour' ? 'hour' : 'day'
    const here = by === 'hour' ? `${base}/?by=hour` : `${base}/`
    const main = html`<div id="overview" data-zoned !${refreshes({ url: here, id: 'overview', seconds: 10 })}>
!${await overviewHtml(parts, { by, zone: request.zone, closestCourses, readCourses })}</div>`
    const session = sessionOf(request)
    return sendPage({ reply, site: site(), session, title: words.title, intro: words.intro, current: '/', main })
  })
}

async function overviewHtml(
  { site, operations, incidents, liveState, readSenders, now: clock }: Parts,
  of: {
    by: 'hour' | 'day'
    zone: Zone
    closestCourses: ReturnType<typeof createClosestCourses>
    readCourses: Operations['salesByCourse']
  },
): Promise<string> {
  const { base } = site()
  const { by, zone, closestCourses, readCourses } = of
  const now = clock()
  const bounds = by === 'hour' ? latestHours({ now, zone, hours: 48 }) : latestDays({ now, zone, days: 30 })
  const [overview, states, causes, sales, byCourse, bands, { refused, idsReused }] = await Promise.all([
    operations.overview(),
    operations.countByState(),
    operations.causes(),
    operations.sales(bounds),
    readCourses(),
    incidents.between({ from: bounds[0] ?? now, to: now }),
    readSenders(),
  ])
  const counts = states.value
  const [breaker, budget] = [liveState.breaker(), liveState.budget()]
  const live = { breaker, pausedCourses: liveState.pausedCourses(), budget }
  const problems = problemsOf({ overview, queued: counts.queued, ...live, refusedSenders: refused, idsReused, now })
  const attention = causesHtml({ causes, count: counts.needs_attention, closest: closestCourses(causes), base })
  const [midnight = now] = latestDays({ now, zone, days: 1 })
  const today = salesSince(sales.value, midnight)
  const pace = overview.pace
  return html`<div role="status">!${problemsHtml({ problems, needsAttention: attention !== '', counts, site: site() })}</div>
!${attention}
!${tilesHtml({ counts, causes: causes.length, today, pace, base })}
!${countedHtml([states, sales], now)}
!${chartHeadHtml(by, base)}
!${chartHtml({ bars: sales.value, by, zone, bands, now })}
!${bands.length === 0 ? '' : html`<p>!${lastIncidentHtml(bands, base)}</p>`}
!${courseSalesHtml(byCourse.value, base)}
<h2>${words.current}</h2>
!${currentHtml({ overview, breaker, budget, base, now })}`
}

/** Counts the sales since a time (ms since 1970) at which a bar begins. */
function salesSince(bars: readonly Bar[], since: number): number {
  return bars.filter(({ from }) => from >= since).reduce((sum, { counts }) => sum + totalOf(counts), 0)
}

/** Says how old the oldest of these counts is, if one took so long that the page shows the one before. */
function countedHtml(counts: readonly Counted<unknown>[], now: number): string {
  const at = Math.min(...counts.map((one) => one.at))
  return now - at < AGED_MS ? '' : html`<p class="quiet">${words.counted} !${agoHtml(at)}.</p>`
}

function chartHeadHtml(by: 'hour' | 'day', base: string): string {
  const { title, switch: names } = TEXTS.chart
  const other =
    by === 'hour' ? html`<a href="${base}/">${names.day}</a>` : html`<a href="${base}/?by=hour">${names.hour}</a>`
  return html`<div class="head"><h2>${title[by]}</h2>!${other}</div>`
}

function problemsHtml(of: {
  problems: readonly Problem[]
  needsAttention: boolean
  counts: StateCounts
  site: Site
}): string {
  const { problems, needsAttention, counts, site } = of
  const { origin, base } = site
  if (problems.length === 0 && needsAttention) return ''
  if (problems.length > 0) {
    return problems
      .map(
        ({ grade, title, text, path, action }) => html`<div class="note ${grade}"><h2>${title}</h2><p>${text}</p>
!${path === null ? '' : html`<p><a class="button" href="${base}${path}">${action}</a></p>`}</div>`,
      )
      .join('')
  }
  const isUnused = totalOf(counts) === 0
  const webhook = `${origin}${base.replace(/\/lernito\/console$/, '')}/api/lernito/webhook/`
  const message = isUnused ? fillBoth(words.nothingYet, { webhook }) : words.healthy
  return html`<div class="note good"><h2>${message.title}</h2><p>${message.text}</p></div>`
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

/** Returns the sales of each course by their state; '' if nothing was sold. */
function courseSalesHtml(courses: readonly CourseSales[], base: string): string {
  if (courses.length === 0) return ''
  const rows = courses.map(({ course, counts }) => {
    const total = totalOf(counts)
    const number = (state: DeliveryState): string => {
      const count = counts[state] ?? 0
      if (count === 0) return html`<td class="quiet">0</td>`
      const look = state === 'needs_attention' ? ' class="bad"' : ''
      return html`<td><a!${look} href="${base}/deliveries${queryText({ q: course, state })}">${numberText(count)}</a></td>`
    }
    return html`<tr><th scope="row"><a href="${base}/deliveries${queryText({ q: course })}"><code>${course}</code></a></th><td>${numberText(total)}</td>!${number('enrolled')}!${number('pre_enrolled')}!${number('needs_attention')}</tr>`
  })
  const head = words.courses.columns.map((name) => html`<th scope="col">${name}</th>`)
  return html`<h2>${words.courses.title}</h2>
<div class="sideways" role="region" aria-label="${words.courses.title}" tabindex="0"><table class="numbers boxed"><thead><tr>!${head.join('')}</tr></thead><tbody>!${rows.join('\n')}</tbody></table></div>`
}
