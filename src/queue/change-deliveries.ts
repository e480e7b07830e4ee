import type { Db, DeliveryRow, Trx } from '../database/schema.ts'
import { isTakenOut, isWanted, type Line, lacksMode, mayHaveTaken } from '../sale/line.ts'
import type { EventKind, HandledAs } from '../sale/types.ts'
import type { EventDraft, TransactionContext } from './events.ts'
import { storeLines, withLines } from './lines.ts'
import { endedAtOf, reasonColumns } from './rows.ts'
import { endedEarly } from './withdrawals/withdrawal.ts'

/**
 * Locks a delivery until the end of the transaction, so that two orders for it at once come one after the other. Call it
 * before the transaction reads anything: on MySQL, what it reads afterwards includes what the other one stored.
 */
export const lockDelivery = (context: Pick<TransactionContext, 'trx'>, id: string): Promise<void> =>
  lockDeliveries(context, [id])

/** The same for several deliveries. */
export async function lockDeliveries({ trx }: Pick<TransactionContext, 'trx'>, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  await locking(trx)
    .where('id', 'in', [...ids].sort()) // unsorted, two of them deadlock on MySQL
    .execute()
}

/** The same for all deliveries to an address, as it is stored: see emailTerm. */
export async function lockAddress({ trx }: Pick<TransactionContext, 'trx'>, address: string): Promise<void> {
  await locking(trx).where('email', '=', address).execute()
}

/** Changes nothing, and locks what it finds. */
const locking = (trx: Trx) => trx.updateTable('deliveries').set((eb) => ({ generation: eb.ref('generation') }))

/** What an operator, or a refund by the shop, did to a delivery: event `number` of it, at `at` (ms since 1970). */
interface LaterChange {
  readonly number: number
  readonly kind: EventKind
  readonly by: string
  readonly at: number
  readonly detail: string
}

/** An order by an operator who looked at the delivery: `seen` is the number of its last event then; absent: not checked. */
export interface Seen {
  readonly seen?: number | undefined
}

/** A change that is not carried out, because its order is older than `change`. */
export interface Outdated {
  readonly kind: 'outdated'
  readonly change: LaterChange
}

/** Who only looked, or told the shop again, has changed nothing that an order depends on. */
const NO_CHANGES: readonly EventKind[] = ['checked', 'sent_again']

/**
 * Returns the last change that an order by `by` doesn't know of, in a transaction that has locked the delivery; null if
 * there is none.
 * @param of.as the kind of event that the order makes: the same one by the same person is a second click, and no change
 *   that the order doesn't know of
 */
export async function changedSince(
  { trx }: Pick<TransactionContext, 'trx'>,
  { id, seen, by, as }: Seen & { id: string; by: string; as?: EventKind },
): Promise<LaterChange | null> {
  if (seen === undefined) return null
  const rows = await trx
    .selectFrom('events')
    .select(['kind', 'actor', 'at', 'detail', 'seq'])
    .where('delivery_id', '=', id)
    .where('actor', 'is not', null)
    .where('seq', '>', seen)
    .execute()
  const others = rows.filter(({ kind, actor }) => !NO_CHANGES.includes(kind) && !(kind === as && actor === by))
  const last = others.sort((a, b) => a.seq - b.seq).at(-1)
  if (last === undefined) return null
  return { number: last.seq, kind: last.kind, by: last.actor ?? '', at: last.at, detail: last.detail }
}

/** The delivery that corrects this one, that which corrects that one, and so on, as far as they are stored. */
export async function readCorrections(
  trx: Db,
  { replaced_by }: Pick<DeliveryRow, 'replaced_by'>,
): Promise<readonly string[]> {
  const found: string[] = []
  for (let id = replaced_by; id !== null && !found.includes(id); ) {
    const next = await trx.selectFrom('deliveries').select('replaced_by').where('id', '=', id).executeTakeFirst()
    if (next !== undefined) found.push(id)
    id = next?.replaced_by ?? null
  }
  return found
}

