import { DELIVERY_STATES, type DeliveryState } from '../delivery/types.ts'
import { type DeliveryFilter, readSearch } from '../operations/filter.ts'
import { DAY_MS } from './format.ts'

/** What a list's address says; the form above the list is filled with it. Days are UTC, `YYYY-MM-DD`. */
export interface ListQuery {
  readonly q: string
  readonly state: DeliveryState | ''
  readonly from: string
  /** The last day that counts. */
  readonly to: string
}

/** Reads an address or a form; what makes no sense counts as not given. */
export function readQuery(parameters: URLSearchParams): ListQuery {
  const state = DELIVERY_STATES.find((one) => one === parameters.get('state')) ?? ''
  const day = (name: string): string => {
    const text = parameters.get(name) ?? ''
    return /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text)) ? text : ''
  }
  return { q: (parameters.get('q') ?? '').trim().slice(0, 300), state, from: day('from'), to: day('to') }
}

/** Which deliveries are meant. The last day counts to its end, UTC. */
export function filterOf({ q, state, from, to }: ListQuery): DeliveryFilter {
  return {
    ...readSearch(q),
    ...(state === '' ? {} : { states: [state] }),
    ...(from === '' ? {} : { from: Date.parse(from) }),
    ...(to === '' ? {} : { to: Date.parse(to) + DAY_MS }),
  }
}

/** As the end of an address, with its question mark; empty if nothing is asked for. */
export function queryText(query: Partial<ListQuery> & { after?: string }): string {
  const given = Object.entries(query).filter(([, value]) => value !== '' && value !== undefined)
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`
}

/** Whether nothing is asked for, so that all deliveries are meant. */
export const isEmpty = (query: ListQuery): boolean => queryText(query) === ''
