import { sql, type Transaction } from 'kysely'
import type { Availability } from '../../database/availability.ts'
import type { Tables } from '../../database/schema.ts'
import { inTransaction } from '../../database/transaction.ts'
import type { WriteContext } from '../../database/write-context.ts'
import { type EventPlace, type ShopAnswer, writeShopAnswer } from '../../sale/shop-answer.ts'
import { type Background, runBackgroundLoop } from '../../service/lib/background-loop.ts'
import { isUnreachable } from '../../service/lib/errors.ts'

/** From one flush to the next. A process that is killed loses the answers since the last one. */
const FLUSH_MS = 1000
/** More than the senders that can wait at once: what comes on top, while the database is away, is not kept. */
const PENDING_MAX = 10_000
/** One statement has at most this many answers. */
const CHUNK = 100

export interface ShopAnswers {
  /** Keeps an answer in memory until the next flush, for each event of its request. */
  note(answer: ShopAnswer & { readonly events: readonly EventPlace[] }): void
  /** Stores what was noted since the last time. It keeps that only if the database can't be reached. */
  flush(): Promise<void>
}

/**
 * Stores what the shop was answered, with the event of each request: no row is added. It is not worth a write for each
 * webhook, so that all answers of a second share one transaction, after the answers were sent.
 */
export function createShopAnswers({
  context,
  guard,
}: {
  context: Pick<WriteContext, 'database' | 'random'>
  guard: Availability['guard']
}): ShopAnswers {
  let pending: Noted[] = []
  let flushing: Promise<void> = Promise.resolve()

  const store = async (): Promise<void> => {
    const noted = pending
    if (noted.length === 0) return
    pending = []
    try {
      await guard(() => storeAnswers(context, noted))
    } catch (error) {
      if (isUnreachable(error)) pending = [...noted, ...pending].slice(0, PENDING_MAX)
      throw error
    }
  }

  return {
    note: ({ events, ...answer }) => {
      const text = writeShopAnswer(answer)
      for (const event of events) if (pending.length < PENDING_MAX) pending.push({ ...event, text })
    },
    flush: () => {
      flushing = flushing.catch(() => {}).then(store)
      return flushing
    },
  }
}

/** Stores the answers every second, until the signal is aborted. The last ones are for the caller to flush. */
export const runShopAnswers = ({
  answers,
  ...background
}: Omit<Background, 'guard'> & { answers: Pick<ShopAnswers, 'flush'> }): Promise<void> =>
  runBackgroundLoop({
    ...background,
    round: async () => {
      await answers.flush()
      return FLUSH_MS
    },
    againMs: FLUSH_MS,
  })

interface Noted extends EventPlace {
  readonly text: string
}

/** An event that was deleted meanwhile stays deleted. */
function storeAnswers(
  { database, random }: Pick<WriteContext, 'database' | 'random'>,
  noted: readonly Noted[],
): Promise<void> {
  // In the order in which others delete them, so that two transactions don't deadlock.
  const sorted = noted.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  return inTransaction({
    database,
    random,
    body: async (trx) => {
      for (let i = 0; i < sorted.length; i += CHUNK) await storeChunk(trx, sorted.slice(i, i + CHUNK))
    },
  })
}

async function storeChunk(trx: Transaction<Tables>, noted: readonly Noted[]): Promise<void> {
  const texts = sql.join(
    noted.map(({ id, text }) => sql`when ${id} then ${text}`),
    sql` `,
  )
  await trx
    .updateTable('events')
    .set({ answer: sql<string>`case ${sql.ref('id')} ${texts} end` })
    .where((eb) => eb.or(noted.map(({ deliveryId, id }) => eb.and({ delivery_id: deliveryId, id }))))
    .execute()
}

const keyOf = ({ deliveryId, id }: EventPlace): string => `${deliveryId} ${id}`
