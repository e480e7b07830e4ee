import type { Availability } from '../../database/availability.ts'
import { inTransaction } from '../../database/transaction.ts'
import type { WriteContext } from '../../database/write-context.ts'
import { addRows, deleteOld, deleteSurplus, keyOf, readRows, sumOf } from './store.ts'
import { createTally, type Tally } from './tally.ts'
import { type SendersView, viewOf } from './view.ts'

/** What came to the webhook from whom, over all replicas and restarts. */
export interface Senders {
  /** Counts a refusal, in memory only. True if it is one of too many for a log line each. */
  refused(of: { ip: string; code: string }): boolean
  /** Counts a webhook with a valid signature, in memory only. */
  signed(of: { ip: string; isPrevious: boolean }): void
  /** Counts a sale under the webhook-id of another one, in memory only. */
  reusedId(): void
  readonly endMinute: Tally['endMinute']
  /** Stores what was counted since the last time. If that fails, it stays counted. */
  flush(): Promise<void>
  /** What is stored, and what this replica has counted since. */
  read(): Promise<SendersView>
  /** Deletes what nobody sent since `before` (ms since 1970). */
  deleteOld(before: number): Promise<void>
}

/**
 * Counts the senders of webhooks. A flood costs no write each: it is counted in memory, and written by `flush`. A process
 * that is killed loses what came since the last flush. A connection that is lost during a flush may count some twice.
 */
export function createSenders({
  context,
  guard,
}: {
  context: Pick<WriteContext, 'database' | 'random' | 'now'>
  guard: Availability['guard']
}): Senders {
  const { database, random, now } = context
  const { db } = database
  const tally = createTally({ of: 'webhooks' })
  let flushing: Promise<void> = Promise.resolve()

  const store = async (): Promise<void> => {
    const rows = tally.take()
    if (rows.length === 0) return
    try {
      const isNew = await guard(() => inTransaction({ database, random, body: (trx) => addRows(trx, rows) }))
      if (isNew) await guard(() => deleteSurplus(db))
    } catch (error) {
      tally.putBack(rows)
      throw error
    }
  }

  return {
    refused: ({ ip, code }) => {
      tally.add({ ip, result: code, at: now() })
      return tally.refuse({ ip, code })
    },
    signed: ({ ip, isPrevious }) => tally.add({ ip, result: isPrevious ? 'signed_previous' : 'signed', at: now() }),
    reusedId: () => tally.add({ ip: '', result: 'id_reused', at: now() }),
    endMinute: tally.endMinute,
    flush: () => {
      flushing = flushing.catch(() => {}).then(store)
      return flushing
    },
    read: async () => {
      await flushing.catch(() => {})
      const stored = await guard(() => readRows(db))
      const rows = new Map(stored.map((row) => [keyOf(row), row]))
      for (const row of tally.rows()) {
        const known = rows.get(keyOf(row))
        rows.set(keyOf(row), known === undefined ? row : sumOf(known, row))
      }
      return viewOf([...rows.values()])
    },
    deleteOld: (before) => guard(() => deleteOld(db, before)),
  }
}
