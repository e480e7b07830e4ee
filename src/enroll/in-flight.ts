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
  /** Releases idle works that another replica has claimed, for example while this process was suspended. */
  releaseLost(): void
  /** Puts works into a call. Run it in the same step as the choice: otherwise another call can take them too. */
  beginCall(works: readonly Work[]): void
  /**
   * Gives those works of a call whose attempt may begin, and releases the others. See Inbox.beginAttempt. If the
   * LMS may still carry out an earlier call of one, it is stopped: only its settlement stores that.
   */
  beginAttempt(works: readonly Work[]): Promise<readonly Work[]>
  endCall(works: readonly Work[]): void
}

export function createInFlight({
  inbox,
}: {
  inbox: Pick<Inbox, 'isMine' | 'beginAttempt' | 'endCall' | 'release'>
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
    releaseLost: () => drop(idle().filter(({ delivery }) => !inbox.isMine(delivery.id))),
    beginCall: (works) => {
      for (const work of works) inCall.add(work)
    },
    beginAttempt: async (works) => {
      const begun = await inbox.beginAttempt(works.map(({ delivery }) => delivery))
      const others = works.filter(({ delivery }) => !begun.has(delivery.id))
      const late = others.filter(({ mayLand }) => mayLand)
      for (const work of late) stop(work)
      drop(others.filter((work) => !late.includes(work)))
      return works.filter(({ delivery }) => begun.has(delivery.id))
    },
    endCall: (works) => {
      for (const work of works) inCall.delete(work)
      inbox.endCall(works.map(({ delivery }) => delivery.id))
    },
  }
}
