import type { Kysely } from 'kysely'
import type { DeliveryRow, Tables } from '../../database/schema.ts'
import { inTransaction, type WriteContext } from '../../database/transaction.ts'
import { acquireChecked, type Permit } from '../../lms/client/budget.ts'
import { lockDelivery } from '../../queue/change-deliveries.ts'
import { endHold, takeHold } from '../../queue/replicas/hold.ts'
import type { Replicas } from '../../queue/replicas/replicas.ts'
import { readOutcome } from '../../queue/rows.ts'
import { isDone } from '../../sale/types.ts'
import { pause } from '../../service/lib/loop.ts'
import type { Reported } from './reported.ts'

const AGAIN_MS = 1000

/** What a change in the LMS outside of an attempt needs. */
export interface Changing {
  readonly context: WriteContext
  readonly replicas: Pick<Replicas, 'beat'>
  /** Runs what needs the database. */
  readonly guard: <T>(work: () => Promise<T>) => Promise<T>
  /** Waits for the right to make one throttled call. Rejects if the work has to stop. */
  readonly acquire: () => Promise<Permit>
  /** Aborted when the process has to end. */
  readonly signal: AbortSignal
}

/** The delivery as it was read before, and the true key of the course to change. */
interface Wanted {
  readonly reported: Pick<Reported, 'id' | 'generation'>
  readonly course: string
}

const NOT_WANTED = new Error('the delivery does not want the change any more')

/**
 * Changes something in the LMS for a settled delivery, as the follow-up and reconcile do. `change` gets each permit from
 * its `acquire`, which first waits for the permit and then asks the database whether the delivery still wants the course:
 * it may have been sent again, withdrawn, handled or erased since it was read. From the first permit until the end, no
 * withdrawal for the delivery begins. Resolves to null if the delivery doesn't want the change any more.
 * @param of.isUnknown whether the LMS may still carry out a call, by the result of the change
 * @throws what `change` rejects with: the LMS may then still carry out a call, too
 */
export async function changeFor<T>(
  { context, replicas, guard, acquire, signal }: Changing,
  {
    change,
    isUnknown,
    ...wanted
  }: Wanted & { change: (acquire: () => Promise<Permit>) => Promise<T>; isUnknown: (result: T) => boolean },
): Promise<T | null> {
  const { database } = context
  let holder: string | null = null
  let isKnown = true
  const confirm = async (): Promise<void> => {
    const me = await guard(() => confirmHold(context, replicas, wanted))
    if (me === null) throw NOT_WANTED
    holder = me
  }
  const acquireConfirmed = async (): Promise<Permit> => {
    isKnown = true // the call before has ended: a change continues only after a call that was answered
    const permit = await acquireChecked(acquire, confirm)
    isKnown = false
    return permit
  }
  try {
    const result = await change(acquireConfirmed)
    isKnown = !isUnknown(result)
    return result
  } catch (error) {
    if (error === NOT_WANTED) return null
    throw error
  } finally {
    const me = holder
    if (me !== null)
      await untilStored(() => guard(() => endHold(database, { me, id: wanted.reported.id, isKnown })), signal)
  }
}

/** Takes or renews the hold if the delivery wants the course. Resolves to the name of its holder; null if it is refused. */
async function confirmHold(
  { database, random }: WriteContext,
  replicas: Changing['replicas'],
  { reported: { id, generation }, course }: Wanted,
): Promise<string | null> {
  return inTransaction({
    database,
    random,
    body: async (trx) => {
      const me = await replicas.beat(trx) // blocks pruning, so that the holder can't be gone
      if (me === null) return null
      await lockDelivery({ trx }, id)
      if (!(await wantsCourse(trx, { id, generation, course }))) return null
      return (await takeHold({ trx, dialect: database.dialect }, { me, id })) ? me : null
    },
  })
}

/** Whether the delivery has the same generation, still reports the course, and nobody is to be taken out of it. */
async function wantsCourse(
  on: Pick<Kysely<Tables>, 'selectFrom'>,
  { id, generation, course }: { id: string; generation: number; course: string },
): Promise<boolean> {
  const row = await on
    .selectFrom('deliveries')
    .select(['state', 'outcome'])
    .where('id', '=', id)
    .where('generation', '=', generation)
    .executeTakeFirst()
  if (row === undefined || !waitsOrIsDone(row, course)) return false
  const order = await on
    .selectFrom('withdrawals')
    .select('id')
    .where('delivery_id', '=', id)
    .where('ended_at', 'is', null)
    .executeTakeFirst()
  return order === undefined
}

function waitsOrIsDone({ state, outcome: stored }: Pick<DeliveryRow, 'state' | 'outcome'>, course: string): boolean {
  if (stored === null) return false
  const { courses, reason } = readOutcome(stored)
  const isMissing = state === 'needs_attention' && reason?.code === 'enrollment.missing'
  return (isDone(state) || isMissing) && courses[course] !== undefined
}

/** Withdrawals wait for the end of the hold, so it is tried until the database has it. */
async function untilStored(store: () => Promise<void>, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      return await store()
    } catch {
      if (signal.aborted) return // the hold of a process that has ended lasts until its calls can't be carried out
      await pause(AGAIN_MS, signal)
    }
  }
}
