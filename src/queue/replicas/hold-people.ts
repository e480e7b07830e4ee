import { setTimeout as delay } from 'node:timers/promises'
import type { Trx } from '../../database/schema.ts'
import { inTransaction } from '../../database/transaction.ts'
import type { WriteContext } from '../events.ts'
import { joinAsGuest } from './guest.ts'
import type { Timing } from './timing.ts'

const POLL_MS = 100

/** The holds of people, which this process has until it releases them: see Holds. */
export interface HeldPeople {
  /** Throws if the holds are lost. Call it right before a call to the LMS. */
  readonly assert: () => Promise<void>
  /** The same in a transaction. */
  readonly assertIn: (trx: Trx) => Promise<void>
  /** Records, before a call that may undo what is done for these people afterwards, that it may be carried out late. */
  readonly mayUndo: () => Promise<void>
  /** A call under the holds got no answer, so at their end they are left to nobody for as long as it may land. */
  readonly isLate: () => void
  /** Ends the holds, and leaves the replicas. */
  readonly release: () => Promise<void>
}

/**
 * Takes the holds of people for what is done beside the service, such as erasing them, as one of the replicas. Waits until
 * nobody acts for them and no call for them may still land: until the end of the calls in flight, and then for at most landsMs.
 * Meanwhile it also ends what dead replicas have left, because no service has to run.
 * @param of.onWait called once if it has to wait
 */
export async function holdPeople(
  { database, random, newId }: Pick<WriteContext, 'database' | 'random' | 'newId'>,
  { names, timing, onWait }: { names: readonly string[]; timing: Timing; onWait?: (() => void) | undefined },
): Promise<HeldPeople> {
  const guest = await joinAsGuest({ database, random, timing, newName: () => `hold-${newId()}` })
  const { holds, me, findDead, prune } = guest.replicas
  const takeAll = () =>
    holds.take(names, async (_trx, taken) => {
      const isAll = names.every((name) => taken.has(name))
      return { result: isAll, kept: isAll ? taken : new Set<string>() }
    })
  try {
    for (let waits = false; !(await takeAll()); ) {
      if (!waits) onWait?.()
      waits = true
      await prune(await findDead())
      await holds.sweep()
      await delay(POLL_MS)
    }
  } catch (error) {
    await guest.leave()
    throw error
  }
  let isLate = false
  return {
    assert: async () => {
      for (const name of names) if (!(await holds.has(name))) throw LOST
    },
    assertIn: async (trx) => {
      const mine = trx.selectFrom('holds').select('name').where('name', 'in', names).where('replica', '=', me())
      if ((await mine.execute()).length < names.length) throw LOST
    },
    mayUndo: () => inTransaction({ database, random, body: (trx) => holds.mayUndo(trx, names) }),
    isLate: () => {
      isLate = true
    },
    release: async () => {
      await inTransaction({ database, random, body: (trx) => holds.end(trx, names, { isLate }) })
      holds.ended(names)
      await guest.leave()
    },
  }
}

/** This process stood still for so long that the other replicas have removed it. */
const LOST = new Error('the hold of the person was lost meanwhile, so the work for them stops: repeat it')
