import type { Inbox } from '../queue/inbox.ts'
import { stop, type Work } from './work.ts'

/** The deliveries in an attempt in this process: those that wait for their call, and those that are in one. */
export interface InFlight {
  readonly size: () => number
  add(work: Work): void
  /** Removes a work that has its results. */
  remove(work: Work): void
  /** The works that are in no call, oldest first. */
  idle(): Work[]
  /**
   * Stops idle works whose attempt has begun and may not go on: an operator has stopped the delivery, or the others took
   * this replica for dead. Resolves to them.
   */
  stopLost(): Promise<readonly Work[]>
  /** Puts works into a call. Run it in the same step as the choice: otherwise another call can take them too. */
  beginCall(works: readonly Work[]): void
  /**
   * Gives those works of a call whose attempt may begin or go on. The others are released, or stopped if they had begun:
   * only their settlement ends the hold. See Inbox.beginAttempt.
   */
  beginAttempt(works: readonly Work[]): Promise<readonly Work[]>
  endCall(works: readonly Work[]): void
}

export function createInFlight({
  inbox,
}: {
  inbox: Pick<Inbox, 'hasBegun' | 'mayContinue' | 'beginAttempt' | 'release'>
}): InFlight {
  const held = new Map<string, Work>()
  const inCall = new Set<Work>()

  const idle = (): Work[] => [...held.values()].filter((work) => !inCall.has(work))

  const drop = (works: readonly Work[]): void => {
    if (works.length === 0) return
    for (const work of works) {
      held.delete(work.delivery.id)
      inCall.delete(work)
    }
    inbox.release(works.map(({ delivery }) => delivery.id))
  }

  return {
    size: () => held.size,
    add: (work) => {
      held.set(work.delivery.id, work)
    },
    remove: (work) => {
      held.delete(work.delivery.id)
    },
    idle,
    stopLost: async () => {
      const begun = idle().filter(({ delivery }) => inbox.hasBegun(delivery.id))
      if (begun.length === 0) return []
      const going = await inbox.mayContinue(begun.map(({ delivery }) => delivery.id))
      const lost = begun.filter(
        (work) => !going.has(work.delivery.id) && !inCall.has(work) && held.has(work.delivery.id),
      )
      for (const work of lost) stop(work)
      return lost
    },
    beginCall: (works) => {
      for (const work of works) inCall.add(work)
    },
    beginAttempt: async (works) => {
      const going = await inbox.beginAttempt(works.map(({ delivery }) => delivery.id))
      const others = works.filter(({ delivery }) => !going.has(delivery.id))
      const begun = others.filter(({ delivery }) => inbox.hasBegun(delivery.id))
      for (const work of begun) stop(work)
      drop(others.filter((work) => !begun.includes(work)))
      return works.filter(({ delivery }) => going.has(delivery.id))
    },
    endCall: (works) => {
      for (const work of works) inCall.delete(work)
    },
  }
}
