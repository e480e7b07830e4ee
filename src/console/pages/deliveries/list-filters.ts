import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import { z } from 'zod'
import type { DeliveryFilter, Nothing } from '../../../operators/find/filter.ts'
import { type StateCounts, totalOf } from '../../../operators/reports/counts.ts'
import { DELIVERY_STATES, type DeliveryState, REASON_CODES, REASONS } from '../../../sale/types.ts'
import { type CourseName, courseInLineHtml } from '../../layout/course-names.ts'
import { hiddenFields } from '../../layout/elements.ts'
import { numberText, timeHtml } from '../../layout/format.ts'
import { dateFields, periodLinks } from '../../layout/period.ts'
import { TEXTS } from '../../layout/texts.ts'
import { dayIn, type Zone } from '../../layout/zone.ts'
import type { PageParts } from '../../parts.ts'
import { shortKey } from './list-rows.ts'

const words = TEXTS.deliveries

/**
 * Reads the query of a list's address, which also fills the form above the list. What is missing or invalid is ''. Days are
 * `YYYY-MM-DD`.
 */
export function readQuery(parameters: URLSearchParams) {
  const text = (name: string): string => (parameters.get(name) ?? '').trim().slice(0, 300)
  const day = (name: string): string => {
    const given = parameters.get(name) ?? ''
    return z.iso.date().safeParse(given).success ? given : ''
  }
  const span = (name: string): string => /^\d{1,14}-(\d{1,14})?$/.exec(parameters.get(name) ?? '')?.[0] ?? ''
  const oneOf = <Name extends string>(name: string, all: readonly Name[]): Name | '' =>
    all.find((one) => one === parameters.get(name)) ?? ''
  const cause = oneOf('cause', REASON_CODES)
  const [replay = ''] = /^[0-9A-Z]{26}$/.exec(parameters.get('replay') ?? '') ?? []
  const [from, to] = [day('from'), day('to')]
  return {
    q: text('q'),
    /** A course key: only deliveries that name it as a whole. */
    course: text('course'),
    /** `only`: no tests, and nothing that a correction replaces. */
    sales: oneOf('sales', ['only']),
    /** `only`: enrolled deliveries of which the LMS took a course away. */
    ended: oneOf('ended', ['only']),
    /** From when to when (ms since 1970) the LMS or the database was away; without an end, it still is. */
    waited: span('waited'),
    state: oneOf('state', DELIVERY_STATES),
    /** The first and the last day of receiving. */
    from,
    to,
    /** Instead of days: from when to when (ms since 1970) they were received, as a bar of the chart has it. */
    received: from + to === '' ? span('received') : '',
    /** The code of the reason why they failed, and the course that it is about. */
    cause,
    about: cause === '' ? '' : text('about'),
    /** The id of a bulk replay or a bulk correction. */
    replay,
    /** The ids of selected deliveries, with a comma between them. A form with check boxes sends each as `id`. */
    ids: idsOf(parameters).join(','),
  }
}
/** More than a page of a list can have. */
const IDS_MAX = 500
const NO_ID = '0'.repeat(26)

/** Returns the ids of the deliveries that an address or a form selects. */
export function idsOf(parameters: URLSearchParams): string[] {
  const named = [...parameters.getAll('id'), ...(parameters.get('ids') ?? '').split(',')]
  const ids = [...new Set(named.filter((id) => /^[0-9A-Z]{26}$/.test(id)))].slice(0, IDS_MAX)
  // The form of a selection in which nothing is selected means no delivery, and not all of them.
  return ids.length === 0 && parameters.has('selected') ? [NO_ID] : ids
}

export type ListQuery = Readonly<ReturnType<typeof readQuery>>

/**
 * Returns the filter of a query. It includes all of the last day. The days are those of the reader's zone: an address that
 * is sent to a reader in another zone means the days of that reader.
 */
export function filterOf(
  { q, course, sales, ended, waited, state, from, to, received, cause, about, replay, ids, ...unread }: ListQuery,
  zone: Zone,
): DeliveryFilter {
  unread satisfies Nothing
  const { from: first, to: end } = spanOf(received)
  return {
    ...(q === '' ? {} : { find: q }),
    ...(course === '' ? {} : { course }),
    ...(sales === '' ? {} : { sales: true }),
    ...(ended === '' ? {} : { ended: true }),
    ...(waited === '' ? {} : { waited: spanOf(waited) }),
    ...(state === '' ? {} : { states: [state] }),
    ...(from === '' ? {} : { received: dayIn(from, zone).from }),
    ...(cause === '' ? {} : { cause }),
    ...(about === '' ? {} : { about }),
    ...(replay === '' ? {} : { replay }),
    ...(ids === '' ? {} : { ids: ids.split(',') }),
    ...(to === '' ? {} : { receivedTo: dayIn(to, zone).to }),
    ...(received === '' ? {} : { received: first, receivedTo: end }),
  }
}

