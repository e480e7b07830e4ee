import type { Kysely } from 'kysely'
import type { Tables } from '../../database/schema.ts'
import type { Background } from '../../service/lib/background-loop.ts'
import { isUnreachable } from '../../service/lib/errors.ts'
import { withdrawalOf } from '../withdrawal-row.ts'
import { SUPERSEDED } from './end-order.ts'

const POLL_MS = 250
/** How many requests may wait at the same time. */
const WAITING_MAX = 1000

/**
 * The result of withdrawals that have all ended:
 * - `done`: nothing of them stands, unless the buyer has bought it again.
 * - `kept`: the LMS, or a rule of this service, kept the buyer in a course.
 * - `failed`: the LMS failed until the last attempt.
 */
export type Withdrawn = 'done' | 'kept' | 'failed'

interface Waiter {
  readonly ids: readonly string[]
  readonly resolve: (withdrawn: Withdrawn | null) => void
}

/** Requests that wait for withdrawals, which any replica carries out. One query every 250 ms reads all of them. */
export function createOrderWaiters({
  db,
  guard,
  now,
  onError,
  signal,
}: Background & {
  db: Kysely<Tables>
  /** ms since 1970 */
  now: () => number
}) {
  const waiting = new Set<Waiter>()
  let polling = false

  const poll = async (): Promise<void> => {
    try {
      const ids = [...new Set([...waiting].flatMap((waiter) => waiter.ids))]
      const ended = await guard(() => readEnded(db, ids))
      for (const waiter of [...waiting]) {
        const withdrawn = resultOf(waiter.ids, ended)
        if (withdrawn !== null) waiter.resolve(withdrawn)
      }
    } catch (error) {
      if (!isUnreachable(error)) onError(error)
    }
    polling = waiting.size > 0
    if (polling) setTimeout(poll, POLL_MS).unref()
  }

  return {
    /** Resolves to null after the deadline (ms since 1970; null: at once), or if too many wait already. */
    wait: async ({ ids, deadline }: { ids: readonly string[]; deadline: number | null }): Promise<Withdrawn | null> => {
      const already = resultOf(ids, await guard(() => readEnded(db, ids)).catch(() => new Map()))
      if (already !== null || deadline === null || waiting.size >= WAITING_MAX || signal.aborted) return already
      return new Promise((resolve) => {
        const end = (withdrawn: Withdrawn | null): void => {
          clearTimeout(timer)
          signal.removeEventListener('abort', giveUp)
          waiting.delete(waiter)
          resolve(withdrawn)
        }
        const giveUp = (): void => end(null)
        const waiter: Waiter = { ids, resolve: end }
        const timer = setTimeout(giveUp, Math.max(0, deadline - now()))
        signal.addEventListener('abort', giveUp)
        waiting.add(waiter)
        if (!polling) setTimeout(poll, POLL_MS).unref()
        polling = true
      })
    },
  }
}

async function readEnded(db: Kysely<Tables>, ids: readonly string[]): Promise<ReadonlyMap<string, Withdrawn>> {
  if (ids.length === 0) return new Map()
  const rows = await db
    .selectFrom('withdrawals')
    .selectAll()
    .where('id', 'in', ids)
    .where('ended_at', 'is not', null)
    .execute()
  return new Map(rows.map((row) => [row.id, withdrawnOf(withdrawalOf(row))]))
}

function withdrawnOf({ result }: ReturnType<typeof withdrawalOf>): Withdrawn {
  const message = result?.message ?? ''
  if (message !== '' && message !== SUPERSEDED) return 'failed'
  return Object.values(result?.courses ?? {}).some(({ kind }) => kind === 'kept') ? 'kept' : 'done'
}

/** null: not all of them have ended. */
function resultOf(ids: readonly string[], ended: ReadonlyMap<string, Withdrawn>): Withdrawn | null {
  const results = ids.map((id) => ended.get(id))
  if (results.includes(undefined)) return null
  return (['failed', 'kept'] as const).find((worst) => results.includes(worst)) ?? 'done'
}
