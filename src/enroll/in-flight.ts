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
   * Gives those works of a call whose attempt has begun, now or before. The others are released. See Inbox.beginAttempt.
   */
  beginAttempt(works: readonly Work[]): Promise<readonly Work[]>
  endCall(works: readonly Work[]): void
}

export function createInFlight({
  inbox,
}: {
  inbox: Pick<Inbox, 'hasBegun' | 'mayContinue' | 'beginAttempt' | 'release'>
}): InFlight {
  const held = new Set<Work>()
  const inCall = new Set<Work>()
  const idsOf = (works: readonly Work[]): string[] => works.map(({ delivery }) => delivery.id)
  const hasBegun = ({ delivery }: Work): boolean => inbox.hasBegun(delivery.id)
  const idle = (): Work[] => [...held].filter((work) => !inCall.has(work))

  return {
    size: () => held.size,
    add: (work) => {
      held.add(work)
    },
    remove: (work) => {
      held.delete(work)
    },
    idle,
    stopLost: async () => {
      const begun = idle().filter(hasBegun)
      if (begun.length === 0) return []
      const going = await inbox.mayContinue(idsOf(begun))
      const lost = begun.filter((work) => !going.has(work.delivery.id) && !inCall.has(work) && held.has(work))
      for (const work of lost) stop(work)
      return lost
    },
    beginCall: (works) => {
      for (const work of works) inCall.add(work)
    },
    beginAttempt: async (works) => {
      const begun = await inbox.beginAttempt(idsOf(works))
      const dropped = works.filter(({ delivery }) => !begun.has(delivery.id))
      for (const work of dropped) held.delete(work)
      if (dropped.length > 0) inbox.release(idsOf(dropped))
      return works.filter(({ delivery }) => begun.has(delivery.id))
    },
    endCall: (works) => {
      for (const work of works) inCall.delete(work)
    },
  }
}