/** The time in which sales waited, as the address of their list has it, and back. */
export const spanText = ({ from, to }: { from: number; to: number | null }): string => `${from}-${to ?? ''}`
function spanOf(text: string): { from: number; to?: number } {
  const [from = '', to = ''] = text.split('-')
  return { from: Number(from), ...(to === '' ? {} : { to: Number(to) }) }
}

/**
 * Returns the query as the end of an address, with its question mark; empty if it has no condition.
 * @param query the conditions, with the place in the list, with what was done to a delivery in it, or with the course to
 *   correct them to
 */
export function queryText(
  query: Partial<ListQuery> & { after?: string; skip?: string; passed?: string; done?: string; enroll_in?: string },
): string {
  const given = Object.entries(query).filter(([, value]) => value !== '' && value !== undefined)
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`
}

/** Whether a query has no condition and so matches all deliveries. */
export const isEmpty = (query: ListQuery): boolean => queryText(query) === ''

const TABS = ['needs_attention', 'queued', 'pre_enrolled', 'enrolled', 'rejected', 'handled', 'withdrawn'] as const

/** The parts of the form that are links, and so have to name what a reader has typed since. */
const LINKS = ['filter-course', 'filter-cause', 'filter-periods'] as const

/** More courses than this are too many to read: a search finds the others. */
const COURSES_SHOWN = 200

/**
 * The form of the filters. The search field above the page belongs to it, and the list follows what is typed. Without
 * JavaScript, the first button is the one that Enter presses.
 */
export async function formHtml(
  { operations, readCatalogue, now }: PageParts,
  query: ListQuery,
  { zone, courseName }: FastifyRequest,
): Promise<string> {
  const [causes, { courses }] = await Promise.all([operations.causes(), readCatalogue()])
  const { q: _q, from, to, ...hidden } = query
  const action = '~/deliveries'
  const brought = LINKS.map((id) => `#${id}:outerMorph`).join(',')
  const periods = periodLinks({
    period: query,
    zone,
    now: now(),
    href: (period) => action + queryText({ ...query, ...period, received: '' }),
  })
  const courseLinks = courses
    .map(({ key, name }) => ({ key, title: name === '' ? key : name }))
    .sort((a, b) => a.title.localeCompare(b.title))
    .slice(0, COURSES_SHOWN)
    .map(({ key, title }) => ({
      href: action + queryText({ ...query, course: key }),
      label: html`<bdi>${title}</bdi> <small class="quiet">${shortKey(key)}</small>`,
    }))
  const rest = courses.length > COURSES_SHOWN ? words.moreCoursesByKey : ''
  // With other conditions, fewer are listed than are counted.
  const isCounted = isEmpty({ ...query, state: '', ended: '', cause: '', about: '' })
  const causeLinks = causes.map(({ state, code, course, count }) => {
    const about = course === null ? '' : html`: !${courseInLineHtml(course, courseName)}`
    const href = action + queryText({ ...query, state, ended: '', cause: code, about: course ?? '' })
    const number = isCounted ? html` <span class="quiet">${numberText(count)}</span>` : ''
    return { href, label: html`${REASONS[code].name}!${about}!${number}` }
  })
  return html`<form method="get" action="${action}" id="filters" hx-get="${action}" hx-trigger="submit, change, input changed delay:400ms from:#q" hx-target="#results" hx-select="#results" hx-select-oob="${brought}" hx-replace-url="true" hx-sync="this:replace">
<noscript><button class="second">${words.find}</button></noscript>!${hiddenFields(hidden)}
!${choiceHtml({ id: 'filter-course', title: words.chips.course, links: courseLinks, rest })}!${choiceHtml({ id: 'filter-cause', title: words.chips.cause, links: causeLinks })}
<details class="dates"><summary class="button second">${TEXTS.period.label}</summary><div class="dates-panel stack"><div id="filter-periods">!${periods}</div>
!${dateFields({ from, to }, zone)}
<button>${TEXTS.period.apply}</button></div></details></form>`
}

/** A panel of links, each of which adds a condition to the list; '' if there is nothing to choose. `label`: escaped HTML. */
function choiceHtml(of: {
  id: (typeof LINKS)[number]
  title: string
  links: readonly { href: string; label: string }[]
  rest?: string
}): string {
  const { id, title, links, rest = '' } = of
  if (links.length === 0) return ''
  const items = links.map(({ href, label }) => html`<li><a class="choice" href="${href}">!${label}</a></li>`)
  return html`<details class="dates" id="${id}"><summary class="button second">${title}</summary><div class="dates-panel choices"><ul>!${items.join('')}</ul>!${rest === '' ? '' : html`<p class="quiet">${rest}</p>`}</div></details>
`
}

