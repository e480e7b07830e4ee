import { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import type { FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import { type DeliveryFilter, isTypedAddress } from '../../../operators/find/filter.ts'
import { listAll, type Summary } from '../../../operators/find/listing.ts'
import { isWrongKey } from '../../../queue/correct.ts'
import type { Line } from '../../../sale/line.ts'
import { hiddenFields, refreshes } from '../../layout/elements.ts'
import { countedHtml, numberText, timeHtml } from '../../layout/format.ts'
import { isUpdate, queryOf } from '../../layout/request.ts'
import { menuPath } from '../../layout/status.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import type { PageParts } from '../../parts.ts'
import { becameHtml } from '../incidents-page.ts'
import {
  chipsHtml,
  countOf,
  filterOf,
  formHtml,
  isEmpty,
  type ListQuery,
  queryText,
  readQuery,
  tabName,
  tabsHtml,
} from './list-filters.ts'
import { tableHtml } from './list-rows.ts'
import { personButton } from './people-page.ts'

const words = TEXTS.deliveries
const PAGE = 50

/** Adds the list of deliveries, with search, filters and pages, and the same list as a CSV file. */
export function addDeliveries(parts: PageParts): void {
  const { scope, now } = parts
  const path = '/deliveries'

  scope.page(path, async ({ request }) => {
    const parameters = queryOf(request)
    const query = readQuery(parameters)
    // What is in the address is what the list shows: no filter that is empty, as a form sends it, or means nothing.
    const ignored = Object.entries(query).flatMap(([name, value]) => (value === '' ? name : []))
    const kept = [...parameters].filter(([name, value]) => value !== '' && !ignored.includes(name))
    if (kept.length < parameters.size) return kept.length === 0 ? path : `${path}?${new URLSearchParams(kept)}`
    const [view, form] = await Promise.all([
      readView(parts, request, query),
      takesForm(request) ? formHtml(parts, query, request) : '',
    ])
    const main = html`<div class="list-page">!${form}!${resultsHtml(view)}</div>`
    const current = menuPath(`${path}${queryText({ state: query.state })}`) ?? path
    return { title: words.title, state: tabName(query), current, search: query.q, main }
  })

  scope.get(`${path}.csv`, (request, reply) => {
    const filter = filterOf(readQuery(queryOf(request)), request.zone)
    const name = `deliveries-${new Date(now()).toISOString().slice(0, 10)}.csv`
    return reply
      .type('text/csv; charset=utf-8')
      .header('content-disposition', `attachment; filename="${name}"`)
      .send(Readable.from(csvPages(parts, filter)))
  })
}

/** Whether an answer is a whole page, or what the form of the filters asks for. The list updates itself without the form. */
const takesForm = (request: FastifyRequest): boolean =>
  !isUpdate(request) || request.headers['hx-source'] === 'form#filters'

/** Reads what changes with the filters and with time. */
async function readView(parts: PageParts, request: FastifyRequest, query: ListQuery) {
  const { operations, now } = parts
  const asked = now()
  const place = readPlace(queryOf(request))
  const filter = filterOf(query, request.zone)
  const [found, counts, waited] = await Promise.all([
    operations.list({ filter, limit: PAGE, after: place.after }),
    countsOf(parts, query, filter),
    filter.waited === undefined ? null : operations.waitedSales(filter.waited),
  ])
  return {
    parts,
    request,
    query,
    filter,
    place,
    found,
    counts: counts?.value ?? null,
    /** How old the counts are, as escaped HTML; '' if they are new. */
    counted: counts === null ? '' : countedHtml(counts.at, asked),
    /** What became of all sales that waited in the time that the query names, in whatever state the list shows. */
    became: filter.waited === undefined || waited === null ? '' : becameHtml(filter.waited, waited),
  }
}
type View = Awaited<ReturnType<typeof readView>>

/** Counts all deliveries or sales of a period by their state; null if the query has other conditions. */
async function countsOf({ operations }: PageParts, query: ListQuery, { received, receivedTo }: DeliveryFilter) {
  if (!isEmpty({ ...query, state: '', sales: '', from: '', to: '', received: '' })) return null
  return operations.countByState({ from: received, to: receivedTo, sales: query.sales !== '' })
}

/** Returns what changes with the filters and with time. The first page updates itself; see live.js. */
function resultsHtml(of: View): string {
  const { parts, request, found, query, filter, counts, counted, place, became } = of
  const { items, searchedBackTo } = found
  const poll = html`<div !${refreshes({ url: `~/deliveries${queryText(query)}`, id: 'results', seconds: 5 })} data-waits-for-reader></div>`
  const searched =
    searchedBackTo === null
      ? ''
      : html`<p class="note">${words.searched} !${timeHtml(searchedBackTo)}. ${words.searchedMore}</p>`
  const table =
    items.length === 0
      ? ''
      : html`<form method="get" action="~/replay" id="selection">!${hiddenFields({ selected: 'yes' })}!${tableHtml(items, { parts, request, list: queryText(query), isSelectable: true })}!${selectionHtml()}</form>`
  // A search for a whole address leads to its owner, even if nothing was sold to it.
  const person = isTypedAddress(query.q) ? personButton(query.q) : ''
  const waited =
    became === ''
      ? ''
      : html`<p class="became"><strong>!${became}</strong> <a href="~/incidents">${TEXTS.incidents.title}</a></p>`
  return html`<div id="results">!${tabsHtml({ query, counts })}!${counted}
!${chipsHtml(filter, request.courseName, query)}!${toolsHtml(of)}
<div class="found" id="found" tabindex="-1">!${place.skip === 0 ? poll : ''}!${waited}!${person}!${table}!${searched}!${pagerHtml(of)}</div></div>`
}

/**
 * What can be done with the selected rows: each button leads to a page that asks first. It is below the rows, so that CSS
 * can count them, and shows while there are some.
 */
function selectionHtml(): string {
  const { label, count, replay, correct, handled, clear } = words.selection
  const buttons = [
    html`<button formaction="~/replay">${replay}</button>`,
    html`<button class="second correct" formaction="~/correct">${correct}</button>`,
    html`<button class="second" formaction="~/handled">${handled}</button>`,
    html`<button class="second" type="reset">${clear}</button>`,
  ]
  return html`<div class="selection" role="group" aria-label="${label}"><strong class="selected">${count}</strong> !${buttons.join(' ')}</div>`
}

function toolsHtml({ found: { items }, query }: View): string {
  const filter = queryText(query)
  const all =
    items.length === 0
      ? ''
      : html` <a class="button second" href="~/replay${filter}">${words.replay}</a> <a class="button second" href="~/deliveries.csv${filter}">${words.csv}</a>`
  const wrong = items.length > 0 && query.about !== '' && isWrongKey(query.cause)
  const correct = wrong ? html` <a class="button second" href="~/correct${filter}">${words.correct}</a>` : ''
  return html`<p class="tools"><a href="~/test-sale">${TEXTS.testSale.title}</a>!${correct}!${all}</p>`
}

/** Nobody goes back further page by page, and the address would be long. */
const PASSED_MAX = 20

/** Reads from the address which page of the list is shown. */
function readPlace(parameters: URLSearchParams) {
  const after = parameters.get('after')
  const text = parameters.get('skip') ?? ''
  const skip = after === null ? 0 : /^\d{1,9}$/.test(text) ? Number(text) : null
  return {
    /** Where it begins: the cursor of the page before it; null on the first page. */
    after,
    /** How many deliveries the earlier pages have; 0 on the first page, null if that is not known. */
    skip,
    /** The pages between the first one and this one, the nearest last, each as `SKIP.AFTER`. */
    passed: (parameters.get('passed') ?? '').match(/\d*\.[\w-]+/g) ?? [],
  }
}

/** Returns which part of how many this is, and the way to the other pages. */
function pagerHtml(of: View): string {
  const { found, query, place } = of
  const { after, skip } = place
  const { items, next, searchedBackTo } = found
  const here = '~/deliveries'
  const passed = after === null ? [] : [...place.passed, `${skip ?? ''}.${after}`].slice(-PASSED_MAX)
  const further = { passed: passed.join('~'), ...(skip === null ? {} : { skip: `${skip + items.length}` }) }
  const older =
    next === null
      ? ''
      : html`<a href="${here}${queryText({ ...query, after: next, ...further })}">!${searchedBackTo === null ? words.older : words.searchFurther}</a>`
  const newest = skip === 0 ? '' : html`<a href="${here}${queryText(query)}">${words.newest}</a>`
  const live = skip === 0 ? html`<span class="quiet" data-scripted hidden>${words.live}</span>` : ''
  return html`<p class="pager"><span role="status">!${rangeHtml(of)}</span> !${newest} !${newerHtml(of)} !${older} !${live}</p>`
}

function newerHtml({ place: { passed }, query }: View): string {
  const [skip = '', after = ''] = (passed.at(-1) ?? '').split('.')
  if (after === '') return ''
  const newer = { ...query, after, skip, passed: passed.slice(0, -1).join('~') }
  return html`<a href="~/deliveries${queryText(newer)}">${words.newer}</a>`
}

function rangeHtml({ found, query, counts, place: { skip } }: View): string {
  const { items, next } = found
  if (items.length === 0) {
    if (skip !== 0 || next !== null) return html`${words.noneHere}`
    if (isEmpty(query)) return html`${words.noneYet}`
    return html`${words.noneFound}!${query.q === '' ? '' : html` <span class="quiet">${words.help}</span>`}`
  }
  if (skip === null) return ''
  const [from, to] = [skip + 1, skip + items.length].map(numberText)
  const range = fill(words.range, { from: from ?? '', to: to ?? '' })
  if (counts === null && next !== null) return html`${range}`
  const counted = counts === null ? 0 : countOf(counts, query.state)
  const total = numberText(Math.max(counted, skip + items.length))
  return html`${fill(words.of, { range, total })}`
}

/** Without it, Excel reads the file in its legacy code page. */
const BYTE_ORDER_MARK = '\ufeff'

/** A sale of several courses has a row for each of them. */
interface CsvRow {
  readonly one: Summary
  /** null: the sale has no course. */
  readonly line: Line | null
  readonly courseName: string
}

const COLUMNS: readonly (readonly [name: string, of: (row: CsvRow) => string])[] = [
  ['id', ({ one }) => one.id],
  ['state', ({ one }) => one.state],
  ['email', ({ one }) => one.email ?? ''],
  ['name', ({ one }) => one.name ?? ''],
  ['username', ({ one }) => one.username ?? ''],
  ['course', ({ line }) => line?.sent ?? ''],
  ['course_name', ({ courseName }) => courseName],
  ['received', ({ one }) => iso(one.receivedAt)],
  ['last_activity', ({ one }) => iso(one.activeAt)],
  ['attempts', ({ one }) => String(one.attempts)],
  ['next_try', ({ one }) => iso(one.dueAt)],
  ['done', ({ line }) => line?.result ?? ''],
  ['source', ({ one }) => one.source],
  ['reason', ({ one }) => one.reason?.code ?? ''],
  ['reason_about', ({ one }) => one.reason?.subject ?? ''],
  // When a check found that the buyer has lost the course.
  ['access_ended', ({ line }) => iso(line?.standing?.endedAt)],
  ['handled_as', ({ one }) => one.handledAs ?? ''],
  ['replaced_by', ({ one }) => one.replacedBy ?? ''],
  ['webhook_id', ({ one }) => one.webhookId ?? ''],
]

/**
 * Yields a row for each course of all deliveries that match a filter, newest activity first, as CSV in UTF-8. It reads page
 * by page, so that the service answers webhooks in between and stops reading when the browser disconnects.
 */
async function* csvPages({ operations, readCatalogue, now }: PageParts, filter: DeliveryFilter) {
  const catalogue = await readCatalogue()
  const rowsOf = (one: Summary): CsvRow[] =>
    (one.lines.length === 0 ? [null] : one.lines).map((line) => ({
      one,
      line,
      courseName: (line === null ? undefined : catalogue.find(line.sent))?.name ?? '',
    }))
  yield BYTE_ORDER_MARK + csvLine(COLUMNS.map(([name]) => name))
  for await (const items of listAll({ read: operations.list, filter, now })) {
    const rows = items.flatMap(rowsOf)
    if (rows.length > 0) yield rows.map((row) => csvLine(COLUMNS.map(([, of]) => of(row)))).join('')
    await setImmediate()
  }
}

const iso = (ms: number | null | undefined): string => (typeof ms === 'number' ? new Date(ms).toISOString() : '')

const csvLine = (cells: readonly string[]): string => `${cells.map(cell).join(',')}\r\n`

/** The begin of a formula. Where a semicolon separates cells, one begins after it, and quotes in the text are not ours. */
const FORMULA =
  /^(?=[\s\p{Cc}]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])|(?<=;)(?=[\s\p{Cc}"]*[=+\-@\uff1d\uff0b\uff0d\uff20])/gu

/**
 * Quotes one cell. A spreadsheet runs a cell that begins like a formula, even after white space, and anyone can write
 * the shop's fields: an apostrophe in front makes such a cell text.
 */
export const cell = (text: string): string => `"${text.replaceAll(FORMULA, "'").replaceAll('"', '""')}"`
