import type { Delivery, DeliveryEvent } from '../sale/types.ts'
import type { Claimed } from './claimed.ts'
import type { DueRow } from './due.ts'
import type { Store } from './store.ts'
import type { Waiters, WaitsFor } from './waiters.ts'

const PAGE = 200
const AWAITED_MAX = 1000

interface ClaimParts {
  readonly store: Pick<Store, 'due' | 'readClaimed'>
  readonly claimed: Claimed
  readonly waiters: Pick<Waiters<unknown, WaitsFor>, 'awaited' | 'isAwaited'>
  /** Called with each event after it is stored. */
  readonly publish: (event: DeliveryEvent) => void
}

/**
 * Claims due deliveries of this replica: all that a sender waits for, and up to `max` others, oldest first. Those with a
 * waiting sender come first and don't count against `max`, so that a long backlog delays no new sale.
 */
export async function claimDue(parts: ClaimParts, max: number): Promise<Delivery[]> {
  const ids: string[] = []
  try {
    const page = await parts.store.due({ limit: PAGE })
    claimInto(ids, await awaitedRows(parts, page), { parts, most: Number.POSITIVE_INFINITY })
    await claimBacklog(parts, { ids, page, most: ids.length + max })
    return await readAll(parts, ids)
  } catch (error) {
    parts.claimed.release(ids)
    throw error
  }
}

/** The first page almost always holds all due rows; then nothing more is read. */
async function awaitedRows({ store, claimed, waiters }: ClaimParts, page: readonly DueRow[]): Promise<DueRow[]> {
  if (page.length < PAGE) return page.filter(({ id }) => waiters.isAwaited(id))
  const unclaimed = [...waiters.awaited()].filter((id) => !claimed.has(id))
  return store.due({ limit: AWAITED_MAX, among: unclaimed.slice(0, AWAITED_MAX) })
}

async function claimBacklog(
  parts: ClaimParts,
  { ids, page: first, most }: { ids: string[]; page: readonly DueRow[]; most: number },
): Promise<void> {
  let page = first
  for (;;) {
    claimInto(ids, page, { parts, most })
    if (ids.length >= most || page.length < PAGE) return
    page = await parts.store.due({ limit: PAGE, after: page.at(-1) ?? null })
  }
}

function claimInto(
  ids: string[],
  rows: readonly DueRow[],
  { parts, most }: { parts: Pick<ClaimParts, 'claimed'>; most: number },
): void {
  for (const row of rows) if (ids.length < most && parts.claimed.claim(row)) ids.push(row.id)
}

/** Reads the full rows, and releases the claims on those that are no longer ours or due. */
async function readAll({ store, claimed, publish }: ClaimParts, ids: readonly string[]): Promise<Delivery[]> {
  const { deliveries, events } = await store.readClaimed(ids)
  for (const event of events) publish(event)
  const found = new Set(deliveries.map(({ id }) => id))
  claimed.release(ids.filter((id) => !found.has(id)))
  for (const { id, owner } of deliveries) claimed.setOwner(id, owner)
  return deliveries
}
