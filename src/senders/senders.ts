import type { Availability } from '../database/availability.ts'
import type { SenderRow } from '../database/sender-row.ts'
import { inTransaction } from '../database/transaction.ts'
import type { WriteContext } from '../database/write-context.ts'
import { networkOf } from '../network.ts'
import { addRows, deleteOld, deleteSurplus, keyOf, readRows, sumOf } from './store.ts'
import { type SendersView, viewOf } from './view.ts'

/** At most this many rows are written at a time. What comes from further networks is counted together. */
const PENDING_MAX = 200
/** The address of several networks together. */
const OTHERS = ''

/** What came to the webhook from whom, over all replicas and restarts. */
export interface Senders {
  /** Counts one request of a sender, in memory only. `result`: see SenderRow; there must be few. */
  note(of: { ip: string; result: string }): void
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
  let pending = new Map<string, SenderRow>()
  let flushing: Promise<void> = Promise.resolve()

  const add = (row: SenderRow): void => {
    const known = pending.get(keyOf(row))
    const isFull = known === undefined && pending.size >= PENDING_MAX && row.address !== OTHERS
    if (isFull) add({ ...row, address: OTHERS })
    else pending.set(keyOf(row), known === undefined ? row : sumOf(known, row))
  }

  const store = async (): Promise<void> => {
    if (pending.size === 0) return
    const rows = [...pending.values()]
    pending = new Map()
    try {
      const isNew = await guard(() =>
        inTransaction({ database, random, body: (trx) => addRows(trx, rows), isStored: async () => false }),
      )
      if (isNew) await guard(() => deleteSurplus(db))
    } catch (error) {
      for (const row of rows) add(row)
      throw error
    }
  }

  return {
    note: ({ ip, result }) => {
      const at = now()
      add({ address: networkOf(ip), result, first_at: at, last_at: at, count: 1 })
    },
    flush: () => {
      flushing = flushing.catch(() => {}).then(store)
      return flushing
    },
    read: async () => {
      await flushing.catch(() => {})
      const stored = await guard(() => readRows(db))
      const rows = new Map(stored.map((row) => [keyOf(row), row]))
      for (const row of pending.values()) {
        const known = rows.get(keyOf(row))
        rows.set(keyOf(row), known === undefined ? row : sumOf(known, row))
      }
      return viewOf([...rows.values()])
    },
    deleteOld: (before) => guard(() => deleteOld(db, before)),
  }
}
