import { type DeliveryFilter, readSearch } from '../../../operators/find/filter.ts'
import { DELIVERY_STATES, type DeliveryState, REASON_CODES, type ReasonCode } from '../../../sale/types.ts'
import { dayIn, type Zone } from '../../layout/zone.ts'

/** The query of a list's address, which also fills the form above the list. Days are `YYYY-MM-DD`. */
export interface ListQuery {
  readonly q: string
  /** A course key: only deliveries that name it as a whole. */
  readonly course: string
  /** `only`: no tests, and nothing that a correction replaces. */
  readonly sales: 'only' | ''
  /** The first day of receiving. */
  readonly received: string
  readonly state: DeliveryState | ''
  readonly from: string
  /** The last day, inclusive. */
  readonly to: string
  /** The code of the reason why they failed, and the course that it is about. */
  readonly cause: ReasonCode | ''
  readonly about: string
  /** The id of a bulk replay. */
  readonly replay: string
}

/** Reads an address or a form; an invalid value counts as missing. */
export function readQuery(parameters: URLSearchParams): ListQuery {
  const state = DELIVERY_STATES.find((one) => one === parameters.get('state')) ?? ''
  const day = (name: string): string => {
    const text = parameters.get(name) ?? ''
    return /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text)) ? text : ''
  }
  const text = (name: string): string => (parameters.get(name) ?? '').trim().slice(0, 300)
  const cause = REASON_CODES.find((one) => one === parameters.get('cause')) ?? ''
  const about = cause === '' ? '' : text('about')
  const [replay = ''] = /^[0-9A-Z]{26}$/.exec(parameters.get('replay') ?? '') ?? []
  const sales = parameters.get('sales') === 'only' ? 'only' : ''
  return {
    q: text('q'),
    course: text('course'),
    sales,
    received: day('received'),
    state,
    from: day('from'),
    to: day('to'),
    cause,
    about,
    replay,
  }
}

/**
 * Returns the filter of a query. It includes all of the last day. The days are those of the reader's zone: an address that
 * is sent to a reader in another zone means the days of that reader.
 */
export function filterOf(
  { q, course, sales, received, state, from, to, cause, about, replay }: ListQuery,
  zone: Zone,
): DeliveryFilter {
  return {
    ...readSearch(q),
    ...(course === '' ? {} : { course }),
    ...(sales === '' ? {} : { sales: true }),
    ...(received === '' ? {} : { received: dayIn(received, zone).from }),
    ...(state === '' ? {} : { states: [state] }),
    ...(from === '' ? {} : { from: dayIn(from, zone).from }),
    ...(cause === '' ? {} : { cause }),
    ...(about === '' ? {} : { about }),
    ...(replay === '' ? {} : { replay }),
    ...(to === '' ? {} : { to: dayIn(to, zone).to }),
  }
}

/** Returns the query as the end of an address, with its question mark; empty if it has no condition. */
export function queryText(query: Partial<ListQuery> & { after?: string; skip?: string }): string {
  const given = Object.entries(query).filter(([, value]) => value !== '' && value !== undefined)
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`
}

/** Whether a query has no condition and so matches all deliveries. */
export const isEmpty = (query: ListQuery): boolean => queryText(query) === ''
