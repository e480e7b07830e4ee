import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import { CAUSE_MARKS } from '../../../operators/reports/cause-marks.ts'
import { type StateCounts, sumOf, totalOf } from '../../../operators/reports/counts.ts'
import type { Overview } from '../../../operators/reports/overview.ts'
import { type DeliveryState, REASON_CODES } from '../../../sale/types.ts'
import { courseNameHtml, namedHtml } from '../../layout/course-names.ts'
import { factsHtml, figureHtml, refreshes } from '../../layout/elements.ts'
import { countedHtml, durationText, fillCount, numberText, timeHtml } from '../../layout/format.ts'
import { boundsOf, type Period, periodHtml } from '../../layout/period.ts'
import { queryOf } from '../../layout/request.ts'
import { fill, fillBoth, TEXTS } from '../../layout/texts.ts'
import { DAY_MS, dayIn, dayText } from '../../layout/zone.ts'
import type { PageParts } from '../../parts.ts'
import { serviceUrl } from '../../session/site.ts'
import { queryText, readQuery } from '../deliveries/list-filters.ts'
import { lastIncidentHtml } from '../incidents-page.ts'
import { causesHtml } from './causes.ts'
import { chartHtml } from './chart.ts'
import { type Problem, problemsOf } from './problems.ts'

const words = TEXTS.overview
const WEEK_MS = 7 * DAY_MS

/** Adds the page that shows whether the service works, its problems first; it updates itself. */
export function addOverview(parts: PageParts): void {
  const { scope, operations, now } = parts
  scope.page('/', async ({ request }) => {
    const { from, to } = readQuery(queryOf(request))
    const view = await readView(parts, request, { from, to })
    const href = (period: Period): string => `~/${queryText(period)}`
    const aside = periodHtml({ period: view.period, now: now(), zone: request.zone, href })
    const main = html`<div id="overview" !${refreshes({ url: href({ from, to }), id: 'overview', seconds: 10 })}>
!${overviewHtml(view)}</div>`
    return { title: words.title, aside, current: '/', main }
  })

  scope.form('/causes', async ({ request, form, by }) => {
    const kind = CAUSE_MARKS.find((one) => one === form.get('kind'))
    const code = REASON_CODES.find((one) => one === form.get('code'))
    if (kind !== undefined && code !== undefined)
      await operations.markCause({ kind, code, course: form.get('course'), by })
    const { from, to } = readQuery(queryOf(request))
    return `/${queryText({ from, to })}`
  })
}

async function readView(parts: PageParts, request: FastifyRequest, asked: Period) {
  const { site, zone, courseName, closestCourse } = request
  const { operations, readSenders, shopEvents } = parts
  const now = parts.now()
  const { bounds, from, to, ...span } = boundsOf(asked, { now, zone })
  const bands = await operations.incidentsBetween({ from, to: Math.min(now, to) })
  const band = bands.at(-1)
  // The page waits for the first ones. On SQLite, one thread makes the reports in turn, so its long counts come last.
  const [causes, waited, sales, byCourse, overview, backlog, senders, events] = await Promise.all([
    operations.causes(),
    band === undefined ? null : operations.waitedSales({ from: band.from, to: band.to ?? undefined }),
    operations.sales(bounds),
    operations.salesByCourse({ from, to }),
    operations.overview(),
    operations.backlog(),
    readSenders(),
    shopEvents?.health() ?? null,
  ])
  const last = band === undefined || waited === null ? null : { ...band, ...waited }
  return {
    site,
    zone,
    courseName,
    closestCourse,
    now,
    asked,
    ...span,
    overview,
    causes,
    bands,
    last,
    senders,
    events,
    databaseReason: parts.databaseReason(),
    breaker: parts.breaker.state(),
    budget: parts.budget.fullness(),
    pausedCourses: parts.breakers.paused(),
    backlog,
    sold: sumOf(sales.value.map(({ counts }) => counts)),
    sales,
    byCourse,
  }
}
type View = Awaited<ReturnType<typeof readView>>