/** A line of a delivery that starts from the beginning: the shop wants the course, whatever was ordered before. */
export const asNew = (line: Line): Line => ({ ...unreported(line), withdrawal: null })

/**
 * Whether a line that starts is sold anew, because the buyer was taken out of its course, or may have been, by an order that
 * is still open or has failed: what the sale once gave there, such as a paid mode, it then gives again.
 */
const isSoldAgain = (before: Line, line: Line): boolean =>
  (isTakenOut(before) || mayHaveTaken(before)) && isWanted(line)

/** A line that a call of unknown effect was about: what the LMS has there counts as given, see Line.gave. */
export const inDoubt = (line: Line): Line =>
  line.result === null && !isTakenOut(line) ? { ...line, gave: true } : line

/** A call in doubt that has named the account stays in doubt. */
const soldAgain = (line: Line): Line => (line.named ? line : { ...line, account: null })

/** A line of a delivery that starts again without the courses that a withdrawal names, which stay out. */
export const wantedAsNew = (line: Line): Line => (isWanted(line) ? unreported(line) : line)

/**
 * A line without its result. Who has used an allowance is known by that, and a check may have found them before they got the
 * course as it was sold: an account would say that they did.
 */
const unreported = (line: Line): Line => ({
  ...line,
  result: null,
  standing: null,
  account: line.result === 'allowed' || lacksMode(line) ? null : line.account,
})

/** A delivery that starts again. `ended`: the events of withdrawals that this ends, because the sale is the newer statement. */
interface Started {
  readonly id: string
  readonly generation: number
  readonly lines: readonly Line[]
  readonly ended: readonly EventDraft[]
}

/**
 * Starts deliveries again: due now, on a new schedule, and without earlier results. The new generation prevents an attempt in
 * progress from answering for it.
 * @param of.as `sale`: the shop sells it anew; what was unknown of earlier calls stays that. `replay`: an operator has it enrolled
 *   whatever they did. `rest`: nobody has sold anything anew, so the next attempt reads first, and enrolls nobody who was
 *   unenrolled, see Delivery.readsFirst. `same`: it goes on as before.
 * @param of.lineOf what each line of delivery `id` is from now on
 */
export async function startAgain(
  { trx, at }: Pick<TransactionContext, 'trx' | 'at'>,
  {
    ids,
    as,
    lineOf,
  }: {
    ids: readonly string[]
    as: 'sale' | 'replay' | 'rest' | 'same'
    lineOf: (line: Line, id: string) => Line
  },
): Promise<Started[]> {
  if (ids.length === 0) return []
  const sorted = [...ids].sort()
  await trx
    .updateTable('deliveries')
    .set((eb) => ({
      state: 'queued',
      due_at: at,
      attempts: 0,
      settled_at: null,
      handled_as: null,
      ...reasonColumns(null),
      ended_at: null,
      active_at: at,
      generation: eb('generation', '+', 1),
      ...STATEMENTS[as](at),
    }))
    .where('id', 'in', sorted)
    .execute()
  const columns = ['id', 'generation', 'effect_unknown'] as const
  const rows = await trx.selectFrom('deliveries').select(columns).where('id', 'in', sorted).execute()
  if (as === 'replay')
    await trx.updateTable('deliveries').set({ effect_unknown: 0 }).where('id', 'in', sorted).execute()
  const started = (await withLines(trx, rows)).map(({ lines: before, effect_unknown, ...row }) => {
    const doubted = effect_unknown === 0 ? before : before.map(inDoubt)
    const all = before.map((old, index) => ({ old, line: lineOf(doubted[index] ?? old, row.id) }))
    const lines = all.map(({ old, line }): Line => (isSoldAgain(old, line) ? soldAgain(line) : line))
    return { ...row, before, lines, isNewSale: all.every(({ old, line }) => isSoldAgain(old, line)) }
  })
  const anew = started.filter(({ isNewSale }) => isNewSale).map(({ id }) => id)
  if (anew.length > 0) {
    await trx.updateTable('deliveries').set({ done_at: null }).where('id', 'in', anew).execute()
  }
  for (const { id, lines } of started) {
    const ended = endedAtOf(lines.filter(({ result }) => result !== null))
    if (ended !== null) await trx.updateTable('deliveries').set({ ended_at: ended }).where('id', '=', id).execute()
  }
  await storeLines(trx, started)
  return started.map(({ before, ...one }) => {
    return { ...one, ended: endedEarly(one.id, { before, after: one.lines, why: SUPERSEDED }) }
  })
}

