import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import type { PausedCourse } from '../../enroll/breakers/course-breakers.ts'
import { type StateCounts, sumOf, totalOf } from '../../operators/reports/counts.ts'
import type { DeliveryState } from '../../sale/types.ts'
import type { Course, Known } from '../../shop/courses/catalogue.ts'
import { modesAt, type Obstacle, obstacleOf } from '../../shop/courses/sellable.ts'
import { differenceHtml, listTable, refreshes } from '../layout/elements.ts'
import { courseUrl, durationText, fillCount, numberText, timeHtml } from '../layout/format.ts'
import { boundsOf, type Period, periodHtml } from '../layout/period.ts'
import { queryOf } from '../layout/request.ts'
import { fill, TEXTS } from '../layout/texts.ts'
import type { PageParts } from '../parts.ts'
import { queryText, readQuery } from './deliveries/list-filters.ts'

const words = TEXTS.courses
const PATH = '/courses'
/** More courses than these are only counted: in each table, those of which the most were sold are listed. */
const LISTED_MAX = 500
const UNSOLD_MAX = 200

/** Adds the page with the courses that were sold here, and what the LMS says about each; it updates itself. */
export function addCourses(parts: PageParts): void {
  const { scope, now } = parts
  scope.page(PATH, async ({ request }) => {
    const { from, to } = readQuery(queryOf(request))
    const href = (period: Period): string => `~${PATH}${queryText(period)}`
    const view = await readView(parts, request, { from, to })
    const aside = periodHtml({ period: view.period, now: now(), zone: request.zone, href })
    const main = html`<div id="courses" !${refreshes({ url: href({ from, to }), id: 'courses', seconds: 10 })}>!${pageHtml(view)}</div>`
    return { title: words.title, aside, current: PATH, main }
  })
}

/**
 * What the LMS said about a course. `paused`: it is open, and the LMS fails for everyone who is to be enrolled. `unknown`:
 * it was first sold after the LMS was last asked, and no sale found it missing. `similar`: the key of the course that a
 * missing one looks like.
 */
type Status =
  | { readonly kind: 'paused'; readonly since: PausedCourse['since'] }
  | { readonly kind: 'open' | Obstacle; readonly course: Course; readonly wanted: string | null }
  | { readonly kind: 'missing'; readonly similar: string | null }
  | { readonly kind: 'unknown' }

interface Line {
  /** As the shop sent it most often. */
  readonly key: string
  readonly name: string | null
  readonly status: Status
  /** How the catalogue has it now, and what last changed; null: it never had it. */
  readonly known: Known | null
  readonly counts: StateCounts
}

async function readView(
  { operations, readCatalogue, refusedCourses, missingCourses, breakers, modeOf, lmsUrl, ...parts }: PageParts,
  of: FastifyRequest,
  asked: Period,
) {
  const now = parts.now()
  const { period, from: since, to } = boundsOf(asked, { now, zone: of.zone })
  // Last what the page does not wait for: on SQLite, one thread makes the reports in turn.
  const [isRefused, isMissing, catalogue, sold] = await Promise.all([
    refusedCourses(),
    missingCourses(),
    readCatalogue(),
    operations.salesByCourse({ from: since, to }),
  ])
  const selling = { modeOf, isRefused, at: now }
  const paused = new Map(breakers.paused().map(({ course, since: at }) => [course, at]))
  const lines = sold.value.courses.map(({ course: key, counts }): Line => {
    const course = catalogue.find(key)
    const name = of.courseName(key)
    const known = catalogue.known(key)
    if (course === undefined) {
      const status: Status =
        known !== null || isMissing(key) ? { kind: 'missing', similar: catalogue.closest(key) } : { kind: 'unknown' }
      return { key, name, counts, known, status }
    }
    const obstacle = obstacleOf(course, selling)
    const failsSince = paused.get(course.key)
    const status: Status =
      obstacle === null && failsSince !== undefined
        ? { kind: 'paused', since: failsSince }
        : { kind: obstacle ?? 'open', course, wanted: modeOf(course.key) }
    return { key: course.key, name, counts, known, status }
  })
  return { lines, catalogue, period, since, until: period.to === '' ? null : to, lmsUrl, now }
}
type View = Awaited<ReturnType<typeof readView>>

const byName = (a: Line, b: Line): number => (a.name ?? a.key).localeCompare(b.name ?? b.key, 'en')

