import { type Kysely, sql, type Transaction } from 'kysely'
import { z } from 'zod'
import type { DeliveryRow, Tables } from '../../database/schema.ts'
import { inTransaction, ROW_CHANGED } from '../../database/transaction.ts'
import type { WriteContext } from '../../database/write-context.ts'
import { courseOfOutcome } from '../../queue/rows.ts'
import { hasFailed, withdrawalOf } from '../../queue/withdrawal-row.ts'
import { REASON_CODES, REASONS } from '../../sale/reasons.ts'
import { addCounts, type Cause } from './notices.ts'

/** How many withdrawals a transaction reads, and how many transactions a look makes at most. */
const PAGE = 500
const PAGES = 20
/** What is older is no news: notifications were turned off meanwhile. */
const NEWS_MS = 24 * 3_600_000
/** How far to go back after the clock was set back. */
const BACK_MS = 60_000

const SOURCES = ['needs_attention', 'rejected', 'withdrawals'] as const
type SourceName = (typeof SOURCES)[number]

interface Counted {
  readonly cause: Cause
  readonly count: number
}
/** What came after a position. */
interface Page {
  readonly causes: readonly Counted[]
  /** The position behind all that was read; null if nothing came. */
  readonly end: number | null
  readonly isLast: boolean
}
type Read = (trx: Kysely<Tables>, range: { after: number; upTo: number }) => Promise<Page>

/**
 * Counts, by cause, the deliveries that came to need attention or were rejected, and the withdrawals that failed, up to
 * the time `upTo` (ms since 1970). The position moves in the transaction that counts, so each row is counted once.
 *
 * `upTo` has to lie further back than a transaction takes: a row gets its time before its transaction is committed, and
 * one that appears behind the position is not counted.
 */
export async function countNew(context: WriteContext, upTo: number): Promise<void> {
  for (const name of SOURCES) {
    for (let page = 0; page < PAGES; page++) {
      if (await countPage(context, { name, upTo })) break
    }
  }
}

/** Resolves to whether nothing is left. */
function countPage(
  { database, random }: WriteContext,
  { name, upTo }: { name: SourceName; upTo: number },
): Promise<boolean> {
  return inTransaction({
    database,
    random,
    body: async (trx) => {
      const stored = await openPosition(trx, { name, upTo })
      const { causes, end, isLast } = await READ[name](trx, { after: startOf(stored, upTo), upTo })
      const counts = new Map<string, Counted>()
      for (const { cause, count } of causes) {
        const key = JSON.stringify(cause)
        counts.set(key, { cause, count: (counts.get(key)?.count ?? 0) + count })
      }
      // First, so that of two replicas that count the same rows, one waits here and then begins again.
      if (end !== null) await move(trx, { name, from: stored, to: end })
      await addCounts(trx, { counts, at: upTo })
      return isLast
    },
    // The position says what was counted, so another attempt counts nothing twice.
  })
}

async function openPosition(
  trx: Transaction<Tables>,
  { name, upTo }: { name: SourceName; upTo: number },
): Promise<number> {
  const found = await trx.selectFrom('notice_positions').select('at').where('name', '=', name).executeTakeFirst()
  if (found !== undefined) return found.at
  await trx.insertInto('notice_positions').ignore().values({ name, at: upTo }).execute()
  return upTo
}

const startOf = (stored: number, upTo: number): number =>
  stored > upTo ? upTo - BACK_MS : Math.max(stored, upTo - NEWS_MS)

/** Throws ROW_CHANGED if another replica has moved it: the transaction is repeated. */
async function move(
  trx: Transaction<Tables>,
  { name, from, to }: { name: SourceName; from: number; to: number },
): Promise<void> {
  const { numUpdatedRows } = await trx
    .updateTable('notice_positions')
    .set({ at: to })
    .where('name', '=', name)
    .where('at', '=', from)
    .executeTakeFirst()
  if (numUpdatedRows === 0n) throw ROW_CHANGED
}

/** A delivery may be active again after its result, such as by a failed withdrawal. Only its result is news. */
const readState =
  (state: 'needs_attention' | 'rejected'): Read =>
  async (trx, { after, upTo }) => {
    const groups = await trx
      .selectFrom('deliveries')
      .select(({ fn }) => [
        'reason',
        'subject',
        sql<number | string>`sum(active_at = settled_at)`.as('news'),
        fn.max('active_at').as('last'),
        fn.max('outcome').as('example'),
      ])
      .modifyFront(sql`/*+ INDEX(deliveries deliveries_state) */`)
      .where('state', '=', state)
      .where('active_at', '>', after)
      .where('active_at', '<=', upTo)
      .groupBy(['reason', 'subject'])
      .execute()
    return {
      causes: groups
        .map((group) => ({ cause: causeOf(group), count: Number(group.news) }))
        .filter(({ count }) => count > 0),
      end: groups.reduce<number | null>((end, { last }) => Math.max(end ?? last, last), null),
      isLast: true,
    }
  }

/** The subject is a course key or nothing: any other subject may hold an address. */
function causeOf(of: Pick<DeliveryRow, 'reason' | 'subject'> & { example: string | null }): Cause {
  const code = REASON_CODES.find((one) => one === of.reason) ?? 'row.unreadable'
  const subject = REASONS[code].subject === 'course_key' ? (courseOfOutcome(of.example) ?? of.subject ?? '') : ''
  return { kind: 'delivery', code, subject }
}

const readWithdrawals: Read = async (trx, { after, upTo }) => {
  const rows = await trx
    .selectFrom('withdrawals')
    .selectAll()
    .where('ended_at', '>', after)
    .where('ended_at', '<=', upTo)
    .orderBy('ended_at')
    .orderBy('due_at')
    .orderBy('id')
    .limit(PAGE)
    .execute()
  const last = rows.at(-1)?.ended_at ?? null
  const isLast = rows.length < PAGE
  // The next page begins after a time, so a full page leaves the rows of its last time to it.
  const read = isLast ? rows : rows.filter(({ ended_at }) => ended_at !== last)
  return {
    causes: read
      .filter((row) => orElse(false, () => hasFailed(withdrawalOf(row))))
      .map(({ delivery_id }) => ({ cause: { kind: 'withdrawal', code: 'failed', subject: delivery_id }, count: 1 })),
    end: last === null || isLast ? last : last - 1,
    isLast,
  }
}

const READ: Readonly<Record<SourceName, Read>> = {
  needs_attention: readState('needs_attention'),
  rejected: readState('rejected'),
  withdrawals: readWithdrawals,
}

/** One unreadable row must not hold up the notifications of all others. */
function orElse<Value>(fallback: Value, read: () => Value): Value {
  try {
    return read()
  } catch (error) {
    if (error instanceof z.ZodError || error instanceof SyntaxError) return fallback
    throw error
  }
}
