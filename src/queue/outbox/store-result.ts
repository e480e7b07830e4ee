import type { EndpointRow } from '../../database/schema.ts'
import { inTransaction } from '../../database/transaction.ts'
import type { WriteContext } from '../events.ts'
import type { Holds } from '../replicas/holds.ts'
import { nextAttemptAt } from '../retry-schedule.ts'
import { type ClaimedEvent, holdOf } from './claim.ts'
import { noteAnswer, noteFailure } from './endpoint.ts'

/**
 * How an attempt ended.
 * - `sent`: the endpoint answered 2xx.
 * - `failed`: it did not, and `message` says why. `isRefusal`: it refused this event, and may accept others.
 * - `gone`: it answered 410: it wants no more events.
 * - `stopped`: this service ended the attempt. It doesn't count.
 */
export type Posted =
  | { readonly kind: 'sent'; readonly status: number }
  | { readonly kind: 'failed'; readonly status: number | null; readonly message: string; readonly isRefusal: boolean }
  | { readonly kind: 'gone'; readonly status: number; readonly message: string }
  | { readonly kind: 'stopped' }

/** What was stored for an event. `retryAt`: when it is sent again, ms since 1970; null: no more, or it was sent. */
export interface Stored {
  /** How many attempts the event has had, this one included. */
  readonly attempts: number
  readonly retryAt: number | null
  /** The endpoint's new state, if the attempt has changed it. `reason`: the failure; null if it is up again. */
  readonly change: { readonly state: EndpointRow['state']; readonly reason: string | null } | null
}

/**
 * Stores how an attempt ended. An event that was sent is deleted: even if another replica sends it meanwhile, the shop has
 * it. One that failed is due again later, or is given up after its last attempt. A probe before its time that proves only
 * that the endpoint is still down costs it no attempt.
 */
export async function storeResult(
  { database, now, random, holds }: WriteContext & { readonly holds: Holds },
  { event, posted }: { readonly event: ClaimedEvent; readonly posted: Posted },
): Promise<Stored> {
  const name = holdOf(event.about)
  const stored = await inTransaction({
    database,
    random,
    body: async (trx): Promise<Stored> => {
      const at = now()
      const isHeld = (await holds.end(trx, [name])).has(name)
      const counted = event.attempts + 1
      if (posted.kind === 'stopped') return { attempts: counted, retryAt: null, change: null }
      if (posted.kind === 'sent') {
        await trx.deleteFrom('outbox').where('id', '=', event.id).execute()
        const state = await noteAnswer(trx, { accepted: true, at })
        return { attempts: counted, retryAt: null, change: state && { state, reason: null } }
      }
      const isGone = posted.kind === 'gone'
      const isAnswer = !isGone && posted.isRefusal
      const { message: error } = posted
      const early = isAnswer ? null : event.earlyFor
      const attempts = early === null ? counted : event.attempts
      // A stop doesn't use up the event's attempts: it is tried at least once more after the operator ends the stop.
      const retryAt = isGone ? at : (early ?? nextAttemptAt({ failures: attempts, now: at, random }))
      if (isHeld) {
        const next = retryAt === null ? { failed_at: at } : { due_at: retryAt }
        await trx
          .updateTable('outbox')
          .set({ attempts, error, ...next })
          .where('id', '=', event.id)
          .execute()
      }
      const state = isAnswer
        ? await noteAnswer(trx, { accepted: false, at })
        : await noteFailure(trx, { isGone, error, at })
      return { attempts, retryAt, change: state && { state, reason: isAnswer ? null : error } }
    },
  })
  holds.ended([name])
  return stored
}
