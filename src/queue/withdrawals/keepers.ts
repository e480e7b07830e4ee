import type { Kysely } from 'kysely'
import type { DeliveryRow, Tables } from '../../database/schema.ts'
import { isTakenOut, isWanted, isWithdrawing, lineOf } from '../../sale/line.ts'
import { salesTo, type WithLines, withLines } from '../lines.ts'
import { answering, type Ordered } from './withdrawal.ts'

/** The states of a delivery that keeps its courses. */
export const LIVE = ['queued', 'enrolled', 'pre_enrolled', 'needs_attention'] as const

/**
 * The deliveries that keep a course for the same buyer, sorted by id: those of the same address, of the one
 * that the buyer's account has by now, or of any other one under which that account got the course, but not those that
 * gave the course to another account. If another account has the sold address by now (`isTaken`), a sale to it that has
 * given the course to nobody yet is that one's. A refund and an operator order a withdrawal for each delivery that they
 * concern. So another one that wants the course, without such an order or sent again since, is a sale that was not taken
 * back: it came later, or the refund names a single sale. One whose access has ended keeps nothing, and one whose paid
 * mode an order left keeps it.
 * @param of.addresses the sold address, and those that the buyer's accounts have by now
 * @param of.accountId the buyer's account as it was found just now; absent: the one that the course was given to
 */
export async function keepersOf(
  db: Pick<Kysely<Tables>, 'selectFrom'>,
  {
    delivery,
    addresses,
    course,
    accountId = lineOf(delivery.lines, course)?.account?.id,
    isTaken,
  }: {
    delivery: WithLines<Pick<DeliveryRow, 'id' | 'email'>>
    addresses: readonly (string | null)[]
    course: string
    accountId?: number | undefined
    isTaken: boolean
  },
): Promise<string[]> {
  const accountIds = accountId === undefined ? [] : [accountId]
  const ids = await salesTo(db, { addresses, accountIds })
  const others = await db
    .selectFrom('deliveries')
    .select(['id', 'email', 'state'])
    .where('id', 'in', ids)
    .where('id', '!=', delivery.id)
    .where('state', 'in', LIVE)
    .execute()
  const isAnothers = (other: WithLines<Pick<DeliveryRow, 'email'>>): boolean => {
    const line = lineOf(other.lines, course)
    const account = line?.account?.id
    if (account === undefined) return isTaken && other.email === delivery.email && line?.result !== 'enrolled'
    return accountId !== undefined && accountId !== account
  }
  return (await withLines(db, others))
    .filter((other) => wants(other, course) && !isAnothers(other))
    .map(({ id }) => id)
    .sort()
}

/**
 * The courses of a refund that other or newer sales of the buyer keep now, with the newest of these: what the refund left to
 * a sale, and what a sale has that came since or that the refunded one never enrolled.
 */
export async function readKept(
  db: Kysely<Tables>,
  ordered: readonly Ordered[],
): Promise<readonly { readonly course: string; readonly delivery: string }[]> {
  const sales = await readSales(db, ordered)
  const found = ordered.map(async (one) => {
    const { course } = one
    const sale = sales.get(one.delivery)
    const withdrawal = answering(one, sale?.lines ?? [])
    // If the sale came again after the order, it keeps the course itself.
    const keptBy = withdrawal === null ? one.delivery : withdrawal.result?.keptBy
    if (keptBy !== undefined && (await keeps(db, { delivery: keptBy, course }))) return { course, delivery: keptBy }
    if (sale === undefined) return null
    const of = { delivery: sale, addresses: [sale.email], course, isTaken: false }
    const delivery = (await keepersOf(db, of)).at(-1)
    return delivery === undefined ? null : { course, delivery }
  })
  return (await Promise.all(found)).flatMap((one) => one ?? [])
}

/** Whether a delivery has a course that it was left. */
async function keeps(db: Kysely<Tables>, of: { delivery: string; course: string }): Promise<boolean> {
  const [keeper] = (await readSales(db, [of])).values()
  const line = keeper === undefined ? undefined : lineOf(keeper.lines, of.course)
  const isLive = LIVE.some((state) => state === keeper?.state)
  return line !== undefined && isLive && !isWithdrawing(line) && !isTakenOut(line)
}

/** The states, addresses and lines of deliveries, by their ids. */
async function readSales(db: Kysely<Tables>, of: readonly { readonly delivery: string }[]) {
  const ids = [...new Set(of.map(({ delivery }) => delivery))]
  if (ids.length === 0) return new Map<string, never>()
  const rows = await db.selectFrom('deliveries').select(['id', 'state', 'email']).where('id', 'in', ids).execute()
  return new Map((await withLines(db, rows)).map((row) => [row.id, row]))
}

/**
 * Whether a live delivery wants a course. One that needs attention only wants what it reported: the rest waits for a
 * person. None wants a course that a withdrawal names, or that the buyer has lost in the LMS since it was enrolled.
 */
function wants({ state, lines }: WithLines<Pick<DeliveryRow, 'state'>>, course: string): boolean {
  const line = lineOf(lines, course)
  if (line === undefined || !isWanted(line) || line.standing?.endedAt !== undefined) return false
  return state !== 'needs_attention' || line.result !== null
}
