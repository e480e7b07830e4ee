import { hasCourse } from '../sale/course-key.ts'
import { isWanted, type Line } from '../sale/line.ts'
import { type DeliveryState, isStopped } from '../sale/types.ts'
import {
  asNew,
  changedSince,
  lockDeliveries,
  lockDelivery,
  type Outdated,
  type Seen,
  startAgain,
  wantedAsNew,
} from './change-deliveries.ts'
import { auditedChange, type EventDraft, type TransactionContext, type WriteContext } from './events.ts'
import { withLines } from './lines.ts'

const REPLAY_MAX = 500

/** The result of a replay for each delivery. */
export interface Replayed {
  /** Due now. */
  readonly due: readonly string[]
  /**
   * Unchanged: no delivery has this id, or the delivery was rejected for its payload, which contains no sale. The shop
   * must correct it and send it again. `ended`: it was handled, withdrawn or refunded, and the replay leaves it so.
   */
  readonly left: readonly { readonly id: string; readonly why: 'unknown' | 'payload.invalid' | 'ended' }[]
}

/** See Operations.replayOne. */
type ReplayedOne = { readonly kind: 'due' | Replayed['left'][number]['why'] } | Outdated

/** See Operations.replayOne. */
export async function replayOne(
  context: WriteContext,
  { id, seen, by }: Seen & { id: string; by: string },
): Promise<ReplayedOne> {
  return auditedChange<ReplayedOne>(context, async (writing) => {
    await lockDelivery(writing, id)
    const change = await changedSince(writing, { id, seen, by, as: 'replayed' })
    if (change !== null) return { result: { kind: 'outdated', change }, listed: [] }
    const { due, left, others } = await makeDue(writing, { ids: [id] })
    const kind = left[0]?.why ?? 'due'
    return { result: { kind }, listed: due.map(() => replayed({ id, by, detail: '' })), others }
  })
}

/** See Operations.replay. Throws Error for more than 500 ids. */
export async function replay(
  context: WriteContext,
  { by, ...order }: { ids: readonly string[]; leavesEnded?: boolean; by: string },
): Promise<Replayed> {
  const { ids } = order
  if (ids.length > REPLAY_MAX) throw new Error(`a replay takes ${REPLAY_MAX} ids at most, not ${ids.length}`)
  return auditedChange(context, async (writing) => {
    const { others, ...result } = await makeDue(writing, order)
    return { result, listed: result.due.map((id) => replayed({ id, by, detail: '' })), others }
  })
}

/** Returns the event of a delivery that was made due. */
export const replayed = ({ id, by, detail }: { id: string; by: string; detail: string }): EventDraft => ({
  deliveryId: id,
  kind: 'replayed',
  detail,
  actor: by,
})

/**
 * Makes deliveries due now, inside a transaction. A queued delivery is brought forward, and nothing else about it
 * changes: an attempt in progress settles it as usual. A settled delivery starts again, as after a repeat from the
 * sender; one that needs attention does so without the courses that are withdrawn from it, unless these are all.
 * `others`: the events of withdrawals that this ends.
 * @param of.states of a bulk replay, in which nobody has looked at each delivery: those that are now in another state are
 *   left out, and so are those that a correction replaces, which is the sale by now; and no course is given back that a
 *   withdrawal names, but of a delivery that is withdrawn as a whole
 * @param of.leavesEnded whether to leave what a person has ended, and the courses that a withdrawal names: a replay may enroll a
 *   buyer who was refunded
 */
