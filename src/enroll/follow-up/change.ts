import type { Db } from '../../database/schema.ts'
import { inTransaction } from '../../database/transaction.ts'
import { acquireChecked, type Permit } from '../../lms/client/budget.ts'
import { boundLateCalls, lockDelivery } from '../../queue/change-deliveries.ts'
import type { WriteContext } from '../../queue/events.ts'
import { withLines } from '../../queue/lines.ts'
import type { Replicas } from '../../queue/replicas/replicas.ts'
import { emailTerm } from '../../queue/search-terms.ts'
import { isWanted, isWithdrawing, lineOf } from '../../sale/line.ts'
import { isDone } from '../../sale/types.ts'
import { type Background, untilStored } from '../../service/lib/loop.ts'
import type { Acquire } from '../pair.ts'
import type { PairResult } from '../work.ts'
import type { Reported } from './reported.ts'

/** What a change in the LMS outside of an attempt needs. */
export interface Changing extends Pick<Background, 'guard' | 'onError'> {
  readonly context: WriteContext
  readonly replicas: Pick<Replicas, 'holds'>
  readonly landsMs: number
  /** Waits for the right to make one throttled call. Rejects if the work has to stop. */
  readonly acquire: () => Promise<Permit>
  /** Aborted when the process has to end. */
  readonly signal: AbortSignal
}

/** The delivery as it was read before, and the true key of the course to change. */
interface Wanted {
  readonly reported: Pick<Reported, 'id' | 'email' | 'generation'>
  readonly course: string
}

const NOT_WANTED = new Error('the delivery does not want the change any more')

/**
 * Changes something in the LMS for a settled delivery, as the follow-up and reconcile do. `change` gets each permit from
 * its `acquire`, which first waits for the permit and then asks the database whether the delivery still wants the course:
 * it may have been sent again, withdrawn, handled or erased since it was read. From the first permit until the end, this
 * replica has the hold of the buyer, so nothing else is done for the buyer meanwhile. Resolves to null if the delivery
 * doesn't want the change any more, or something else is being done for the buyer.
 * @throws what `change` rejects with: the LMS may then still carry out a call, as after a failure that may have taken effect
 */
export async function changeFor(
  changing: Changing,
  { change, ...wanted }: Wanted & { change: (acquire: Acquire) => Promise<PairResult> },
): Promise<PairResult | null> {
  const { acquire, guard, replicas } = changing
  let isHeld = false
  let isKnown = true
  const confirm = async (undoes: boolean): Promise<void> => {
    const may = await guard(() => (isHeld ? stillMay(changing, wanted) : takeHold(changing, wanted)))
    if (!may) throw NOT_WANTED
    isHeld = true
    if (undoes) await guard(() => replicas.holds.mayLandLate([emailTerm(wanted.reported.email)]))
  }
  const acquireConfirmed: Acquire = async ({ undoes } = { undoes: false }) => {
    isKnown = true // the call before has ended: a change continues only after a call that was answered
    const permit = await acquireChecked(acquire, () => confirm(undoes))
    isKnown = false
    return permit
  }
  try {
    const result = await change(acquireConfirmed)
    isKnown = result.kind !== 'failure' || !result.failure.mayHaveTakenEffect
    return result
  } catch (error) {
    if (error === NOT_WANTED) return null
    throw error
  } finally {
    // What is to be done for the buyer waits for the end of the hold. The others end that of a process that has ended.
    if (isHeld) await untilStored(() => guard(() => endHold(changing, wanted, isKnown)), changing)
  }
}

/** Takes the hold of the buyer if it is free and the delivery wants the course. */
function takeHold({ replicas: { holds } }: Changing, { reported, course }: Wanted): Promise<boolean> {
  const person = emailTerm(reported.email)
  return holds.take([person], async (trx, taken) => {
    await lockDelivery({ trx }, reported.id)
    const wanted = taken.has(person) && (await wantsCourse(trx, { ...reported, course }))
    return { result: wanted, kept: wanted ? taken : new Set() }
  })
}

/** Whether this replica still has the hold and the delivery still wants the course. */
async function stillMay({ context, replicas }: Changing, { reported, course }: Wanted): Promise<boolean> {
  const isHeld = await replicas.holds.has(emailTerm(reported.email))
  return isHeld && wantsCourse(context.database.db, { ...reported, course })
}

/** If the LMS may still carry out a call, the delivery says until when, so that a withdrawal looks again afterwards. */
async function endHold(
  { context: { database, now, random }, replicas: { holds }, landsMs }: Changing,
  { reported: { id, email } }: Wanted,
  isKnown: boolean,
): Promise<void> {
  const person = emailTerm(email)
  await inTransaction({
    database,
    random,
    body: async (trx): Promise<void> => {
      await holds.end(trx, [person], { isLate: !isKnown })
      if (!isKnown) await boundLateCalls(trx, [id], now() + landsMs)
    },
  })
  holds.ended([person])
}

/**
 * Whether the delivery has the same generation, still reports and wants the course, and nobody is to be taken out of any: a
 * withdrawal that failed is the newest statement, too.
 */
async function wantsCourse(
  on: Db,
  { id, generation, course }: { id: string; generation: number; course: string },
): Promise<boolean> {
  const rows = await on
    .selectFrom('deliveries')
    .select(['id', 'state'])
    .where('id', '=', id)
    .where('generation', '=', generation)
    .execute()
  const [row] = await withLines(on, rows)
  if (row === undefined || row.lines.some(isWithdrawing)) return false
  const mayWant = isDone(row.state) || row.state === 'needs_attention'
  const line = lineOf(row.lines, course)
  return mayWant && line !== undefined && line.result !== null && isWanted(line)
}
