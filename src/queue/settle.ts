import type { DeliveryRow } from '../database/schema.ts'
import { ROW_CHANGED } from '../database/transaction.ts'
import { hasOrder, isWanted, type Line, lacksMode, withFacts } from '../sale/line.ts'
import { isDone, isStopped, type Progress, type Settlement, STOPPED_STATES, stateAfter } from '../sale/types.ts'
import type { Change, TransactionContext } from './events.ts'
import { storeLines, withLines } from './lines.ts'
import type { EndedHold, Holds } from './replicas/holds.ts'
import { PROGRESS_COLUMNS, reasonColumns, toProgress, withWithdrawn } from './rows.ts'
import { orderAgain } from './withdrawals/keepers.ts'

/** `person`: the buyer, whose hold this replica took for the attempt. */
export interface SettleRequest {
  readonly settlement: Settlement
  readonly person: string
}

/**
 * Stores the results of attempts, all in one transaction; equal results share a statement. Their holds end with it. What
 * a result may change depends on the hold and the row:
 * - `final`: it is still queued, and neither repeated nor replayed since the attempt began. It gets the result.
 * - `outdated`: the shop sent it again or an operator replayed it during the attempt. The row stays in the queue for the
 *   next attempt, and the result answers only the earlier webhooks.
 * - `stopped`: an operator handled or withdrew it during the attempt. It keeps only the finished courses.
 * - `lost`: the hold was ended, because the others took this replica for dead; or the delivery was erased. Nothing
 *   changes, and no event is stored.
 * In each case but the last, the row keeps the accounts that the attempt enrolled, and what it gave. If the LMS may still carry
 * out a call of it, the hold is left to nobody: see Holds. What is not done stays in doubt then.
 */
export async function settle(
  context: TransactionContext & { readonly holds: Pick<Holds, 'end'> },
  requests: readonly SettleRequest[],
): Promise<Change[]> {
  if (requests.length === 0) return []
  const held = await endHolds(context, requests)
  const stored = await readRows(context, requests)
  const judged = requests.map((request): Judged => {
    const { id } = request.settlement
    return judge(request, { row: stored.get(id), hold: held.get(request.person) })
  })
  const ours = judged.filter(({ effect }) => effect !== 'lost')
  const groups = Map.groupBy(ours, (one) => groupKey(one, context.at))
  for (const group of groups.values()) await writeEqual(context, group)
  const changed = await writeLines(context, ours)
  const ended = judged.flatMap(({ effect, settlement }) => {
    const { id, outcome, dueAt } = settlement
    const hasEnded = effect === 'final' && dueAt === null && outcome.reason !== null
    const lines = changed.get(id)?.lines ?? []
    return hasEnded ? [{ id, state: stateAfter(settlement), handled_as: null, replaced_by: null, lines }] : []
  })
  await orderAgain(context, ended)
  return judged.map((one) => changeOf(context, { ...one, ...(changed.get(one.settlement.id) ?? UNREAD) }))
}

/** Ends the holds. Resolves to those that were still this replica's. */
async function endHolds(
  { trx, holds }: Pick<TransactionContext, 'trx'> & { readonly holds: Pick<Holds, 'end'> },
  requests: readonly SettleRequest[],
): Promise<ReadonlyMap<string, EndedHold>> {
  const held = new Map<string, EndedHold>()
  for (const [isLate, group] of Map.groupBy(requests, ({ settlement }) => settlement.mayLand === true)) {
    const people = group.map(({ person }) => person)
    for (const [person, hold] of await holds.end(trx, people, { isLate })) held.set(person, hold)
  }
  return held
}

type Stored = Pick<DeliveryRow, (typeof COLUMNS)[number]>
const COLUMNS = ['received_at', 'done_at', ...PROGRESS_COLUMNS] as const

interface Judged extends SettleRequest {
  readonly effect: 'final' | 'outdated' | 'stopped' | 'lost'
  readonly row: Stored | undefined
  readonly isFirstSuccess: boolean
  /** Whether a call may have taken effect without our knowing, or may still do so, where nothing is done. */
  readonly isDoubtful: boolean
}

function judge(
  request: SettleRequest,
  { row, hold }: { row: Stored | undefined; hold: EndedHold | undefined },
): Judged {
  const { settlement } = request
  const state = stateAfter(settlement)
  const isFirstSuccess = isDone(state) && row?.done_at === null
  // A look proves nothing while a call may still be carried out.
  const isDoubtful = settlement.effectUnknown || (hold?.isLeft === true && !isDone(state))
  const of = (effect: Judged['effect']): Judged => ({ ...request, effect, row, isFirstSuccess, isDoubtful })
  if (row === undefined || hold === undefined) return of('lost')
  if (isStopped(row.state)) return of('stopped')
  if (row.state !== 'queued') return of('lost')
  return of(row.generation === settlement.generation ? 'final' : 'outdated')
}

/** Equal for what one statement can store: the courses are in the lines. */
const groupKey = (one: Judged, at: number): string =>
  JSON.stringify([one.effect, one.settlement.generation, columnsOf(one, at)])

async function readRows({ trx }: TransactionContext, requests: readonly SettleRequest[]): Promise<Map<string, Stored>> {
  const rows = await trx
    .selectFrom('deliveries')
    .select(['id', ...COLUMNS])
    .where(
      'id',
      'in',
      requests.map(({ settlement }) => settlement.id),
    )
    .execute()
  return new Map(rows.map((row) => [row.id, row]))
}

interface ChangedLines {
  readonly before: readonly Line[]
  readonly lines: readonly Line[]
}
/** Of a delivery that is not this replica's any more. */
const UNREAD: ChangedLines = { before: [], lines: [] }

