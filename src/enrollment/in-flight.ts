import type { Inbox } from '../inbox/types.ts'
import type { Work } from './work.ts'

/** The deliveries that are worked on here: those that wait for their call, and those that are in one. */
export interface InFlight {
  readonly size: () => number
  add(work: Work): void
  /** What came of it is known, so that it is in hand no longer. */
  remove(work: Work): void
  /** Those that are in no call, oldest first. */
  idle(): Work[]
  /** Lets go of idle ones that are another replica's by now, as after a pause of the whole process: it does them. */
  releaseLost(): void
  /** Puts some into a call. To be done in the same moment in which they were chosen, or another call takes them too. */
  beginCall(works: readonly Work[]): void
  /** Of those in a call, the ones whose attempt may begin; lets go of the others. See Inbox.beginAttempt. */
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
      drop(works.filter(({ delivery }) => !begun.has(delivery.id)))
      return works.filter(({ delivery }) => begun.has(delivery.id))
    },
    endCall: (works) => {
      for (const work of works) inCall.delete(work)
      inbox.endCall(works.map(({ delivery }) => delivery.id))
    },
  }
}
