import { type Kysely, sql, type Transaction } from 'kysely'
import { z } from 'zod'
import type { Tables } from '../database/schema.ts'
import type { NoticePositionRow } from '../database/schema-sending.ts'
import { inTransaction, ROW_CHANGED } from '../database/transaction.ts'
import type { WriteContext } from '../database/write-context.ts'
import type { Reason, ReasonCode } from '../delivery/reasons.ts'
import { readOutcome } from '../inbox/rows.ts'
import { hasFailed, withdrawalOf } from '../operations/withdrawal-row.ts'
import { addCounts, type Cause } from './notices.ts'

/** How many rows a transaction reads, and how many transactions a look makes at most. */
const PAGE = 500
const PAGES = 20
/** What is older is no news: notifications were turned off meanwhile. */
const NEWS_MS = 24 * 3_600_000
/** How far to go back after the clock was set back. */
const BACK_MS = 60_000

const SOURCES = ['needs_attention', 'rejected', 'withdrawals'] as const
type SourceName = (typeof SOURCES)[number]

/** The rows that came after a position, in order: at most PAGE. */
interface Page {
  readonly causes: readonly Cause[]
  /** The position of the last row; null without a row. */
  readonly end: Position | null
  readonly isLast: boolean
}
type Position = Pick<NoticePositionRow, 'at' | 'id'>
type Read = (trx: Kysely<Tables>, range: { after: Position; upTo: number }) => Promise<Page>

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
      const counts = new Map<string, { cause: Cause; count: number }>()
      for (const cause of causes) {
        const key = JSON.stringify(cause)
        counts.set(key, { cause, count: (counts.get(key)?.count ?? 0) + 1 })
      }
      // First, so that of two replicas that count the same rows, one waits here and then begins again.
      if (end !== null) await move(trx, { name, from: stored, to: end })
      await addCounts(trx, { counts, at: upTo })
      return isLast
    },
    // The position says what was counted, so another attempt counts nothing twice.
    isStored: async () => false,
  })
}

async function openPosition(
  trx: Transaction<Tables>,
  { name, upTo }: { name: SourceName; upTo: number },
): Promise<Position> {
  const found = await trx
    .selectFrom('notice_positions')
    .select(['at', 'id'])
    .where('name', '=', name)
    .executeTakeFirst()
  if (found !== undefined) return found
  await trx.insertInto('notice_positions').ignore().values({ name, at: upTo, id: '' }).execute()
  return { at: upTo, id: '' }
}

function startOf(stored: Position, upTo: number): Position {
  if (stored.at > upTo) return { at: upTo - BACK_MS, id: '' }
  return stored.at < upTo - NEWS_MS ? { at: upTo - NEWS_MS, id: '' } : stored
}

/** Throws ROW_CHANGED if another replica has moved it: the transaction is repeated. */
async function move(
  trx: Transaction<Tables>,
  { name, from, to }: { name: SourceName; from: Position; to: Position },
): Promise<void> {
  const { numUpdatedRows } = await trx
    .updateTable('notice_positions')
    .set(to)
    .where('name', '=', name)
    .where('at', '=', from.at)
    .where('id', '=', from.id)
    .executeTakeFirst()
  if (numUpdatedRows === 0n) throw ROW_CHANGED
}

/** A delivery may be active again after its result, such as by a failed withdrawal. Only its result is news. */
const readState =
  (state: 'needs_attention' | 'rejected'): Read =>
  async (trx, { after, upTo }) => {
    const rows = await trx
      .selectFrom('deliveries')
      .select(['id', 'active_at', 'settled_at', 'outcome'])
      .modifyFront(sql`/*+ INDEX(deliveries deliveries_state) */`)
      .where('state', '=', state)
      .where('active_at', '>=', after.at)
      .where('active_at', '<=', upTo)
      .where((eb) => eb.or([eb('active_at', '>', after.at), eb('id', '>', after.id)]))
      .orderBy('active_at')
      .orderBy('id')
      .limit(PAGE)
      .execute()
    const last = rows.at(-1)
    return {
      causes: rows.flatMap(({ active_at, settled_at, outcome }) =>
        active_at === settled_at ? [causeOf(outcome)] : [],
      ),
      end: last === undefined ? null : { at: last.active_at, id: last.id },
      isLast: rows.length < PAGE,
    }
  }

const readWithdrawals: Read = async (trx, { after, upTo }) => {
  const rows = await trx
    .selectFrom('withdrawals')
    .selectAll()
    .where('ended_at', '>', after.at)
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
      .map(({ delivery_id }) => ({ kind: 'withdrawal', code: 'failed', subject: delivery_id })),
    end: last === null ? null : { at: isLast ? last : last - 1, id: '' },
    isLast,
  }
}

const READ: Readonly<Record<SourceName, Read>> = {
  needs_attention: readState('needs_attention'),
  rejected: readState('rejected'),
  withdrawals: readWithdrawals,
}

/** The reasons whose subject is a course. The subject of another one may hold an address, so it is left out. */
const OF_COURSE: readonly ReasonCode[] = [
  'course.missing',
  'person.unenrolled',
  'enrollment.missing',
  'course.mode_missing',
]

function causeOf(outcome: string | null): Cause {
  const reason = reasonOf(outcome)
  const subject = OF_COURSE.includes(reason.code) ? reason.subject : ''
  return { kind: 'delivery', code: reason.code, subject }
}

function reasonOf(outcome: string | null): Reason {
  const unreadable = { code: 'row.unreadable', subject: '' } as const
  return orElse(unreadable, () => (outcome === null ? null : readOutcome(outcome).reason) ?? unreadable)
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
