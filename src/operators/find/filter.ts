import { type ExpressionBuilder, type SelectQueryBuilder, sql } from 'kysely'
import { z } from 'zod'
import type { Tables } from '../../database/schema.ts'
import { courseLine, courseTerm, emailTerm, fold, textTerm } from '../../queue/search-terms.ts'
import { DELIVERY_STATES, REASON_CODES, STOPPED_STATES } from '../../sale/types.ts'

/**
 * Selects deliveries. All given conditions must be true; without a condition, it selects all deliveries. Letter case does
 * not matter. Times are those of the last activity, in ms since 1970.
 */
export const filterSchema = z.strictObject({
  /** The complete address. */
  email: z.string().optional(),
  username: z.string().optional(),
  /** A course key, in any spelling. */
  course: z.string().optional(),
  /** The text of a search: each of its words has to stand somewhere in what the shop sent. */
  find: z.string().optional(),
  /** Why it failed: the code of the reason. */
  cause: z.enum(REASON_CODES).optional(),
  /** With `cause`: the course that the reason is about. */
  about: z.string().optional(),
  /** The id of a bulk replay that made the delivery due. */
  replay: z.string().optional(),
  /** Only sales: without tests, and without what another delivery replaces, so that a corrected sale is there once. */
  sales: z.literal(true).optional(),
  /** Only enrolled deliveries of which the LMS took a course away; see CourseStanding. */
  ended: z.literal(true).optional(),
  /** Received since then, inclusive, and before then, exclusive. */
  received: z.number().optional(),
  receivedTo: z.number().optional(),
  /** Those that waited while the LMS or the database was away; without `to`, it still is. See waited. */
  waited: z.strictObject({ from: z.number(), to: z.number().optional() }).optional(),
  /** These deliveries: at most some hundred. */
  ids: z.array(z.string()).optional(),
  states: z.array(z.enum(DELIVERY_STATES)).optional(),
  /** Of what a person has ended, only what a bulk replay starts; see isStartable. */
  startable: z.literal(true).optional(),
  /** `from` is inclusive, `to` is exclusive. */
  from: z.number().optional(),
  to: z.number().optional(),
})
export type DeliveryFilter = Readonly<z.infer<typeof filterSchema>>

/** The rest of a filter after all of its conditions: the compiler names one that was forgotten, because it selects all. */
export type Nothing = Readonly<Record<string, never>>

/** A page of a list. */
export interface Page<Item> {
  readonly items: readonly Item[]
  /** The `after` of the next page; null if there is none. It stays valid when new deliveries arrive. */
  readonly next: string | null
}

/** No longer text is an e-mail address. */
export const ADDRESS_MAX = 254

/**
 * Whether a text can only be one whole address. While somebody is still typing it, its domain most likely has no dot and no
 * two letters after it yet. With an invisible mark in it, it is looked for as a text, because these have none.
 */
export const isTypedAddress = (text: string): boolean =>
  text.length <= ADDRESS_MAX && /^[^\s,@]+@[^\s,@]+\.[^\s,@.]{2,}$/.test(text) && !/\p{Cf}/u.test(text)

/**
 * The words of a search, and each has to be somewhere in a delivery's text. More than eight find no better. A text in which
 * nothing can be seen has none, and finds nothing.
 */
export const wordsOf = (find: string): string[] => (fold(find).match(/\S+/g) ?? []).slice(0, 8)

/** What a sale is: neither a test, nor a delivery that another one replaces, so that a corrected sale counts once. */
export const isSale = (eb: ExpressionBuilder<Tables, 'deliveries'>) =>
  eb.and([eb('source', '!=', 'test'), eb('replaced_by', 'is', null)])

/** What a bulk replay starts of what a person has ended: a sale, in whose place no correction stands. */
const isStartable = (eb: ExpressionBuilder<Tables, 'deliveries'>) =>
  eb.or([eb('state', 'not in', STOPPED_STATES), eb.and([eb('request', 'is not', null), eb('replaced_by', 'is', null)])])

/** A sale that came this long before an incident and had no result by then waited for it too. */
export const BEFORE_MS = 60_000

/** When a sale first had a result. What came of it later, such as a claim, is no wait. */
const firstResultAt = (eb: ExpressionBuilder<Tables, 'deliveries'>) => eb.fn.coalesce('done_at', 'settled_at')

/**
 * The sales that waited in a time without the LMS or the database (ms since 1970): received meanwhile, or shortly before
 * and without a result. One that the database could not store is none: the shop sends it again afterwards.
 */
export const waited = (
  eb: ExpressionBuilder<Tables, 'deliveries'>,
  { from, to }: { readonly from: number; readonly to?: number | undefined },
) =>
  eb.and([
    isSale(eb),
    eb('received_at', '>=', from - BEFORE_MS),
    eb.or([eb(firstResultAt(eb), 'is', null), eb(firstResultAt(eb), '>=', from)]),
    eb('state', '!=', 'rejected'),
    ...(to === undefined ? [] : [eb('received_at', '<=', to)]),
  ])

/** Adds every condition of a filter to a query of deliveries. */
export function meeting<Output>(
  query: SelectQueryBuilder<Tables, 'deliveries', Output>,
  filter: DeliveryFilter,
): SelectQueryBuilder<Tables, 'deliveries', Output> {
  const { email, username, course, find, cause, about, replay, sales, ended, ids, states, startable, ...times } = filter
  const { received, receivedTo, waited: span, from, to, ...unread } = times
  unread satisfies Nothing
  let met = query
  if (email !== undefined) met = met.where('email', '=', emailTerm(email))
  if (username !== undefined) met = met.where('username', '=', textTerm(username))
  if (cause !== undefined) met = met.where('reason', '=', cause)
  if (about !== undefined) met = met.where('subject', '=', courseTerm(about))
  if (sales) met = met.where(isSale)
  if (ended) met = met.where('ended_at', 'is not', null)
  if (startable) met = met.where(isStartable)
  if (received !== undefined) met = met.where('received_at', '>=', received)
  if (receivedTo !== undefined) met = met.where('received_at', '<', receivedTo)
  if (span !== undefined) met = met.where((eb) => waited(eb, span))
  if (ids !== undefined) met = met.where('id', 'in', ids)
  if (states !== undefined) met = met.where('state', 'in', states)
  if (from !== undefined) met = met.where('active_at', '>=', from)
  if (to !== undefined) met = met.where('active_at', '<', to)
  if (course !== undefined) met = met.where((eb) => contains(eb, courseLine(course)))
  for (const word of find === undefined ? [] : wordsOf(find)) met = met.where((eb) => contains(eb, word))
  if (replay !== undefined) {
    const replayed = (eb: ExpressionBuilder<Tables, 'deliveries'>) =>
      eb.selectFrom('replayed_deliveries').select('delivery_id').where('replay_id', '=', replay)
    met = met.where((eb) => eb('id', 'in', replayed(eb)))
  }
  return met
}

/** Like LIKE between two %, but no character in the text has a meaning of its own. */
const contains = (eb: ExpressionBuilder<Tables, 'deliveries'>, text: string) =>
  sql<boolean>`instr(${eb.ref('search_text')}, ${text}) > 0`
