import { createHash } from 'node:crypto'
import type { Delivery } from '../sale/types.ts'
import type { Claimed } from './claimed.ts'
import type { DueRow } from './due.ts'
import type { Store } from './store.ts'
import type { Waiters, WaitsFor } from './waiters.ts'

const PAGE = 200
const AWAITED_MAX = 1000
/** For how long a due delivery is left to the replica where its sender waits, if there are several. */
const LEFT_MS = 2000

interface ClaimParts {
  readonly store: Pick<Store, 'me' | 'live' | 'due' | 'readClaimed'>
  readonly claimed: Claimed
  readonly waiters: Pick<Waiters<unknown, WaitsFor>, 'awaited' | 'isAwaited'>
}

/**
 * Claims due deliveries, in memory: all that a sender waits for here, and up to `max` others, oldest first. Those with a
 * waiting sender come first and don't count against `max`, so that a long backlog delays no new sale. Which replica attempts
 * a delivery is decided when the attempt begins, by the hold: two that claim the same one do no harm.
 */
export async function claimDue(parts: ClaimParts, max: number): Promise<Delivery[]> {
  const { store, claimed } = parts
  const ids: string[] = []
  const live = store.live()
  const forMs = live.length === 1 ? 0 : LEFT_MS
  try {
    const page = await store.due({ forMs, limit: PAGE })
    claimInto(ids, await awaitedRows(parts, forMs === 0 ? page : null), { parts, most: Number.POSITIVE_INFINITY })
    await claimBacklog(parts, { ids, page, live, forMs, most: ids.length + max })
    return await readAll(parts, ids)
  } catch (error) {
    claimed.release(ids)
    throw error
  }
}

/**
 * What a sender waits for here.
 * @param page the first page of all that is due, which almost always is all of it: then nothing more is read. null: not read
 */
async function awaitedRows({ store, claimed, waiters }: ClaimParts, page: readonly DueRow[] | null): Promise<DueRow[]> {
  if (page !== null && page.length < PAGE) return page.filter(({ id }) => waiters.isAwaited(id))
  const unclaimed = [...waiters.awaited()].filter((id) => !claimed.has(id))
  return store.due({ limit: AWAITED_MAX, among: unclaimed.slice(0, AWAITED_MAX) })
}

/**
 * Claims until `ids` has `most`: first this replica's share of the people, so that several replicas seldom claim the same
 * delivery, and then what the others have not attempted, because they are dead or have more to do than they can.
 */
async function claimBacklog(
  parts: ClaimParts,
  of: { ids: string[]; page: readonly DueRow[]; live: readonly string[]; forMs: number; most: number },
): Promise<void> {
  const { store } = parts
  const { ids, live, forMs, most } = of
  const rank = live.indexOf(store.me())
  const isMine = ({ person }: DueRow): boolean => live.length === 1 || shareOf(person) % live.length === rank
  const others: DueRow[] = []
  let { page } = of
  for (;;) {
    const { mine = [], theirs = [] } = Object.groupBy(page, (row) => (isMine(row) ? 'mine' : 'theirs'))
    claimInto(ids, mine, { parts, most })
    if (ids.length >= most) return
    others.push(...theirs.slice(0, most - others.length))
    if (page.length < PAGE) return claimInto(ids, others, { parts, most })
    page = await store.due({ forMs, limit: PAGE, after: page.at(-1) ?? null })
  }
}

/** A number of 32 bits for each address, the same in every process. */
const shareOf = (person: string): number => createHash('sha256').update(person).digest().readUInt32BE()

function claimInto(
  ids: string[],
  rows: readonly DueRow[],
  { parts, most }: { parts: Pick<ClaimParts, 'claimed'>; most: number },
): void {
  for (const row of rows) if (ids.length < most && parts.claimed.claim(row)) ids.push(row.id)
}

/** Reads the full rows, and releases the claims on those that are no longer due. */
async function readAll({ store, claimed }: ClaimParts, ids: readonly string[]): Promise<Delivery[]> {
  const deliveries = await store.readClaimed(ids)
  const found = new Set(deliveries.map(({ id }) => id))
  claimed.release(ids.filter((id) => !found.has(id)))
  for (const delivery of deliveries) claimed.read(delivery)
  return deliveries
}
