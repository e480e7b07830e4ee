import { html } from 'ghtml'
import type { Found } from '../../../operators/find/listing.ts'
import type { StateCounts } from '../../../operators/reports/counts.ts'
import { numberText, timeHtml } from '../../layout/format.ts'
import { refreshes } from '../../layout/refresh.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import { chipsHtml, countOf, tabsHtml } from './list-filters.ts'
import type { Now } from './list-outcome.ts'
import { isEmpty, type ListQuery, queryText } from './list-query.ts'
import { tableHtml } from './list-rows.ts'

const words = TEXTS.deliveries

/** What a page of the list shows. */
export interface ListView extends Now {
  readonly found: Found
  readonly query: ListQuery
  /** null if the query has conditions besides a state. */
  readonly counts: StateCounts | null
  /** How many deliveries the earlier pages have; 0 on the first page, null if that is not known. */
  readonly skip: number | null
  /** The way to the page of a person, as escaped HTML. */
  readonly person: string
  readonly base: string
}

/** Returns what changes with the filters and with time. The first page updates itself; see live.js. */
export function resultsHtml(of: ListView): string {
  const { found, query, counts, skip, person, base, ...now } = of
  const { items, searchedBackTo } = found
  const here = `${base}/deliveries`
  const poll = html`<div !${refreshes({ url: `${here}${queryText(query)}`, id: 'results', seconds: 5 })} data-waits-for-reader></div>`
  const searched =
    searchedBackTo === null
      ? ''
      : html`<p class="note">${words.searched} !${timeHtml(searchedBackTo)}. ${words.searchedMore}</p>`
  const table = items.length === 0 ? '' : tableHtml(items, { ...now, base, list: queryText(query) })
  return html`<div id="results">!${tabsHtml({ query, counts, base })}
<div class="chosen">!${chipsHtml(query, base)}</div>!${toolsHtml(of)}
<div class="found">!${skip === 0 ? poll : ''}!${person}!${table}!${searched}!${pagerHtml(of)}</div></div>`
}

/** What can be done with the list. */
function toolsHtml({ found, query, base }: ListView): string {
  const filter = queryText(query)
  const all =
    found.items.length === 0
      ? ''
      : html` <a class="button second" href="${base}/replay${filter}">${words.replay}</a> <a class="button second" href="${base}/deliveries.csv${filter}">${words.csv}</a>`
  return html`<p class="tools"><a href="${base}/test-sale">${TEXTS.testSale.link}</a>!${all}</p>`
}

/** Which part of how many this is, and the way to the other pages. */
function pagerHtml(of: ListView): string {
  const { found, query, skip, base } = of
  const { items, next, searchedBackTo } = found
  const here = `${base}/deliveries`
  const further = skip === null ? {} : { skip: `${skip + items.length}` }
  const older =
    next === null
      ? ''
      : html`<a href="${here}${queryText({ ...query, after: next, ...further })}">!${searchedBackTo === null ? words.older : words.searchFurther}</a>`
  const newest = skip === 0 ? '' : html`<a href="${here}${queryText(query)}">${words.newest}</a>`
  const live = skip === 0 ? html`<span class="quiet" data-scripted hidden>${words.live}</span>` : ''
  return html`<p class="pager"><span role="status">!${rangeHtml(of)}</span> !${newest} !${older} !${live}</p>`
}

function rangeHtml({ found, query, counts, skip }: ListView): string {
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