function overviewHtml(view: View): string {
  const { sales, last } = view
  const { queued, needs_attention, rejected } = view.backlog
  const problems = problemsOf({ ...view, queued, outageEndedAt: last?.to ?? null })
  const attention = causesHtml({ ...view, count: needs_attention + rejected })
  return html`<p class="intro">${periodText(view)}</p>
<div aria-live="polite" aria-relevant="additions">!${problems.length === 0 && attention !== '' ? '' : problemsHtml(problems, view)}</div>
!${attention}
!${tilesHtml(view)}!${othersHtml(view)}
!${countedHtml(Math.min(sales.at, view.byCourse.at), view.now)}
<h2>${TEXTS.chart.title[view.by]}</h2>
!${chartHtml({ ...view, bars: sales.value })}
!${last === null ? '' : html`<p>!${lastIncidentHtml(last)}</p>`}
!${courseSalesHtml(view)}`
}

function periodText({ period, lastDay, zone }: View): string {
  const [from, to] = [period.from, lastDay].map((day) => zone.format('day', dayIn(day, zone).from))
  return fill(from === to ? words.receivedOn : words.received, { first: from ?? '', last: to ?? '' })
}

function problemsHtml(problems: readonly Problem[], view: View): string {
  const { overview, site, courseName } = view
  if (problems.length > 0) return problems.map((one) => problemHtml(one, courseName)).join('')
  const { isUnused } = overview
  const webhook = `${serviceUrl(site)}/api/lernito/webhook/`
  const { title, text } = isUnused ? fillBoth(words.nothingYet, { webhook }) : words.healthy
  const setup = html`<p><a class="button" href="~/setup">${TEXTS.setup.title}</a></p>`
  return html`<div class="note good" id="no-problem"><h2>${title}</h2><p>${text}</p>!${isUnused ? setup : quietHtml(view)}</div>`
}

function problemHtml({ id, grade, title, text, path, action }: Problem, courseName: View['courseName']): string {
  const next = path === undefined ? '' : html`<p><a class="button" href="~${path}">${action}</a></p>`
  return html`<div class="note ${grade}" id="problem-${id}"><h2>!${namedHtml(title, courseName)}</h2><p>!${namedHtml(text, courseName)}</p>
!${next}</div>`
}

/** What proves that nothing is wrong: the last webhook, the last result that the shop took, and the LMS. */
function quietHtml({ senders, events, breaker, backlog }: View): string {
  const { current, previous } = senders.signedAt
  const signed = Math.max(current ?? 0, previous ?? 0)
  const sent = events?.endpoint?.sentAt ?? null
  const { facts } = words.healthy
  const lms = html`${TEXTS.status.lms[breaker.kind]}, ${fillCount(TEXTS.counts.queued, backlog.queued)}`
  return factsHtml([
    [facts.webhook, signed === 0 ? '' : html`!${timeHtml(signed, 'ago')}, ${facts.signed}`],
    [facts.result, sent === null ? '' : html`!${timeHtml(sent, 'ago')}, ${facts.accepted}`],
    [facts.now, lms],
  ])
}

/** Returns the figures above the chart. With the line below them they add up: each sale is counted once, by its state. */
function tilesHtml({ sold: counts, causes, sales, overview, now, zone, period, lastDay }: View): string {
  const midnight = dayIn(dayText(now, zone), zone).from
  const ofToday = sumOf(sales.value.flatMap(({ from, counts: some }) => (from >= midnight ? some : [])))
  const isNow = lastDay === dayText(now, zone)
  const weekAgo = dayText(now - WEEK_MS, zone)
  const today = isNow ? fillCount(words.tiles.today, totalOf(ofToday)) : ''
  const byState = [
    { state: 'enrolled', more: isNow && counts.enrolled > 0 ? paceText(overview.pace) : '' },
    { state: 'pre_enrolled', more: words.tiles.followed },
    { state: 'needs_attention', more: causesText(causes, counts.needs_attention) },
    { state: 'rejected', more: words.tiles.wrongData },
  ] as const
  const tiles = byState.map(({ state, more }) => {
    const name = TEXTS.chart[state]
    const count = counts[state]
    const number = html`<a href="~/deliveries${queryText({ sales: 'only', state, ...period })}"><strong>${numberText(count)}</strong></a>`
    // Who paid a week ago and has not registered may need a reminder. Of a shorter period, none did.
    const older =
      state !== 'pre_enrolled' || count === 0 || period.from > weekAgo
        ? ''
        : html`<br><a href="~/deliveries${queryText({ sales: 'only', state, to: weekAgo })}">${words.older}</a>`
    return figureHtml({ name, number, more: html`${more} !${older}`, look: count === 0 ? '' : state })
  })
  const all = html`<strong>${numberText(totalOf(counts))}</strong>`
  const first = figureHtml({ name: words.tiles.sales, number: all, more: html`${today}`, look: '' })
  return html`<dl class="figures">!${[first, ...tiles].join('\n')}</dl>`
}

