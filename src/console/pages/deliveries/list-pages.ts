import { html } from 'ghtml'
import type { Found } from '../../../operators/find/listing.ts'
import type { StateCounts } from '../../../operators/reports/counts.ts'
import { numberText } from '../../layout/format.ts'
import { fill, TEXTS } from '../../layout/texts.ts'
import { countOf, isEmpty, type ListQuery, queryText } from './list-filters.ts'

const words = TEXTS.deliveries
/** Nobody goes back further page by page, and the address would be long. */
const PASSED_MAX = 20

/** Which page of a list is shown. */
interface Place {
  /** Where it begins: the cursor of the page before it; null on the first page. */
  readonly after: string | null
  /** How many deliveries the earlier pages have; 0 on the first page, null if that is not known. */
  readonly skip: number | null
  /** The pages between the first one and this one, the nearest last, each as `SKIP.AFTER`. */
  readonly passed: readonly string[]
}

/** Reads the page from the address of a list. */
export function readPlace(parameters: URLSearchParams): Place {
  const after = parameters.get('after')
  const text = parameters.get('skip') ?? ''
  const skip = after === null ? 0 : /^\d{1,9}$/.test(text) ? Number(text) : null
  return { after, skip, passed: (parameters.get('passed') ?? '').match(/\d*\.[\w-]+/g) ?? [] }
}

/** The parameters of such an address, which queryText writes again. */
export function placeOf(parameters: URLSearchParams): { after: string; skip: string; passed: string } {
  const given = (name: string): string => parameters.get(name) ?? ''
  return { after: given('after'), skip: given('skip'), passed: given('passed') }
}

export interface Paged {
  readonly found: Found
  readonly query: ListQuery
  /** null if the query has conditions besides a state. */
  readonly counts: StateCounts | null
  readonly place: Place
}

/** Returns which part of how many this is, and the way to the other pages. */
export function pagerHtml(of: Paged): string {
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

function newerHtml({ place: { passed }, query }: Paged): string {
  const [skip = '', after = ''] = (passed.at(-1) ?? '').split('.')
  if (after === '') return ''
  const newer = { ...query, after, skip, passed: passed.slice(0, -1).join('~') }
  return html`<a href="~/deliveries${queryText(newer)}">${words.newer}</a>`
}

function rangeHtml({ found, query, counts, place: { skip } }: Paged): string {
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
