import { sql } from 'kysely'
import { z } from 'zod'
import type { Availability } from '../database/availability.ts'
import type { Trx } from '../database/schema.ts'
import { inTransaction } from '../database/transaction.ts'
import { isUnreachable } from '../service/lib/errors.ts'
import type { WriteContext } from './events.ts'

/** More than the senders that can wait at once: what comes on top, while the database is away, is not kept. */
const PENDING_MAX = 10_000
/** One statement has at most this many answers. */
const CHUNK = 100

const answerSchema = z.object({
  at: z.number(),
  status: z.number().nullable(),
  ms: z.number(),
  from: z.string().exactOptional(),
})

/**
 * What the shop was answered. `status`: of HTTP, or null if the sender hung up before the answer. `at`: when it was sent,
 * or when the sender hung up, in ms since 1970. `ms`: how long that was after the request. `from`: the sender's address;
 * absent where none is known.
 */
export type ShopAnswer = Readonly<z.infer<typeof answerSchema>>

/** An event that is stored. */
export interface EventPlace {
  readonly deliveryId: string
  readonly id: string
}

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
    note: ({ events, at, status, ms, from }) => {
      const text = JSON.stringify({ at, status, ms, from })
      for (const event of events) if (pending.length < PENDING_MAX) pending.push({ ...event, text })
    },
    flush: () => {
      flushing = flushing.catch(() => {}).then(store)
      return flushing
    },
  }
}

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

async function storeChunk(trx: Trx, noted: readonly Noted[]): Promise<void> {
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

/**
 * Reads the column `answer` of an event; null if there is none, or if it can't be read. An answer of the last second, and
 * one that a killed process had not stored, is missing.
 */
export function readAnswer(text: string | null): ShopAnswer | null {
  try {
    return text === null ? null : answerSchema.parse(JSON.parse(text))
  } catch {
    return null
  }
}
