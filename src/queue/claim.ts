import { createHash } from 'node:crypto'
import type { Delivery, DeliveryEvent } from '../sale/types.ts'
import type { Claimed } from './claimed.ts'
import type { DueRow, Home } from './due.ts'
import type { Store } from './store.ts'
import type { Waiters, WaitsFor } from './waiters.ts'

const PAGE = 200
const AWAITED_MAX = 1000
/** For how long a delivery is left to the replica that is to attempt it. */
const LEFT_MS = 2000

interface ClaimParts {
  readonly store: Pick<Store, 'me' | 'live' | 'due' | 'otherHomes' | 'readClaimed'>
  readonly claimed: Claimed
  readonly waiters: Pick<Waiters<unknown, WaitsFor>, 'awaited' | 'isAwaited'>
  /** Called with each event after it is stored. */
  readonly publish: (event: DeliveryEvent) => void
}

/**
 * Claims due deliveries, in memory: all of this replica that a sender waits for, and up to `max` others, oldest first. Those
 * with a waiting sender come first and don't count against `max`, so that a long backlog delays no new sale. Which replica
 * attempts a delivery is decided when the attempt begins, by the hold: two that claim the same one do no harm.
 * @param of.others whether to look at what other replicas, or dead ones, have not attempted
 */
export async function claimDue(
  parts: ClaimParts,
  { max, others }: { max: number; others: boolean },
): Promise<Delivery[]> {
  const ids: string[] = []
  try {
    const page = await parts.store.due({ limit: PAGE })
    claimInto(ids, await awaitedRows(parts, page), { parts, most: Number.POSITIVE_INFINITY })
    const most = ids.length + max
    const homes = others ? await parts.store.otherHomes() : []
    claimInto(ids, await leftByDead(parts, { homes, max }), { parts, most: ids.length + Math.ceil(max / 2) })
    await claimBacklog(parts, { ids, page, most })
    if (ids.length < most) claimInto(ids, await leftByOthers(parts, { homes, max }), { parts, most })
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

/** Where other replicas have left deliveries, and how many to look at. */
interface Left {
  readonly homes: readonly Home[]
  readonly max: number
}

/** What is due at homes that are no replicas any more: this replica's share of the people. */
async function leftByDead({ store }: ClaimParts, { homes, max }: Left): Promise<DueRow[]> {
  const live = store.live()
  const rank = live.indexOf(store.me())
  const rows: DueRow[] = []
  for (const { home } of homes.filter(({ isGone }) => isGone)) {
    const due = await store.due({ home, limit: max })
    rows.push(...due.filter(({ person }) => shareOf(person) % live.length === rank))
  }
  return oldestFirst(rows)
}

/** A number of 32 bits for each address, the same in every process. */
const shareOf = (person: string): number => createHash('sha256').update(person).digest().readUInt32BE()

/** What other replicas have not attempted in time, because they are dead or have more to do than they can. */
async function leftByOthers({ store }: ClaimParts, { homes, max }: Left): Promise<DueRow[]> {
  const pages = await Promise.all(homes.map(({ home }) => store.due({ home, forMs: LEFT_MS, limit: max })))
  return oldestFirst(pages.flat())
}

const oldestFirst = (rows: readonly DueRow[]): DueRow[] => rows.toSorted((a, b) => a.dueAt - b.dueAt)

function claimInto(
  ids: string[],
  rows: readonly DueRow[],
  { parts, most }: { parts: Pick<ClaimParts, 'claimed'>; most: number },
): void {
  for (const row of rows) if (ids.length < most && parts.claimed.claim(row)) ids.push(row.id)
}

/** Reads the full rows, and releases the claims on those that are no longer due. */
async function readAll({ store, claimed, publish }: ClaimParts, ids: readonly string[]): Promise<Delivery[]> {
  const { deliveries, events } = await store.readClaimed(ids)
  for (const event of events) publish(event)
  const found = new Set(deliveries.map(({ id }) => id))
  claimed.release(ids.filter((id) => !found.has(id)))
  for (const delivery of deliveries) claimed.read(delivery)
  return deliveries
}