/**
 * Stores what the results tell of the courses. Their deliveries are locked by now, so nobody else changes the lines. Resolves to
 * the lines before and after, by the ids of the deliveries.
 */
async function writeLines(
  { trx }: TransactionContext,
  judged: readonly Judged[],
): Promise<ReadonlyMap<string, ChangedLines>> {
  const rows = await withLines(
    trx,
    judged.map((one) => ({ ...one, id: one.settlement.id })),
  )
  const changed = rows.map(({ id, lines, ...one }) => ({ id, before: lines, lines: linesAfter(lines, one) }))
  await storeLines(trx, changed)
  // One with an order goes on without those courses, but the shop has not sold the rest anew: the next attempt reads first.
  const parts = rows.filter((row) => row.effect === 'outdated' && hasOrder(row)).map(({ id }) => id)
  if (parts.length > 0) {
    await trx.updateTable('deliveries').set({ reads_first: 1 }).where('id', 'in', parts).execute()
  }
  return new Map(changed.map((one) => [one.id, one]))
}

/**
 * The lines of a delivery after an attempt. A course that has only an allowance now has no account, so that the buyer is
 * again whoever has the address. An account that a call has named without an answer stays known as long as the call is in
 * doubt. What a look found in a course that the attempt was not about stays known, too.
 */
export function linesAfter(
  lines: readonly Line[],
  {
    effect,
    isDoubtful,
    settlement: { outcome, accounts = {}, gave = {}, modesBefore = {} },
  }: Pick<Judged, 'effect' | 'isDoubtful'> & {
    settlement: Pick<Settlement, 'outcome' | 'accounts' | 'gave' | 'modesBefore'>
  },
): readonly Line[] {
  const given = withFacts(lines, gave, (line, gives) => ({ gave: line.gave || (gives ?? line.gave) }))
  const withModes = withFacts(given, modesBefore, (line, mode) => ({ modeBefore: line.modeBefore ?? mode ?? null }))
  const withAccounts = withFacts(withModes, accounts, (_line, account) =>
    account === undefined ? {} : { account, named: false, claimed: false },
  )
  return withFacts(withAccounts, outcome.courses, (line, result) => ({
    ...(result === 'allowed' || (line.named && isWanted(line) && !isDoubtful) ? { account: null, named: false } : {}),
    ...(effect === 'outdated' ? {} : { result: result ?? null }),
    ...(effect === 'final' && isAttempted(line) && result !== undefined ? { standing: null } : {}),
  }))
}

const isAttempted = (line: Line): boolean => line.result === null && isWanted(line)

async function writeEqual({ trx, at }: TransactionContext, group: readonly Judged[]): Promise<void> {
  const [first] = group
  if (first === undefined) return
  const { effect, settlement } = first
  const ids = [...new Set(group.map((one) => one.settlement.id))].sort()
  let update = trx
    .updateTable('deliveries')
    .set(columnsOf(first, at))
    .where('id', 'in', ids)
    .where('state', 'in', effect === 'stopped' ? STOPPED_STATES : ['queued'])
  if (effect === 'final') update = update.where('generation', '=', settlement.generation)
  const { numUpdatedRows } = await update.executeTakeFirst()
  if (Number(numUpdatedRows) !== ids.length) throw ROW_CHANGED
}

function columnsOf({ effect, settlement, isFirstSuccess, isDoubtful }: Judged, at: number): Partial<DeliveryRow> {
  const { outcome, dueAt, attempts, readsFirst = false } = settlement
  const state = stateAfter(settlement)
  if (effect === 'stopped') return reasonColumns(null)
  // A sale whose mode is missing was never enrolled as it was sold, so its next attempt may still give that.
  const isUngiven = outcome.reason?.code === 'course.mode_missing'
  const first = isFirstSuccess ? { done_at: at } : isUngiven ? { done_at: null } : {}
  const known = { active_at: at, ...first }
  // Nobody stores what the attempt has done, so the next one has to read it.
  const hasEffect = !isDone(state) && Object.keys(outcome.courses).length > 0
  if (effect === 'outdated') {
    return { ...known, effect_unknown: isDoubtful ? 1 : 0, ...(hasEffect ? { reads_first: 1 } : {}) }
  }
  const final = dueAt === null
  return {
    ...known,
    effect_unknown: isDoubtful ? 1 : 0,
    reads_first: readsFirst && !final ? 1 : 0,
    state,
    ...reasonColumns(outcome.reason),
    due_at: dueAt,
    attempts,
    settled_at: final ? at : null,
  }
}

function changeOf(
  { at }: TransactionContext,
  { effect, settlement, row, isFirstSuccess, before, lines }: Judged & ChangedLines,
): Change {
  const { id, detail, dueAt, calls = [] } = settlement
  const progress = withWithdrawn(progressOf(settlement), lines)
  const { state } = progress
  if (row === undefined) return { id, progress, drafts: [] }
  if (effect === 'lost' || effect === 'stopped') {
    return { id, progress: withWithdrawn(toProgress(row), lines), drafts: [] }
  }
  const sinceSaleMs = Math.max(0, at - row.received_at)
  const isClaimed = state === 'enrolled' && before.some(lacksMode)
  const kind = state === 'queued' ? 'retry_scheduled' : isClaimed ? 'claimed' : state
  const time = isFirstSuccess ? { timeToEnrollmentMs: sinceSaleMs } : isClaimed ? { timeToClaimMs: sinceSaleMs } : {}
  return {
    id,
    progress: effect === 'final' || dueAt === null ? progress : toProgress(row),
    drafts: [{ deliveryId: id, kind, detail, calls, ...time }],
  }
}

const progressOf = ({ dueAt, generation, outcome }: Settlement): Progress => ({
  state: stateAfter({ outcome, dueAt }),
  dueAt,
  generation,
  reason: outcome.reason,
})
