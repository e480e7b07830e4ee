import { type Kysely, sql } from 'kysely'
import type { DeliveryRow, Tables } from '../../database/schema.ts'
import { inTransaction, type WriteContext } from '../../database/transaction.ts'
import { along } from '../../queue/in-order.ts'
import { courseOfOutcome } from '../../queue/rows.ts'
import { failedOf } from '../../queue/withdrawal-row.ts'
import { REASON_CODES, REASONS } from '../../sale/types.ts'
import { addCount, type Cause, movePosition, readPosition } from './notices.ts'

/** What is older is no news: notifications were turned off meanwhile. */
const NEWS_MS = 24 * 3_600_000
/** How far to go back after the clock was set back. */
const BACK_MS = 60_000

interface Counted {
  readonly cause: Cause
  readonly count: number
}
/** From `after` (exclusive) to `upTo` (inclusive), ms since 1970. */
interface Range {
  readonly after: number
  readonly upTo: number
}

/**
 * Counts, by cause, the deliveries that came to need attention or were rejected, and the withdrawals that failed, up to
 * the time `upTo` (ms since 1970). The position moves in the transaction that counts, so each row is counted once. If
 * another replica has moved it meanwhile, that one has counted these rows.
 *
 * `upTo` has to lie further back than a transaction takes: a row gets its time before its transaction is committed, and
 * one that appears behind the position is not counted.
 */
export async function countNew({ database, random }: WriteContext, upTo: number): Promise<void> {
  const { db } = database
  const position = await readPosition(db, upTo)
  const range = { after: position > upTo ? upTo - BACK_MS : Math.max(position, upTo - NEWS_MS), upTo }
  const causes = [...(await readDeliveries(db, range)), ...(await readWithdrawals(db, range))]
  await inTransaction({
    database,
    random,
    body: async (trx) => {
      if (!(await movePosition(trx, { from: position, to: upTo }))) return
      for (const { cause, count } of causes) await addCount(trx, { cause, count, at: upTo })
    },
    // The position says what was counted, so another attempt counts nothing twice.
  })
}

/**
 * A delivery may be active again after its result, such as by a failed withdrawal, but never before it. The plus keeps
 * SQLite from another index, which would lead to the old ones too.
 */
async function readDeliveries(db: Kysely<Tables>, { after, upTo }: Range): Promise<Counted[]> {
  const groups = await along(db, 'deliveries_state')
    .select(({ fn }) => ['reason', 'subject', fn.countAll<number>().as('count'), fn.max('outcome').as('example')])
    .where('state', 'in', ['needs_attention', 'rejected'])
    .where('active_at', '>', after)
    .where(({ eb, ref }) => eb(sql<number>`+${ref('settled_at')}`, '>', after))
    .where('settled_at', '<=', upTo)
    .groupBy(['reason', 'subject'])
    .execute()
  return groups.map((group) => ({ cause: causeOf(group), count: Number(group.count) }))
}

/** The subject is a course key or nothing: any other subject may hold an address. */
function causeOf(of: Pick<DeliveryRow, 'reason' | 'subject'> & { example: string | null }): Cause {
  const code = REASON_CODES.find((one) => one === of.reason) ?? 'row.unreadable'
  const subject = REASONS[code].subject === 'course_key' ? (courseOfOutcome(of.example) ?? of.subject ?? '') : ''
  return { kind: 'delivery', code, subject }
}

async function readWithdrawals(db: Kysely<Tables>, { after, upTo }: Range): Promise<Counted[]> {
  const rows = await db
    .selectFrom('withdrawals')
    .selectAll()
    .where('ended_at', '>', after)
    .where('ended_at', '<=', upTo)
    .execute()
  return rows
    .flatMap(failedOf)
    .map(({ row }) => ({ cause: { kind: 'withdrawal', code: 'failed', subject: row.delivery_id }, count: 1 }))
}
