import type { Kysely } from 'kysely'
import type { DeliveryRow, Tables } from '../../database/schema.ts'
import { emailTerm } from '../../queue/search-terms.ts'
import type { DeliveryEvent } from '../../sale/types.ts'
import { readStored, type Shown } from './listing.ts'
import { timeline } from './timeline.ts'

const SALES_MAX = 100
const EVENTS_MAX = 500

/** One sale of a person, without its payload. `unreadable` as in Shown. */
export type Sale = Pick<
  Shown,
  | 'id'
  | 'state'
  | 'source'
  | 'receivedAt'
  | 'activeAt'
  | 'dueAt'
  | 'request'
  | 'outcome'
  | 'standings'
  | 'replacedBy'
  | 'unreadable'
>

/** The owner of an address, as the deliveries show them. */
export interface Person {
  /** As the newest sale has it; as it was asked for if there is no sale. */
  readonly email: string
  /** At most 100, the latest received first. */
  readonly sales: readonly Sale[]
  /** How many there are. */
  readonly salesCount: number
  /** What happened to these sales, oldest first: at most the last 500 events. */
  readonly timeline: readonly DeliveryEvent[]
  readonly hasMoreEvents: boolean
}

/** Everything but the payload: 100 payloads can be large. */
const COLUMNS = [
  'id',
  'state',
  'received_at',
  'active_at',
  'due_at',
  'request',
  'outcome',
  'standings',
  'source',
  'replaced_by',
] as const
type Row = Pick<DeliveryRow, (typeof COLUMNS)[number]>

const ADDRESS = /^[^\s,]+@[^\s,]+$/
const ADDRESS_MAX = 254

/**
 * Whether a text can be one whole e-mail address. The payload rules are stricter, but also rejected sales with an
 * invalid address have to be found and erased.
 */
export const isWholeAddress = (text: string): boolean => text.length <= ADDRESS_MAX && ADDRESS.test(text)

/** Returns the sales of an address, with what happened to them; see Operations.person. */
export async function person({ db, email }: { db: Kysely<Tables>; email: string }): Promise<Person> {
  const rows = await db
    .selectFrom('deliveries')
    .select(COLUMNS)
    .where('email', '=', emailTerm(email))
    .orderBy('id', 'desc') // ids are made in the order of receiving
    .limit(SALES_MAX + 1)
    .execute()
  const sales = rows.slice(0, SALES_MAX).map(saleOf)
  const events = await eventsOf(
    db,
    sales.map(({ id }) => id),
  )
  return {
    email: sales.find(({ request }) => request !== null)?.request?.email ?? email.trim(),
    sales,
    salesCount: rows.length > SALES_MAX ? await countSales(db, email) : rows.length,
    timeline: events.slice(-EVENTS_MAX),
    hasMoreEvents: events.length > EVENTS_MAX,
  }
}

async function countSales(db: Kysely<Tables>, email: string): Promise<number> {
  const query = db.selectFrom('deliveries').select(({ fn }) => fn.countAll<number>().as('count'))
  return Number((await query.where('email', '=', emailTerm(email)).executeTakeFirstOrThrow()).count)
}

/** Returns the same for the buyer of a delivery; see Operations.buyerOf. */
export async function buyerOf({ db, id }: { db: Kysely<Tables>; id: string }): Promise<Person | null> {
  const row = await db.selectFrom('deliveries').select('email').where('id', '=', id).executeTakeFirst()
  const email = row?.email ?? ''
  return isWholeAddress(email) ? person({ db, email }) : null
}

/** Merges the timelines, oldest first. One query for all would sort every event of every sale in the database. */
async function eventsOf(db: Kysely<Tables>, ids: readonly string[]): Promise<DeliveryEvent[]> {
  const events: DeliveryEvent[] = []
  for (const id of ids) events.push(...(await timeline({ db, id })))
  return events.sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** One row that can't be read must not hide the person's other sales. */
function saleOf({ received_at, active_at, due_at, replaced_by, request, outcome, standings, ...row }: Row): Sale {
  const facts = { ...row, receivedAt: received_at, activeAt: active_at, dueAt: due_at, replacedBy: replaced_by }
  return { ...facts, ...readStored({ request, outcome, standings }) }
}
