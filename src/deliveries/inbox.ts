import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '../errors.ts'
import { createBell } from './bell.ts'
import { grouped } from './grouped.ts'
import type { DueRow, Store, Write, Written } from './store.ts'
import type { Arrival, Delivery, DeliveryEvent, Progress, Settlement } from './types.ts'
import { createWaiters } from './waiters.ts'

const GROUP_MAX = 200
const PAGE = 200
const POLL_MS = 1000
const SETTLE_AGAIN_MS = 1000

/**
 * The meeting point: the webhook puts in and waits, the worker takes out and settles. Neither knows the other. The
 * table is the queue; memory holds only who waits for an answer and what is being worked on.
 */
export function createInbox({
  store,
  now,
  publish,
  onError,
}: {
  store: Store
  now: () => number
  /** Told of each event after it is stored. */
  publish: (event: DeliveryEvent) => void
  /** Told when the result of finished work could not be stored; it is tried again until it can. */
  onError: (error: unknown) => void
}) {
  const write = grouped<Write, Written>({ write: store.write, max: GROUP_MAX })
  const waiters = createWaiters({ now })
  const bell = createBell()
  const closing = new AbortController()
  const personOf = new Map<string, string>() // of the deliveries that are handed out
  const people = new Set<string>()
  let paused = false

  const handOut = (row: DueRow): boolean => {
    const person = row.email ?? row.id
    if (personOf.has(row.id) || people.has(person)) return false
    personOf.set(row.id, person)
    people.add(person)
    return true
  }
  const release = (id: string): void => {
    const person = personOf.get(id)
    personOf.delete(id)
    if (person !== undefined) people.delete(person)
  }

  const pick = async (max: number): Promise<Delivery[]> => {
    const picked: string[] = []
    try {
      for (let after: DueRow | null = null; picked.length < max; ) {
        const page: DueRow[] = await store.due({ limit: PAGE, after })
        for (const row of page) if (picked.length < max && handOut(row)) picked.push(row.id)
        after = page.at(-1) ?? null
        if (page.length < PAGE) break
      }
      const rows = await store.waiting(picked)
      const deliveries = paused ? [] : rows
      const found = new Set(deliveries.map(({ id }) => id))
      for (const id of picked) if (!found.has(id)) release(id)
      return deliveries
    } catch (error) {
      for (const id of picked) release(id)
      throw error
    }
  }

  /** The work is done and its effect is in the LMS: what it came to is kept until the database takes it. */
  const settleOne = async (settlement: Settlement): Promise<void> => {
    for (;;) {
      try {
        const { events, progress } = await write({ kind: 'settle', settlement })
        release(settlement.id)
        for (const event of events) publish(event)
        waiters.tell(settlement.id, progress)
        bell.ring()
        return
      } catch (error) {
        onError(error)
        if (closing.signal.aborted) return
        await delay(SETTLE_AGAIN_MS, undefined, { signal: closing.signal }).catch(() => {})
      }
    }
  }

  return {
    /**
     * Stores the arrival, then waits until it is settled or it is clear that it won't be before `deadline` (ms since
     * 1970; null: not at all). Throws AppError database.unreachable, and then nothing is stored.
     */
    submit: async (arrival: Arrival, deadline: number | null): Promise<{ id: string; progress: Progress | null }> => {
      const { id, progress, events } = await write({ kind: 'accept', arrival }).catch(notStored)
      for (const event of events) publish(event)
      if (progress.state !== 'waiting') return { id, progress }
      const nobodyWorks = paused || closing.signal.aborted
      const settled = deadline === null || nobodyWorks ? Promise.resolve(null) : waiters.wait(id, deadline)
      bell.ring()
      return { id, progress: await settled }
    },

    /**
     * Up to `max` due deliveries, oldest first; waits until there is one. A person is handed out once at a time, until
     * settled. Gives none only after the signal is aborted. Throws what the database throws.
     */
    take: async (max: number, signal: AbortSignal): Promise<Delivery[]> => {
      while (!signal.aborted) {
        const rung = bell.listen()
        const deliveries = paused ? [] : await pick(max)
        if (deliveries.length > 0) return deliveries
        await rung(POLL_MS, signal)
      }
      return []
    },

    /** Stores what the work on each delivery came to, and tells those who wait. Ends when all of it is stored. */
    settle: async (settlements: readonly Settlement[]): Promise<void> => {
      await Promise.all(settlements.map(settleOne))
    },

    /** Nothing is handed out any more, and nobody waits for an answer: there will be none for a while. */
    pause: (): void => {
      paused = true
      waiters.giveUp()
    },
    resume: (): void => {
      paused = false
      bell.ring()
    },

    /** The end: who still waits learns that the delivery is kept, and results that can't be stored are let go. */
    close: (): void => {
      closing.abort()
      waiters.giveUp()
    },
  }
}

const notStored = (cause: unknown): never => {
  throw new AppError('database.unreachable', 'A delivery could not be stored; it was not accepted.', { cause })
}
export type Inbox = ReturnType<typeof createInbox>
