import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { html } from 'ghtml'
import { stateHtml, testHtml, timeHtml } from '../console-layout/format.ts'
import { sessionOf } from '../console-layout/guard.ts'
import { sendPage } from '../console-layout/layout.ts'
import { listTable } from '../console-layout/list-table.ts'
import { menuPath } from '../console-layout/navigation.ts'
import { fill, TEXTS } from '../console-layout/texts.ts'
import { DELIVERY_STATES } from '../delivery/types.ts'
import type { Found, Operations, Summary } from '../operations/operations.ts'
import { isWholeAddress } from '../operations/people.ts'
import type { Session } from '../session/sessions.ts'
import type { Site } from '../session/site.ts'
import { csvPages } from './csv.ts'
import { filterOf, isEmpty, type ListQuery, queryText, readQuery } from './list-query.ts'
import { personButton } from './people-page.ts'

const words = TEXTS.deliveries
const PAGE = 50
/** The list shows at most this many course keys of a delivery. */
const COURSES_MAX = 2
/** While an operator is still typing an address, it most likely has no dot and no two letters after it yet. */
const WHOLE_DOMAIN = /@[^@]+\.[^@.]{2,}$/

/** Adds the list of deliveries, with search, filters and pages, and the same list as a CSV file. */
export function addDeliveries({
  scope,
  site,
  operations,
  now,
}: {
  scope: FastifyInstance
  site: () => Site
  operations: Pick<Operations, 'list'>
  now: () => number
}): void {
  const path = '/deliveries'

  scope.get(path, async (request, reply) => {
    const { base, origin } = site()
    const parameters = new URL(request.url, origin).searchParams
    const session = sessionOf(request)
    const [query, after] = [readQuery(parameters), parameters.get('after')]
    const found = await operations.list({ filter: filterOf(query), limit: PAGE, after })
    const main = html`!${formHtml(query, base)}
<div id="results" aria-live="polite">!${personHtml({ query, session, base })}!${resultsHtml({ found, query, first: after === null, base })}</div>`
    const current = menuPath(`${path}${queryText({ state: query.state })}`) ?? path
    const search = { text: query.q, form: 'filters' }
    return sendPage({ reply, site: site(), session, title: words.title, current, search, main })
  })

  scope.get(`${path}.csv`, (request, reply) => {
    const filter = filterOf(readQuery(new URL(request.url, site().origin).searchParams))
    const name = `deliveries-${new Date(now()).toISOString().slice(0, 10)}.csv`
    return reply
      .type('text/csv; charset=utf-8')
      .header('content-disposition', `attachment; filename="${name}"`)
      .send(Readable.from(csvPages({ operations, filter })))
  })
}

function formHtml({ state, from, to }: ListQuery, base: string): string {
  const options = DELIVERY_STATES.map(
    (one) => html`<option value="${one}"!${one === state ? ' selected' : ''}>${TEXTS.states[one]}</option>`,
  )
  const action = `${base}/deliveries`
  return html`<form method="get" action="${action}" id="filters" class="row" hx-get="${action}" hx-trigger="submit, change, input changed delay:400ms from:#q" hx-target="#results" hx-select="#results" hx-swap="outerHTML" hx-replace-url="true" hx-sync="this:replace">
<div><label for="state">${words.state}</label><select id="state" name="state"><option value="">${words.all}</option>!${options.join('')}</select></div>
<div><label for="from">${words.from}</label><input type="date" id="from" name="from" value="${from}"></div>
<div><label for="to">${words.to}</label><input type="date" id="to" name="to" value="${to}"></div>
<button>${words.find}</button>
<p id="help" class="quiet">${words.help}</p>
</form>
<p class="tools"><a href="${base}/test-sale">${TEXTS.testSale.link}</a></p>`
}

/** Leads from a search for a whole address to its owner, even if nothing was sold to it. */
function personHtml({ query: { q }, ...of }: { query: ListQuery; session: Session; base: string }): string {
  return isWholeAddress(q) && WHOLE_DOMAIN.test(q) ? personButton({ ...of, email: q }) : ''
}

function resultsHtml(of: { found: Found; query: ListQuery; first: boolean; base: string }): string {
  const { found, query, first, base } = of
  const { items, next, searchedBackTo } = found
  const here = `${base}/deliveries`
  const older =
    next === null
      ? ''
      : html`<a class="button second" href="${here}${queryText({ ...query, after: next })}">!${searchedBackTo === null ? words.older : words.searchFurther}</a>`
  const newest = first ? '' : html`<a class="button second" href="${here}${queryText(query)}">${words.newest}</a>`
  const searched =
    searchedBackTo === null
      ? ''
      : html`<p class="note">${words.searched} !${timeHtml(searchedBackTo)}. ${words.searchedMore}</p>`
  const nothing = first && next === null ? (isEmpty(query) ? words.noneYet : words.noneFound) : words.noneHere
  const list = items.length === 0 ? html`<p>${nothing}</p>` : tableHtml(items, base)
  const tools =
    items.length === 0
      ? ''
      : html`<p class="tools"><a href="${base}/replay${queryText(query)}">${words.replay}</a> <a href="${here}.csv${queryText(query)}">${words.csv}</a></p>`
  return html`!${tools}!${list}!${searched}<p class="pages">!${newest} !${older}</p>`
}

/** Returns deliveries as a table; each row links to the delivery's page. */
export const tableHtml = (items: readonly Summary[], base: string): string =>
  listTable({ columns: words.columns, rows: items.map((item) => cellsOf(item, base)) })

function cellsOf({ id, state, email, username, courseIds, activeAt, source }: Summary, base: string): string[] {
  const shown = courseIds.slice(0, COURSES_MAX).map((key) => html`<code>${key}</code>`)
  const more =
    courseIds.length > COURSES_MAX
      ? html`<span class="quiet">${fill(words.moreCourses, { count: `${courseIds.length - COURSES_MAX}` })}</span>`
      : ''
  const who = username === null || username === '' ? '' : html`<br><span class="quiet">${username}</span>`
  return [
    html`<div>!${stateHtml(state)} !${testHtml(source)}</div>`,
    html`<div><a href="${base}/deliveries/${id}">${email ?? words.noEmail}</a>!${who}</div>`,
    html`<div>!${shown.join('<br>')} !${more}</div>`,
    timeHtml(activeAt),
  ]
}