export async function makeDue(
  writing: Pick<TransactionContext, 'trx' | 'at'>,
  {
    ids,
    states,
    leavesEnded = false,
  }: { ids: readonly string[]; states?: readonly DeliveryState[]; leavesEnded?: boolean },
): Promise<Replayed & { readonly others: readonly EventDraft[] }> {
  const { trx } = writing
  const sorted = [...new Set(ids)].sort()
  if (sorted.length === 0) return { due: [], left: [], others: [] }
  await lockDeliveries(writing, sorted)
  const rows = await trx
    .selectFrom('deliveries')
    .select((eb) => ['id', 'state', 'replaced_by', eb('request', 'is', null).as('empty')])
    .where('id', 'in', sorted)
    .execute()
  type Row = (typeof rows)[number]
  const isReplaced = ({ state, replaced_by }: Row): boolean => isStopped(state) && replaced_by !== null
  const isSelected = (row: Row): boolean => states === undefined || (states.includes(row.state) && !isReplaced(row))
  const isLeft = ({ state }: Row): boolean => leavesEnded && isStopped(state)
  const wanted = rows.filter((row) => isSelected(row) && !isLeft(row))
  const queued = wanted.filter(({ state }) => state === 'queued').map(({ id }) => id)
  const sales = await withLines(
    trx,
    wanted.filter(({ state, empty }) => state !== 'queued' && !empty),
  )
  const leavesCourses = leavesEnded || states !== undefined
  const isAgain = ({ state, lines }: (typeof sales)[number]): boolean =>
    !leavesCourses || state === 'withdrawn' || lines.some(isWanted)
  const again = sales.filter(isAgain)
  const settled = again.map(({ id }) => id)
  await bringForward(writing, queued)
  const leaves = again.filter((sale) => (leavesCourses ? isPart(sale.lines) : leavesPart(sale)))
  const parts = new Set(leaves.map(({ id }) => id))
  const lineOf = (line: Line, id: string): Line => (parts.has(id) ? wantedAsNew(line) : asNew(line))
  const started = await startAgain(writing, { ids: settled, as: 'replay', lineOf })
  const due = [...queued, ...settled].sort()
  const ended = [...rows.filter(isLeft), ...sales.filter((sale) => leavesEnded && !isAgain(sale))]
  const known = new Set(rows.map(({ id }) => id))
  return {
    due,
    left: [
      ...sorted.filter((id) => !known.has(id)).map((id) => ({ id, why: 'unknown' as const })),
      ...ended.map(({ id }) => ({ id, why: 'ended' as const })),
      ...wanted
        .filter(({ state, empty }) => state !== 'queued' && empty)
        .map(({ id }) => ({ id, why: 'payload.invalid' as const })),
    ],
    others: started.flatMap(({ ended }) => ended),
  }
}

/** Whether some of the courses are withdrawn. */
const isPart = (lines: readonly Line[]): boolean => lines.some(isWanted) && !lines.every(isWanted)

type Sale = { readonly state: DeliveryState; readonly lines: readonly Line[] }

/** Whether a replay of this one delivery leaves what is withdrawn of it: whoever replays it wants what failed. */
const leavesPart = ({ state, lines }: Sale): boolean => state === 'needs_attention' && isPart(lines)

/** The courses that a replay of this one delivery gives back to a buyer who was taken out of them, or is to be. */
export const givenBack = (sale: Sale): string[] =>
  sale.state === 'queued' || leavesPart(sale)
    ? []
    : sale.lines.filter((line) => !isWanted(line)).map(({ course }) => course)

async function bringForward(
  { trx, at }: Pick<TransactionContext, 'trx' | 'at'>,
  ids: readonly string[],
): Promise<void> {
  if (ids.length === 0) return
  await trx
    .updateTable('deliveries')
    .set((eb) => ({
      // A delivery that was due earlier keeps its place.
      due_at: eb.case().when('due_at', '<', at).then(eb.ref('due_at')).else(at).end(),
      active_at: at,
      replayed_at: at,
    }))
    .where('id', 'in', ids)
    .execute()
}

/**
 * Starts a delivery again, in a transaction that has locked it, for the courses in which a look at the LMS found less than
 * was sold. The others keep their results. The next attempt reads first, so it enrolls nobody who was unenrolled. That the
 * buyer is in a course, if not in the mode that was sold, stays known until then: see lacksMode.
 * @param of.courses true course keys
 */
export async function startRepair(
  writing: Pick<TransactionContext, 'trx' | 'at'>,
  { id, courses }: { id: string; courses: readonly string[] },
): Promise<void> {
  const lineOf = (line: Line): Line => {
    if (!hasCourse(courses, line.course)) return line
    return { ...line, result: null, standing: line.standing?.standing === 'enrolled' ? line.standing : null }
  }
  await startAgain(writing, { ids: [id], as: 'rest', lineOf })
}
