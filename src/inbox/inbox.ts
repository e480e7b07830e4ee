import { isUnreachable } from '../database/availability.ts'
import type { Arrival, Delivery, DeliveryEvent, Progress, Settlement } from '../delivery/types.ts'
import { AppError } from '../errors.ts'
import { pause as wait } from '../pause.ts'
import { createBell } from '../wake-up.ts'
import { createSetBack } from './clock-rollback.ts'
import { grouped } from './group-commit.ts'
import { createElsewhere } from './remote-deliveries.ts'
import type { DueRow, Store, Write, Written } from './store.ts'
import { createWaiters } from './waiters.ts'

const GROUP_MAX = 200
const PAGE = 200
const AWAITED_MAX = 1000
/** How often the rows of nobody are looked at: what a dead replica or a command has left there. */
const ADOPT_MS = 1000
/** How often deliveries that an operator has stopped are given back: the operator waits for it. */
const RELEASE_MS = 500
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
  /**
   * Told when the database refuses something that is tried again until it can be: the result of finished work, or a
   * look at another replica's. Not told that it can't be reached.
   */
  onError: (error: unknown) => void
}) {
  const report = (error: unknown): void => {
    if (!isUnreachable(error)) onError(error)
  }
  const noneIfNotTold = (error: unknown): Set<string> => {
    report(error)
    return new Set()
  }
  const write = grouped<Write, Written>({ write: store.write, max: GROUP_MAX, isHopeless: isUnreachable })
  const waiters = createWaiters({ now })
  const elsewhere = createElsewhere({
    read: store.progress,
    isMine: (owner) => owner === store.me(),
    tell: waiters.tell,
    onError: report,
  })
  const bell = createBell()
  const closing = new AbortController()
  const personOf = new Map<string, string>() // of the deliveries that are handed out
  const ownerOf = new Map<string, string>() // of the same: this replica's name at that time
  const people = new Set<string>()
  const inCall = new Set<string>() // of those that are handed out: their attempt has begun
  const followClock = createSetBack({ now, hasten: store.hasten })
  let paused = false
  let adoptedAt = Number.NEGATIVE_INFINITY
  let releasedAt = Number.NEGATIVE_INFINITY

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
    ownerOf.delete(id)
    inCall.delete(id)
    if (person !== undefined) people.delete(person)
  }

  const dueAwaited = (): Promise<DueRow[]> => {
    const ids = [...waiters.awaited()].filter((id) => !personOf.has(id))
    return store.due({ limit: AWAITED_MAX, among: ids.slice(0, AWAITED_MAX) })
  }

  /** Whoever has a sender waiting comes first, and doesn't count: a long backlog holds up no new sale. */
  const pick = async (max: number): Promise<Delivery[]> => {
    const picked: string[] = []
    await followClock()
    if (performance.now() - adoptedAt >= ADOPT_MS) {
      await store.adopt(max)
      adoptedAt = performance.now()
    }
    try {
      let page = await store.due({ limit: PAGE })
      const all = page.length < PAGE // and nearly always it is
      const awaited = all ? page.filter(({ id }) => waiters.isAwaited(id)) : await dueAwaited()
      for (const row of awaited) if (handOut(row)) picked.push(row.id)
      const most = picked.length + max
      for (;;) {
        for (const row of page) if (picked.length < most && handOut(row)) picked.push(row.id)
        if (picked.length >= most || page.length < PAGE) break
        page = await store.due({ limit: PAGE, after: page.at(-1) ?? null })
      }
      const read = await store.waiting(picked)
      for (const event of read.events) publish(event)
      const deliveries = paused ? [] : read.deliveries
      const found = new Set(deliveries.map(({ id }) => id))
      for (const id of picked) if (!found.has(id)) release(id)
      for (const { id, owner } of deliveries) if (owner !== null) ownerOf.set(id, owner)
      return deliveries
    } catch (error) {
      for (const id of picked) release(id)
      throw error
    }
  }

  const releaseStopped = async (): Promise<void> => {
    if (performance.now() - releasedAt < RELEASE_MS) return
    releasedAt = performance.now()
    await store.releaseStopped(inCall)
  }

  /** The work is done and its effect is in the LMS: what it came to is kept until the database takes it. */
  const settleOne = async (settlement: Settlement): Promise<void> => {
    for (;;) {
      try {
        const owner = ownerOf.get(settlement.id) ?? store.me()
        const { events, progress } = await write({ kind: 'settle', settlement, owner })
        release(settlement.id)
        for (const event of events) publish(event)
        waiters.tell(settlement.id, progress)
        bell.ring()
        return
      } catch (error) {
        report(error)
        if (closing.signal.aborted) return
        await wait(SETTLE_AGAIN_MS, closing.signal)
      }
    }
  }

  return {
    /**
     * Stores the arrival, then waits until it is settled or it is clear that it won't be before `deadline` (ms since
     * 1970; null: not at all). Throws AppError database.unreachable, and then nothing is stored.
     */
    submit: async (arrival: Arrival, deadline: number | null): Promise<{ id: string; progress: Progress | null }> => {
      const { id, progress, owner, events } = await write({ kind: 'accept', arrival }).catch(notStored)
      for (const event of events) publish(event)
      if (progress.state !== 'waiting') return { id, progress }
      const { generation } = progress
      const nobodyWorks = paused || closing.signal.aborted
      if (deadline === null || nobodyWorks) {
        bell.ring()
        return { id, progress: null }
      }
      const settled = waiters.wait({ id, generation, deadline })
      const unfollow = elsewhere.follow(id, owner)
      bell.ring()
      return { id, progress: await settled.finally(unfollow) }
    },

    /**
     * Up to `max` due deliveries, oldest first, and besides them all that a sender waits for; waits until there is one.
     * A person is handed out once at a time, until settled or let go. Gives none only after the signal is aborted.
     * Throws what the database throws, but waits for one that can't be reached.
     */
    take: async (max: number, signal: AbortSignal): Promise<Delivery[]> => {
      while (!signal.aborted) {
        const rung = bell.listen()
        await releaseStopped().catch(report)
        const deliveries = paused ? [] : await pick(max).catch(noneWhileAway)
        if (deliveries.length > 0) return deliveries
        await rung(RELEASE_MS, signal)
      }
      return []
    },

    isAwaited: waiters.isAwaited,
    lastActivityAt: store.lastActivityAt,

    /**
     * Whether a delivery that was handed out is still this replica's to work on. Not when it was given up for dead
     * since, as after a pause of the whole process: then others have it.
     */
    isMine: (id: string): boolean => ownerOf.get(id) === store.me(),

    /**
     * Notes that an attempt begins, right before its first call to the LMS. Gives the deliveries whose attempt may
     * begin: an operator may have handled or erased one since it was claimed, or the shop may have sent it again. None
     * while the database is away, because then nobody can say whose they are.
     */
    beginAttempt: async (deliveries: readonly Pick<Delivery, 'id' | 'generation'>[]): Promise<ReadonlySet<string>> => {
      for (const { id } of deliveries) inCall.add(id)
      const begun = await store.beginAttempt(deliveries).catch(noneIfNotTold)
      for (const { id } of deliveries) if (!begun.has(id)) inCall.delete(id)
      return begun
    },

    /** No call is under way for these deliveries: one that an operator has stopped can be given back. */
    endCall: (ids: readonly string[]): void => {
      for (const id of ids) inCall.delete(id)
    },

    /** Between two calls of an attempt: whether the delivery still is ours to work on. Throws what the database throws. */
    mayContinue: async (id: string): Promise<boolean> => (await store.stillWaiting([id])).has(id),

    /** There are deliveries of nobody: they are looked for at once and not at the next poll. */
    adoptNow: (): void => {
      adoptedAt = Number.NEGATIVE_INFINITY
      bell.ring()
    },

    /** Gives deliveries back without a result; nothing is stored. */
    letGo: (ids: readonly string[]): void => {
      for (const id of ids) release(id)
      bell.ring()
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

const noneWhileAway = (error: unknown): Delivery[] => {
  if (isUnreachable(error)) return []
  throw error
}

const notStored = (cause: unknown): never => {
  throw new AppError('database.unreachable', 'A delivery could not be stored; it was not accepted.', { cause })
}
export type Inbox = ReturnType<typeof createInbox>