/**
 * Returns a link for each state, and one for access that ended, which keep the other filters.
 * @param of.counts null if there are other filters: the counts are of all deliveries
 */
export function tabsHtml({ query, counts }: { query: ListQuery; counts: StateCounts | null }): string {
  const tab = (change: Pick<ListQuery, 'state' | 'ended'>, label: string, count = '') => {
    const mark = change.state === query.state && change.ended === query.ended ? ' aria-current="page"' : ''
    return html`<li><a class="tab" href="~/deliveries${queryText({ ...query, ...change })}"!${mark}>${label}!${count}</a></li>`
  }
  const tabs = (['', ...TABS] as const).map((state) => {
    const count = counts === null ? '' : html` <span class="n">${numberText(countOf(counts, state))}</span>`
    return tab({ state, ended: '' }, state === '' ? words.all : stateName(state), count)
  })
  tabs.push(tab({ state: '', ended: 'only' }, words.ended))
  return html`<nav class="tabs" aria-label="${words.tabs}"><ul>!${tabs.join('\n')}</ul></nav>`
}

const stateName = (state: DeliveryState): string =>
  state === 'pre_enrolled' ? TEXTS.chart.pre_enrolled : TEXTS.states[state]

/** The name of the tab that a query opens; '' for that of all deliveries. */
export const tabName = ({ state, ended }: ListQuery): string =>
  state !== '' ? stateName(state) : ended !== '' ? words.ended : ''

/** Counts the deliveries in a state; all of them for ''. */
export const countOf = (counts: StateCounts, state: DeliveryState | ''): number =>
  state === '' ? totalOf(counts) : counts[state]

/**
 * Returns the conditions of a filter in words; '' if it has none.
 * @param query the query of the list that has this filter: each condition is then a link that removes it
 */
export function chipsHtml(filter: DeliveryFilter, courseName: CourseName, query?: ListQuery): string {
  const items = conditionsOf(filter, courseName).map(([name, value]) => {
    const text = html`${words.chips[name]} <strong>!${value}</strong>`
    if (query === undefined) return html`<li class="chip">!${text}</li>`
    // The span of a bar has both ends, so it goes as a whole.
    const { received } = name === 'from' || name === 'to' ? { received: '' } : query
    const rest = queryText({ ...query, [name]: '', received })
    return html`<li><a class="chip" href="~/deliveries${rest}"><span class="unseen">${words.remove} </span>!${text} <span aria-hidden="true">×</span></a></li>`
  })
  return items.length === 0 ? '' : html`<ul class="chips" aria-label="${words.filters}">!${items.join('\n')}</ul>`
}

type Condition = keyof typeof words.chips

/** The conditions of a filter with their values as escaped HTML, under the names that the query of a list has for them. */
function conditionsOf(filter: DeliveryFilter, courseName: CourseName): [Condition, string][] {
  const { email, username, find, course, cause, about, replay, sales, ended, ids, states, startable, ...times } = filter
  const { received, receivedTo, waited, from, to, ...unread } = times
  unread satisfies Nothing
  const text = (value: string | undefined): string => (value === undefined ? '' : html`<bdi>${value}</bdi>`)
  const named = (key: string | undefined): string => (key === undefined ? '' : text(courseName(key) ?? key))
  const time = (ms: number | undefined): string => (ms === undefined ? '' : timeHtml(ms))
  const values: readonly [Condition, string][] = [
    ['q', text(find)],
    ['email', text(email)],
    ['username', text(username)],
    ['course', named(course)],
    ['sales', sales ? html`${words.onlySales}` : ''],
    ['ended', ended ? html`${words.accessEnded}` : ''],
    ['waited', waited === undefined ? '' : html`!${time(waited.from)} – !${time(waited.to) || html`${words.ongoing}`}`],
    ['state', text(states?.map((state) => TEXTS.states[state]).join(', '))],
    ['from', time(received)],
    ['to', time(receivedTo && receivedTo - 1)],
    ['activeFrom', time(from)],
    ['activeTo', time(to && to - 1)],
    ['cause', cause === undefined ? '' : text(REASONS[cause].name)],
    ['about', named(about)],
    ['replay', text(replay)],
    ['ids', ids === undefined ? '' : html`${ids.length}`],
  ]
  return values.filter(([, value]) => value !== '')
}