/** The columns that say whether the next attempt reads first. */
const STATEMENTS = {
  same: () => ({}),
  sale: () => ({ reads_first: 0 }),
  replay: (at: number) => ({ replayed_at: at, reads_first: 0 }),
  rest: () => ({ reads_first: 1 }),
} as const

/** How the timeline says that a withdrawal has ended because its sale came again. */
const SUPERSEDED = 'the sale was sent again or replayed after the withdrawal was ordered'

/** So many characters of an operator's note are stored. */
export const NOTE_MAX = 1000

/**
 * Makes a delivery handled that the transaction has locked. An attempt in progress stops between two calls: see untilFree.
 * @param of.as null: by a correction, a refund, or to be erased
 */
export async function setHandled(
  { trx, at }: Pick<TransactionContext, 'trx' | 'at'>,
  { id, as }: { id: string; as: HandledAs | null },
): Promise<'handled' | 'already' | 'unknown'> {
  const columns = ['state', 'handled_as', 'replaced_by'] as const
  const row = await trx.selectFrom('deliveries').select(columns).where('id', '=', id).executeTakeFirst()
  if (row === undefined) return 'unknown'
  const isChanged = as !== null && as !== row.handled_as && row.replaced_by === null
  if (row.state === 'handled' && !isChanged) return 'already'
  await trx
    .updateTable('deliveries')
    .set({ state: 'handled', handled_as: as, due_at: null, settled_at: at, active_at: at })
    .where('id', '=', id)
    .execute()
  return 'handled'
}

/** What a check found for a delivery: what it makes of its row and of its lines. */
export interface Found {
  readonly id: string
  /** The delivery has this state until now. */
  readonly from: DeliveryRow['state']
  readonly set: Pick<DeliveryRow, 'state' | 'ended_at'> & Partial<ReturnType<typeof reasonColumns>>
  readonly before: readonly Line[]
  readonly lines: readonly Line[]
}

/** Stores what checks found in the LMS, in a transaction that has locked the deliveries; equal changes share a statement. */
export async function storeFound(
  { trx, at }: Pick<TransactionContext, 'trx' | 'at'>,
  found: readonly Found[],
): Promise<void> {
  const groups = Map.groupBy(found, ({ from, set }) => JSON.stringify([from, set]))
  for (const group of groups.values()) {
    const [first] = group
    if (first === undefined) continue
    const { from, set } = first
    await trx
      .updateTable('deliveries')
      .set(set.state === from ? set : { ...set, settled_at: at, active_at: at })
      .where('id', 'in', group.map(({ id }) => id).sort())
      .execute()
  }
  await storeLines(trx, found)
}

/**
 * Deletes deliveries that the transaction has locked, with all that is stored of them except what the shop still has to
 * be sent.
 */
export async function remove({ trx }: Pick<TransactionContext, 'trx'>, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  // The rows first: a replica that settles one of them now either comes before, or finds no row and adds no event.
  await trx.deleteFrom('deliveries').where('id', 'in', ids).execute()
  await trx.deleteFrom('delivery_lines').where('delivery_id', 'in', ids).execute()
  await trx.deleteFrom('webhook_ids').where('delivery_id', 'in', ids).execute()
  await trx.deleteFrom('events').where('delivery_id', 'in', ids).execute()
}