const WAITING = ['pre_enrolled', 'queued'] as const satisfies DeliveryState[]
const PROBLEMS = ['needs_attention', 'rejected'] as const satisfies DeliveryState[]
const problemsIn = ({ counts }: Line): number => totalOf(counts, PROBLEMS)
const isKnownShut = ({ status }: Line): boolean => status.kind !== 'open' && status.kind !== 'unknown'

function pageHtml(view: View): string {
  const { lines } = view
  if (lines.length === 0) return html`!${leadHtml(view)}<p>${words.none}</p>!${unsoldHtml(view)}`
  const isShut = (line: Line): boolean => line.status.kind === 'paused' || (isKnownShut(line) && problemsIn(line) > 0)
  const [shut, others] = [lines.filter(isShut), lines.filter((line) => !isShut(line))]
  const sales = shut.reduce((total, line) => total + problemsIn(line) + line.counts.queued, 0)
  const shutHtml =
    shut.length === 0
      ? ''
      : html`<h2>${words.shut} <span class="quiet">${fillCount(words.shutCourses, shut.length)}, ${fillCount(TEXTS.people.count, sales)}</span></h2>!${tableHtml(words.shut, shut, view)}`
  const othersHtml =
    others.length === 0
      ? ''
      : html`<h2>${words.others} <span class="quiet">${numberText(others.length)}</span></h2>!${tableHtml(words.others, others, view)}`
  const all = sumOf(lines.map(({ counts }) => counts))
  const total = fill(words.total, {
    courses: numberText(lines.length),
    sold: numberText(totalOf(all)),
    enrolled: numberText(all.enrolled),
    waiting: numberText(totalOf(all, WAITING)),
    problems: numberText(totalOf(all, PROBLEMS)),
    handled: numberText(all.handled),
    withdrawn: numberText(all.withdrawn),
  })
  return html`!${leadHtml(view)}!${shutHtml}!${othersHtml}<p>${total}</p>!${unsoldHtml(view)}`
}

function leadHtml({ catalogue, since, until }: View): string {
  const { checkedAt, failure } = catalogue
  const lead =
    checkedAt === null
      ? html`<p class="intro">${words.unasked}</p>`
      : html`<p class="intro">${words.sold} !${timeHtml(since)} !${until === null ? '' : html`${words.soldUntil} !${timeHtml(until)} `}${words.said} !${timeHtml(checkedAt, 'ago')}.</p>`
  const failed =
    failure === null
      ? ''
      : html`<p class="note warning">${words.failed} !${timeHtml(failure.at, 'ago')}: ${failure.message}. ${words.stays}</p>`
  return lead + failed
}

/** Between a phone, which shows cards, and a desktop, the columns don't fit. */
function tableHtml(title: string, lines: readonly Line[], view: View): string {
  const listed = lines.slice(0, LISTED_MAX).toSorted(byName)
  const rows = listed.map((line) => cellsOf(line, view))
  const table = listTable({ columns: words.columns, numbers: [2, 3, 4, 5, 6], rows, ids: listed.map(({ key }) => key) })
  const rest = lines.length - listed.length
  const more = rest === 0 ? '' : html`<p>${fillCount(words.unlisted, rest)}</p>`
  return html`<div class="sideways" role="region" aria-label="${title}" tabindex="0">!${table}</div>!${more}`
}

function cellsOf(line: Line, view: View): string[] {
  const { counts } = line
  const link = (states: readonly DeliveryState[] | undefined, look = ''): string => {
    const count = totalOf(counts, states)
    if (count === 0) return html`<span class="quiet">0</span>`
    // The list shows one state or all.
    const state = states === undefined ? '' : states.find((one) => counts[one] === count)
    if (state === undefined) return html`<span!${look}>${numberText(count)}</span>`
    const url = `~/deliveries${queryText({ course: line.key, sales: 'only', ...view.period, state })}`
    return html`<a!${look} href="${url}">${numberText(count)}</a>`
  }
  return [
    titleHtml(line),
    html`<div>!${statusHtml(line, view)}!${changeHtml(line, view)}</div>`,
    link(undefined),
    link(['enrolled']),
    link(WAITING),
    link(PROBLEMS, ' class="bad"'),
    actionHtml(line, view),
  ]
}

function titleHtml({ key, name, status }: Line): string {
  const similar = status.kind === 'missing' ? status.similar : null
  const marked = similar === null ? html`<code>${key}</code>` : differenceHtml(key, similar)
  if (name !== null) return html`<div><strong><bdi>${name}</bdi></strong><br>!${marked}</div>`
  return status.kind === 'missing'
    ? html`<div><strong class="bad">${words.missing}</strong><br>!${marked}</div>`
    : marked
}

