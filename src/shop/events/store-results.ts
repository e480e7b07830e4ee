import type { Transaction } from 'kysely'
import type { EndpointRow, Tables } from '../../database/schema.ts'
import { inTransaction, type WriteContext } from '../../database/transaction.ts'
import { noteAnswer, noteFailures, readEndpoint } from '../../queue/outbox/endpoint.ts'
import { EVENT_RETRIES_MS } from '../../queue/outbox/schedule.ts'
import type { Holds } from '../../queue/replicas/holds.ts'
import { nextAttemptAt } from '../../queue/retry-schedule.ts'
import { type ClaimedEvent, holdOf } from './claim.ts'
import type { Posted } from './post-event.ts'

export interface Attempted {
  readonly event: ClaimedEvent
  readonly posted: Posted
}

/** What was stored for an event. `retryAt`: when it is sent again, ms since 1970; null: no more, or it was sent. */
export interface Stored {
  readonly retryAt: number | null
  /**
   * The endpoint's new state, if the whole group has changed it, with its first event; else null. `reason`: the failure that
   * changed it; null if it is up again.
   */
  readonly change: { readonly state: EndpointRow['state']; readonly reason: string | null } | null
}

type Failed = Exclude<Posted, { kind: 'sent' | 'stopped' }>
interface Writing {
  readonly trx: Transaction<Tables>
  readonly at: number
  readonly random: () => number
  /** Those of the holds that are still this replica's. */
  readonly held: ReadonlySet<string>
}

/**
 * Stores how attempts ended, in one transaction, and resolves to the results in the same order. An event that was sent is
 * deleted: even if another replica sends it meanwhile, the shop has it. One that failed is due again later, or is
 * given up after its last attempt.
 */
export async function storeResults(
  { database, now, random, holds }: WriteContext & { readonly holds: Holds },
  group: readonly Attempted[],
): Promise<Stored[]> {
  const names = group.map(({ event }) => holdOf(event.about))
  const stored = await inTransaction({
    database,
    random,
    body: async (trx) => {
      const writing = { trx, at: now(), random, held: await holds.end(trx, names) }
      const before = (await readEndpoint(trx))?.state ?? 'up'
      await deleteSent(writing, group)
      const failed = group.flatMap(({ event, posted }) => (isFailed(posted) ? [{ event, posted }] : []))
      const retries = new Map<string, number | null>()
      for (const one of failed.toSorted((a, b) => (a.event.id < b.event.id ? -1 : 1))) {
        retries.set(one.event.id, await storeFailure(writing, one))
      }
      const after = await noteEndpoint(writing, { group, before })
      const reason = after === 'up' ? null : (failed.at(-1)?.posted.message ?? null)
      const change = before === after ? null : { state: after, reason }
      return group.map(({ event }, index) => {
        const retryAt = retries.get(event.id) ?? null
        return { retryAt, change: index === 0 ? change : null }
      })
    },
  })
  holds.ended(names)
  return stored
}

const isFailed = (posted: Posted): posted is Failed => posted.kind === 'failed' || posted.kind === 'gone'

async function deleteSent({ trx }: Writing, group: readonly Attempted[]): Promise<void> {
  const ids = group.flatMap(({ event, posted }) => (posted.kind === 'sent' ? [event.id] : [])).sort()
  if (ids.length > 0) await trx.deleteFrom('outbox').where('id', 'in', ids).execute()
}

async function storeFailure(
  { trx, at, random, held }: Writing,
  { event, posted }: { event: ClaimedEvent; posted: Failed },
): Promise<number | null> {
  const attempts = event.attempts + 1
  // A stop doesn't use up the event's attempts: it is tried at least once more after the operator ends the stop.
  const retryAt =
    posted.kind === 'gone' ? at : nextAttemptAt({ failures: attempts, now: at, random, schedule: EVENT_RETRIES_MS })
  if (!held.has(holdOf(event.about))) return retryAt
  await trx
    .updateTable('outbox')
    .set({
      attempts,
      error: posted.message,
      ...(retryAt === null ? { failed_at: at } : { due_at: retryAt }),
    })
    .where('id', '=', event.id)
    .execute()
  return retryAt
}

/** The results count in their order, so only the failures after the latest success make a row of failures. */
async function noteEndpoint(
  { trx, at }: Writing,
  { group, before }: { group: readonly Attempted[]; before: EndpointRow['state'] },
): Promise<EndpointRow['state']> {
  const answers = group.filter(({ posted }) => posted.kind !== 'stopped')
  const latest = answers.findLastIndex(({ posted }) => posted.kind === 'sent' || isRefusal(posted))
  const failures = answers.slice(latest + 1).flatMap(({ posted }) => (isFailed(posted) ? [posted] : []))
  const accepted = answers.some(({ posted }) => posted.kind === 'sent')
  if (latest >= 0) await noteAnswer(trx, { accepted, at })
  const last = failures.at(-1)
  if (last === undefined) return latest >= 0 && before !== 'gone' ? 'up' : before
  const isGone = failures.some(({ kind }) => kind === 'gone')
  return noteFailures(trx, { count: failures.length, isGone, error: last.message, at })
}

const isRefusal = (posted: Posted): boolean => posted.kind === 'failed' && posted.isRefusal
