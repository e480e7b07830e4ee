import type { parseArgs } from 'node:util'
import { z } from 'zod'
import { type DeliveryFilter, filterSchema, type Nothing } from '../operators/find/filter.ts'
import { DELIVERY_STATES } from '../sale/types.ts'
import { choiceIn, usageError } from './command.ts'
import { plain } from './plain.ts'

/** The options that select deliveries, shared by several commands. */
export const FILTER_OPTIONS = {
  email: { type: 'string' },
  username: { type: 'string' },
  course: { type: 'string' },
  state: { type: 'string', multiple: true },
  ended: { type: 'boolean' },
  since: { type: 'string' },
  until: { type: 'string' },
} as const

type Given = ReturnType<typeof parseArgs<{ options: typeof FILTER_OPTIONS }>>['values']
type FilterValues = { readonly [Name in keyof Given]?: Given[Name] | undefined }

/**
 * The filter that the options and the search term describe. `search` has the syntax of the console's search field; `now`
 * is in ms since 1970. Throws AppError usage.invalid.
 */
export function readFilter(of: { values: FilterValues; search?: string; now: number }): DeliveryFilter {
  const { values, search = '', now } = of
  const { email, username, course, state, ended, since, until, ...unread } = values
  unread satisfies Nothing
  const states = state?.map((one) => choiceIn('state', one, DELIVERY_STATES))
  const from = readTime({ option: 'since', text: since, now })
  const to = readTime({ option: 'until', text: until, now })
  const find = search.trim() || undefined
  const given = { find, email, username, course, states, ended, from, to }
  return filterSchema.parse(Object.fromEntries(Object.entries(given).filter(([, one]) => one !== undefined)))
}

const UNITS = { m: 60_000, h: 3_600_000, d: 24 * 3_600_000 } as const
/** As the commands print it, or with a T. Date.parse also reads a text after the date, and takes 31 February for 3 March. */
const TIME = /^(?<day>\d{4}-\d\d-\d\d)(?<time>[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(?<zone>Z|[+-]\d\d:\d\d)?)?$/

function readTime(of: { option: string; text: string | undefined; now: number }): number | undefined {
  const { option, text, now } = of
  if (text === undefined) return undefined
  const [, count, unit] = /^(\d{1,6})([mhd])$/.exec(text) ?? []
  if (unit === 'm' || unit === 'h' || unit === 'd') return now - Number(count) * UNITS[unit]
  const { day, time, zone } = TIME.exec(text)?.groups ?? {}
  // Without a zone, Date.parse would take a time for one of this machine's zone, and a day for one in UTC.
  const utc = time !== undefined && zone === undefined ? `${text}Z` : text
  const at = z.iso.date().safeParse(day).success ? Date.parse(utc) : Number.NaN
  if (Number.isNaN(at))
    throw usageError(
      `--${option} ${plain(text)} is not valid. Use a time such as 2026-01-31T18:00Z, or an age such as 7d.`,
    )
  return at
}
