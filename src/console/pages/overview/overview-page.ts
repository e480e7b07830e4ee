import { html } from 'ghtml'
import type { Operations } from '../../../operators/changes/operations.ts'
import type { Overview } from '../../../operators/find/overview.ts'
import {
  type Bar,
  type Counted,
  type SalesByCourse,
  type StateCounts,
  totalOf,
} from '../../../operators/reports/counts.ts'
import { DELIVERY_STATES, type DeliveryState } from '../../../sale/types.ts'
import { factsHtml, refreshes } from '../../layout/elements.ts'
import { agoHtml, durationText, numberText, timeHtml } from '../../layout/format.ts'
import { sendPage } from '../../layout/layout.ts'
import { queryOf } from '../../layout/request.ts'
import { shareReads } from '../../layout/share-reads.ts'
import { fill, fillBoth, TEXTS } from '../../layout/texts.ts'
import { latestDays, latestHours, type Zone } from '../../layout/zone.ts'
import { type BreakerView, isOpen, type PageParts } from '../../parts.ts'
import { CONSOLE_PATH, type Site } from '../../session/site.ts'
import { queryText } from '../deliveries/list-query.ts'
import { lastIncidentHtml } from '../incidents-page.ts'
import { causesHtml, createClosestCourses } from './causes.ts'
import { chartHtml } from './chart.ts'
import { type Problem, problemsOf } from './problems.ts'

const words = TEXTS.overview
/** A count of this age is not the one that was asked for: ms. */
const AGED_MS = 2_000

/** The slowest read of the page, and the one whose numbers nobody watches. */
const COURSES_MS = 10_000
/** The days of this many time zones are kept. */
const ZONES_MAX = 50

/** Adds the page that shows whether the service works, its problems first; it updates itself. */
export function addOverview(parts: PageParts): void {
  const { scope, operations, lms, now } = parts
  const closestCourses = createClosestCourses({ findCourse: lms.findCourse, now })
  const shared = new Map<number, () => ReturnType<Operations['salesByCourse']>>()
  const readCourses = (from: number) => {
    if (shared.size >= ZONES_MAX) shared.clear()
    const read = shared.get(from) ?? shareReads({ read: () => operations.salesByCourse(from), forMs: COURSES_MS, now })
    shared.set(from, read)
    return read()
  }
  scope.get('/', async (request, reply) => {
    const { site, zone } = request
    const by = queryOf(request).get('by') === 'hour' ? 'hour' : 'day'
    const here = by === 'hour' ? `${site.base}/?by=hour` : `${site.base}/`
    const main = html`<div id="overview" data-zoned !${refreshes({ url: here, id: 'overview', seconds: 10 })}>
!${await overviewHtml(parts, { by, zone, site, closestCourses, readCourses })}</div>`
    return sendPage({ reply, title: words.title, intro: words.intro, current: '/', main })
  })
}