function statusHtml(line: Line, view: View): string {
  const [look, text, more = ''] = statusOf(line, view)
  return html`<div><span class="state ${look}">${text}</span>!${more === '' ? '' : html`<br><span class="quiet">!${more}</span>`}</div>`
}

/** The look of the state of a course, its name, and more about it as escaped HTML. */
function statusOf({ status }: Line, { catalogue, now }: View): readonly [look: string, text: string, more?: string] {
  if (status.kind === 'unknown') return ['handled', words.states.unknown]
  const look = status.kind === 'open' ? 'enrolled' : 'needs_attention'
  if (status.kind === 'paused')
    return [
      look,
      words.states.paused,
      html`${fill(words.fails, { time: durationText(Math.max(0, now - status.since)) })}`,
    ]
  if (status.kind === 'missing') {
    const { similar } = status
    const like = similar === null ? '' : html`${words.looksLike} <bdi>${catalogue.find(similar)?.name ?? similar}</bdi>`
    return [look, words.states.missing, like]
  }
  const { course, wanted } = status
  const { enrollmentStart: start, enrollmentEnd: end, modes } = course
  switch (status.kind) {
    case 'open':
      return [look, words.states.open, end === null ? html`${words.noEnd}` : html`${words.until} !${timeHtml(end)}`]
    case 'closed':
      if (start !== null && start > now) return [look, words.states.closed, html`${words.begins} !${timeHtml(start)}`]
      return [look, words.states.closed, end === null ? '' : html`${words.ended} !${timeHtml(end)}`]
    case 'invitation_only':
      return [look, words.states.invitation_only]
    case 'full':
      return [look, words.states.full, html`${words.refused}`]
    case 'no_mode': {
      const slugs = modesAt(modes ?? [], now).map(({ slug }) => slug)
      const text = wanted === null ? words.states.no_mode : fill(words.states.no_named_mode, { mode: wanted })
      return [look, text, html`${slugs.length === 0 ? words.noModes : fill(words.has, { modes: slugs.join(', ') })}`]
    }
  }
}

/** What differed before the latest change, if that was in the time of this page. */
function changeHtml({ known }: Line, { since }: View): string {
  if (known === null || known.was === null || known.was.until < since) return ''
  const { was, name, reason } = known
  const called = was.name === null || was.name === name ? [] : [html`${words.called} <bdi>${was.name}</bdi>`]
  const state = was.reason === reason ? [] : [html`${words.states[was.reason ?? 'open']}`]
  if (called.length + state.length === 0) return ''
  return html`<small class="quiet">${words.changed} !${timeHtml(was.until, 'ago')}, ${words.before} !${[...called, ...state].join(', ')}</small>`
}

/** What an operator can do about the problems of a course in the time of this page; else, its page in the LMS. */
function actionHtml(line: Line, view: View): string {
  const { key, status, counts } = line
  const stopped = counts.needs_attention
  const counted = { sales: 'only', state: 'needs_attention', ...view.period } as const
  if (status.kind === 'missing') {
    if (stopped === 0) return ''
    // Some of them may have failed for another reason, so the page behind it counts.
    const query = queryText({ ...counted, cause: 'course.missing', about: key, enroll_in: status.similar ?? '' })
    const look = status.similar === null ? 'button second' : 'button'
    return html`<a class="${look}" href="~/correct${query}">${TEXTS.delivery.correct}</a>`
  }
  const url = status.kind === 'unknown' ? null : courseUrl(key, view.lmsUrl)
  const about = url === null ? '' : html`<a href="${url}">${words.about}</a>`
  if (!isKnownShut(line) || stopped === 0) return about
  // A replay helps only after what keeps buyers out was changed in the LMS.
  const query = queryText({ ...counted, course: key })
  return html`<div>!${about}<br><a class="button second" href="~/replay${query}">${fillCount(TEXTS.overview.attention.replay, stopped)}</a></div>`
}

function unsoldHtml({ catalogue, lines }: View): string {
  const sold = new Set(lines.map(({ key }) => key))
  const unsold = catalogue.courses.filter(({ key }) => !sold.has(key))
  if (unsold.length === 0) return ''
  const items = unsold
    .slice(0, UNSOLD_MAX)
    .map(({ key, name }) => html`<li><bdi>${name}</bdi> <code>${key}</code></li>`)
  return html`<details id="unsold"><summary>${fillCount(words.unsold, unsold.length)}</summary><ul>!${items.join('')}</ul></details>`
}
