import type { Db } from '../../database/schema.ts'
import { salesTo } from '../../queue/lines.ts'
import { emailTerm } from '../../queue/search-terms.ts'
import { totalOf } from '../reports/counts.ts'
import { ADDRESS_MAX } from './filter.ts'
import { type Summary, summaries } from './listing.ts'
import { countFound } from './search.ts'
import { lastEvents, type TimelineEvent } from './timeline.ts'

const SALES_MAX = 100
const EVENTS_MAX = 500

/** The owner of an address, as the deliveries show them. */
export interface Person {
  /** As the newest sale has it; as it was asked for if there is no sale. */
  readonly email: string
  /** At most 100, the latest received first. */
  readonly sales: readonly Summary[]
  /** How many there are. */
  readonly salesCount: number
  /** What happened to these sales, oldest first: at most the last 500 events. */
  readonly timeline: readonly TimelineEvent[]
  readonly hasMoreEvents: boolean
}

const ADDRESS = /^[^\s,]+@[^\s,]+$/

/**
 * Whether a text can be one whole e-mail address. The payload rules are stricter, but also rejected sales with an
 * invalid address have to be found and erased.
 */
export const isWholeAddress = (text: string): boolean => text.length <= ADDRESS_MAX && ADDRESS.test(text)

/** Returns the sales of an address, in any letter case, with what happened to them. */
export async function person(db: Db, email: string): Promise<Person> {
  const rows = await db
    .selectFrom('deliveries')
    .select('id')
    .where('email', '=', emailTerm(email))
    .orderBy('id', 'desc') // ids are made in the order of receiving
    .limit(SALES_MAX + 1)
    .execute()
  const ids = rows.slice(0, SALES_MAX).map(({ id }) => id)
  const sales = await summaries(db, ids)
  const events = await eventsOf(db, ids)
  return {
    email: sales.find(({ request }) => request !== null)?.request?.email ?? email.trim(),
    sales,
    salesCount: rows.length > SALES_MAX ? totalOf(await countFound(db, { email })) : rows.length,
    timeline: events.slice(-EVENTS_MAX),
    hasMoreEvents: events.length > EVENTS_MAX,
  }
}

/** Returns the same for the buyer of a delivery; null if the delivery does not exist, or names no address. */
export async function buyerOf(db: Db, id: string): Promise<Person | null> {
  const row = await db.selectFrom('deliveries').select('email').where('id', '=', id).executeTakeFirst()
  const email = row?.email ?? ''
  return isWholeAddress(email) ? person(db, email) : null
}

/** More addresses of one account than a page lists. */
const ADDRESSES_MAX = 10

/**
 * Finds the other addresses under which accounts of the LMS bought here, the latest sale first.
 * @param of.accountIds the LMS's numbers of the accounts
 * @param of.email the address that is left out
 * @returns each address with the id of its newest sale to such an account, and how many these are
 */
export async function boughtAs(
  db: Db,
  { accountIds, email }: { accountIds: readonly number[]; email: string },
): Promise<{ email: string; newest: string; count: number }[]> {
  const sold = await salesTo(db, { addresses: [], accountIds })
  if (sold.length === 0) return []
  const rows = await db
    .selectFrom('deliveries')
    .select(({ fn }) => ['email', fn.max('id').as('newest'), fn.countAll<number>().as('count')])
    .where('id', 'in', sold)
    .where('email', '!=', emailTerm(email))
    .groupBy('email')
    .orderBy('newest', 'desc')
    .limit(ADDRESSES_MAX)
    .execute()
  return rows.map((row) => ({ email: row.email ?? '', newest: row.newest, count: Number(row.count) }))
}

/**
 * The last events of these sales, oldest first, and one more than a page shows if there are more. One query for all would sort
 * every event of every sale in the database. The latest sale comes first, so of most others little is read.
 */
async function eventsOf(db: Db, ids: readonly string[]): Promise<TimelineEvent[]> {
  const limit = EVENTS_MAX + 1
  let events: TimelineEvent[] = []
  for (const id of ids) {
    const after = events.length < limit ? undefined : events[0]?.id
    const further = await lastEvents(db, { id, limit, after })
    events = [...events, ...further].sort((a, b) => (a.id < b.id ? -1 : 1)).slice(-limit)
  }
  return events
}