async function overviewHtml(
  { operations, incidents, liveState, readSenders, shopEvents, now: clock }: PageParts,
  of: {
    by: 'hour' | 'day'
    zone: Zone
    site: Site
    readCourses: Operations['salesByCourse']
    closestCourses: ReturnType<typeof createClosestCourses>
  },
): Promise<string> {
  const { by, zone, site, closestCourses, readCourses } = of
  const { base } = site
  const now = clock()
  const bounds = by === 'hour' ? latestHours({ now, zone, hours: 48 }) : latestDays({ now, zone, days: 30 })
  const [month = now] = latestDays({ now, zone, days: 30 })
  const [overview, states, sold, causes, sales, byCourse, bands, { refused, idsReused }, events] = await Promise.all([
    operations.overview(),
    operations.countByState(),
    operations.countSales(),
    operations.causes(),
    operations.sales(bounds),
    readCourses(month),
    incidents.between({ from: bounds[0] ?? now, to: now }),
    readSenders(),
    shopEvents?.health() ?? null,
  ])
  const counts = states.value
  const [breaker, budget] = [liveState.breaker(), liveState.budget()]
  const live = { breaker, pausedCourses: liveState.pausedCourses(), budget }
  const problems = problemsOf({
    overview,
    queued: counts.queued,
    ...live,
    refusedSenders: refused,
    idsReused,
    events,
    now,
  })
  const attention = causesHtml({
    causes,
    count: counts.needs_attention + counts.rejected,
    closest: closestCourses(causes),
    base,
  })
  const [midnight = now] = latestDays({ now, zone, days: 1 })
  const today = salesSince(sales.value, midnight)
  const pace = overview.pace
  return html`<div role="status">!${problemsHtml({ problems, needsAttention: attention !== '', counts, site })}</div>
!${attention}
!${tilesHtml({ counts: sold.value, causes: causes.filter(({ state }) => state === 'needs_attention').length, today, pace, base })}
!${countedHtml([states, sold, sales], now)}
!${chartHeadHtml(by, base)}
!${chartHtml({ bars: sales.value, by, zone, bands, now })}
!${bands.length === 0 ? '' : html`<p>!${lastIncidentHtml(bands, base)}</p>`}
!${courseSalesHtml(byCourse.value, { base, day: dayText(month, zone) })}
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
  const webhook = `${origin}${base.slice(0, -CONSOLE_PATH.length)}/api/lernito/webhook/`
  const message = isUnused ? fillBoth(words.nothingYet, { webhook }) : words.healthy
  return html`<div class="note good"><h2>${message.title}</h2><p>${message.text}</p></div>`
}

/** Returns the figures above the chart. They add up: each stored delivery is counted once, by its state. */
function tilesHtml(of: {
  counts: StateCounts
  /** How many causes need attention. */
  causes: number
  /** The sales of today, in the reader's zone. */
  today: number
  pace: Overview['pace']
  base: string
}): string {
  const { counts, causes, pace, base } = of
  const closed = counts.handled + counts.withdrawn
  const attention =
    causes === 0
      ? words.tiles.noCause
      : causes === 1
        ? words.tiles.oneCause
        : fill(words.tiles.causes, { count: numberText(causes) })
  const today = fill(words.tiles.today, { count: numberText(of.today) })
  const byState = [
    { state: 'enrolled', name: words.tiles.enrolled, more: paceText(pace) },
    { state: 'queued', name: words.tiles.waiting, more: words.tiles.retried },
    { state: 'pre_enrolled', name: words.tiles.preEnrolled, more: words.tiles.followed },
    { state: 'needs_attention', name: words.tiles.needsAttention, more: attention },
    { state: 'rejected', name: words.tiles.rejected, more: words.tiles.wrongData },
  ] as const
  const tiles = byState.map(({ state, name, more }) => {
    const count = counts[state]
    const number = html`<a href="${base}/deliveries${queryText({ sales: 'only', state })}"><strong>${numberText(count)}</strong></a>`
    return tile({ name, number, more, look: count === 0 ? '' : state.replace('_', '-') })
  })
  const plain = (name: string, count: number, more: string): string =>
    tile({ name, number: html`<strong>${numberText(count)}</strong>`, more, look: '' })
  const last = closed === 0 ? [] : [plain(words.tiles.closed, closed, words.tiles.byOperators)]
  const all = [plain(words.tiles.sales, totalOf(counts), today), ...tiles, ...last]
  return html`<dl class="figures">!${all.join('\n')}</dl>`
}

const tile = ({ name, number, more, look }: Readonly<Record<'name' | 'number' | 'more' | 'look', string>>): string =>
  html`<div class="${look}"><dt>${name}</dt><dd>!${number}</dd><dd class="quiet">${more}</dd></div>`

function paceText(pace: Overview['pace']): string {
  if (pace === null) return words.tiles.stored
  const { median, p95 } = pace
  return fill(words.paceShort, { median: durationText(median), p95: durationText(p95) })
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
  return factsHtml(rows)
}

/** The day on which a midnight of the zone begins (ms since 1970), as the address of a list has it. */
const dayText = (midnight: number, zone: Zone): string =>
  new Date(midnight + zone.offsetAt(midnight)).toISOString().slice(0, 10)

const COURSE_STATES = [
  'enrolled',
  'pre_enrolled',
  'needs_attention',
  'queued',
  'rejected',
  'handled',
  'withdrawn',
] as const satisfies readonly DeliveryState[]

/**
 * Returns what was sold of each course by the state of its sales, with totals; '' if nothing was sold. Each figure leads to
 * its sales.
 * @param of.day the first day that is counted
 */
function courseSalesHtml(
  { courses, others, unnamed, sales }: SalesByCourse,
  { base, day }: { base: string; day: string },
): string {
  if (sales === 0) return ''
  const row = (title: string, counts: Bar['counts'], course?: string): string => {
    const link = (text: string, state: DeliveryState | '', look = ''): string =>
      course === undefined
        ? text
        : html`<a!${look} href="${base}/deliveries${queryText({ course, sales: 'only', received: day, state })}">!${text}</a>`
    const cells = COURSE_STATES.map((state) => {
      const count = counts[state] ?? 0
      const look = state === 'needs_attention' || state === 'rejected' ? ' class="bad"' : ''
      return count === 0 ? html`<td class="quiet">0</td>` : html`<td>!${link(numberText(count), state, look)}</td>`
    })
    return html`<tr><th scope="row">!${link(title, '')}</th><td>${numberText(totalOf(counts))}</td>!${cells.join('')}</tr>`
  }
  const all = [...courses.map(({ counts }) => counts), others.counts, unnamed]
  const total = Object.fromEntries(
    DELIVERY_STATES.map((state) => [state, all.reduce((sum, counts) => sum + (counts[state] ?? 0), 0)]),
  )
  const rows = [
    ...courses.map(({ course, counts }) => row(html`<code>${course}</code>`, counts, course)),
    others.courses === 0 ? '' : row(fill(words.courses.others, { count: numberText(others.courses) }), others.counts),
    totalOf(unnamed) === 0 ? '' : row(words.courses.unnamed, unnamed),
  ]
  const columns = [...words.courses.columns, ...COURSE_STATES.map((state) => TEXTS.states[state])]
  const head = columns.map((name) => html`<th scope="col">${name}</th>`)
  const text = fill(words.courses.text, {
    sales: numberText(sales),
    courses: numberText(totalOf(total) - totalOf(unnamed)),
  })
  return html`<h2>${words.courses.title}</h2><p class="quiet">${text}</p>
<div class="sideways" role="region" aria-label="${words.courses.title}" tabindex="0"><table class="numbers boxed"><thead><tr>!${head.join('')}</tr></thead><tbody>!${rows.join('\n')}</tbody><tfoot>!${row(words.courses.total, total)}</tfoot></table></div>`
}
