import type { Inbox } from '../queue/inbox.ts'
import { stop, type Work } from './work.ts'

/** The deliveries in an attempt in this process: those that wait for their call, and those that are in one. */
export function createInFlight({
  inbox,
}: {
  inbox: Pick<Inbox, 'hasBegun' | 'mayContinue' | 'beginAttempt' | 'release'>
}) {
  const held = new Set<Work>()
  const inCall = new Set<Work>()
  let coming = 0
  const idsOf = (works: readonly Work[]): string[] => works.map(({ delivery }) => delivery.id)
  /** The works that are in no call, oldest first. */
  const idle = (): Work[] => [...held].filter((work) => !inCall.has(work))

  return {
    /** With those that are coming: the LMS may take long to tell of their courses, and each is in memory. */
    size: (): number => held.size + coming,
    /** Counts a work that will be added. */
    coming: (admitted: Promise<Work>): Promise<Work> => {
      coming++
      return admitted.finally(() => coming--)
    },
    add: (work: Work): void => void held.add(work),
    /** Removes a work that has its results. */
    remove: (work: Work): void => void held.delete(work),
    idle,
    /**
     * Stops idle works whose attempt has begun and may not go on: an operator has stopped the delivery, or the others took
     * this replica for dead. Resolves to them.
     */
    stopLost: async (): Promise<readonly Work[]> => {
      const begun = idle().filter(({ delivery }) => inbox.hasBegun(delivery.id))
      if (begun.length === 0) return []
      const going = await inbox.mayContinue(idsOf(begun))
      const lost = begun.filter((work) => !going.has(work.delivery.id) && !inCall.has(work) && held.has(work))
      for (const work of lost) stop(work)
      return lost
    },
    /** Puts works into a call. Run it in the same step as the choice: otherwise another call can take them too. */
    beginCall: (works: readonly Work[]): void => {
      for (const work of works) inCall.add(work)
    },
    /**
     * Gives those works of a call whose attempt has begun, now or before. The others are released. See Inbox.beginAttempt.
     */
    beginAttempt: async (works: readonly Work[]): Promise<readonly Work[]> => {
      const begun = await inbox.beginAttempt(idsOf(works))
      const dropped = works.filter(({ delivery }) => !begun.has(delivery.id))
      for (const work of dropped) held.delete(work)
      if (dropped.length > 0) inbox.release(idsOf(dropped))
      return works.filter(({ delivery }) => begun.has(delivery.id))
    },
    endCall: (works: readonly Work[]): void => {
      for (const work of works) inCall.delete(work)
    },
  }
}
export type InFlight = ReturnType<typeof createInFlight>