/** The states without a figure of their own, so that the figures add up, and what none of them counts. */
function othersHtml({ sold: counts, period }: View): string {
  const parts = (['handled', 'withdrawn', 'queued'] as const).map((state) => {
    const text = fillCount(TEXTS.counts[state], counts[state])
    const list = `~/deliveries${queryText({ sales: 'only', state, ...period })}`
    return counts[state] === 0 ? html`${text}` : html`<a href="${list}">${text}</a>`
  })
  return html`<p class="also quiet">${fillCount(words.others.also, totalOf(counts))} !${parts.join(', ')}. ${words.others.uncounted}</p>`
}

/** From how many causes the deliveries of the period are; '' if some of the causes are from another time. */
function causesText(causes: View['causes'], count: number): string {
  if (count === 0) return words.tiles.noCause
  const unsolved = causes.filter(({ state }) => state === 'needs_attention')
  if (unsolved.reduce((sum, one) => sum + one.count, 0) !== count) return ''
  return fillCount(words.tiles.causes, unsolved.length)
}

function paceText(pace: Overview['pace']): string {
  if (pace === null) return words.tiles.noPace
  const [median, p95] = [durationText(pace.median), durationText(pace.p95)]
  return median === p95 ? fill(words.evenPace, { p95 }) : fill(words.pace, { median, p95 })
}

/** Of the courses with the most sales, the table lists this many, and the others are one row. */
const COURSES_MAX = 20
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
 */
function courseSalesHtml({ byCourse, period, courseName }: View): string {
  const { unnamed, sales, courses: all } = byCourse.value
  if (sales === 0) return ''
  const [courses, rest] = [all.slice(0, COURSES_MAX), all.slice(COURSES_MAX)]
  const row = (title: string, counts: StateCounts, course?: string): string => {
    const link = (text: string, state: DeliveryState | '', look = ''): string =>
      course === undefined
        ? text
        : html`<a!${look} href="~/deliveries${queryText({ course, sales: 'only', ...period, state })}">!${text}</a>`
    const cells = COURSE_STATES.map((state) => {
      const count = counts[state]
      const look = state === 'needs_attention' || state === 'rejected' ? ' class="bad"' : ''
      const label = TEXTS.states[state]
      return count === 0
        ? html`<td role="cell" class="quiet zero" data-label="${label}">0</td>`
        : html`<td role="cell" data-label="${label}">!${link(numberText(count), state, look)}</td>`
    })
    const [, sold] = words.courses.columns
    const id = course === undefined ? '' : html` id="sold-${course}"`
    return html`<tr role="row"!${id}><th role="rowheader" scope="row">!${link(title, '')}</th><td role="cell" data-label="${sold ?? ''}">${numberText(totalOf(counts))}</td>!${cells.join('')}</tr>`
  }
  const others = sumOf(rest.map(({ counts }) => counts))
  const total = sumOf([...courses.map(({ counts }) => counts), others, unnamed])
  const rows = [
    ...courses.map(({ course, counts }) => row(courseNameHtml(course, courseName), counts, course)),
    rest.length === 0 ? '' : row(fillCount(words.courses.others, rest.length), others),
    totalOf(unnamed) === 0 ? '' : row(words.courses.unnamed, unnamed),
  ]
  const columns = [...words.courses.columns, ...COURSE_STATES.map((state) => TEXTS.states[state])]
  const head = columns.map((name) => html`<th role="columnheader" scope="col">${name}</th>`)
  const sold = totalOf(total)
  const several = sold === sales ? '' : fill(words.courses.several, { courses: numberText(sold) })
  return html`<h2>${words.courses.title}</h2><p class="quiet">${fillCount(words.courses.sales, sales)} ${several} <a class="word" href="~/deliveries.csv${queryText({ sales: 'only', ...period })}">${TEXTS.deliveries.csv}</a></p>
<div class="sideways" role="region" aria-label="${words.courses.title}" tabindex="0"><table class="numbers by-course" role="table"><thead role="rowgroup"><tr role="row">!${head.join('')}</tr></thead>
<tbody role="rowgroup">!${rows.join('\n')}</tbody><tfoot role="rowgroup">!${row(words.courses.total, total)}</tfoot></table></div>`
}
