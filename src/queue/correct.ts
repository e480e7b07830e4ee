import { sql } from 'kysely'
import type { Db, DeliveryRow } from '../database/schema.ts'
import { isSameCourse } from '../sale/course-key.ts'
import { REPLACED } from '../sale/delivery-sentence.ts'
import { isWanted, isWithdrawing, type Line } from '../sale/line.ts'
import { correctedSale } from '../sale/payload/operator-sale.ts'
import type { FieldErrors } from '../sale/payload/rules.ts'
import { type EnrollmentRequest, isDone, isStopped, type ReasonCode, type VerifiedWebhook } from '../sale/types.ts'
import { accept } from './accept.ts'
import {
  changedSince,
  lockDelivery,
  type Outdated,
  readCorrections,
  type Seen,
  setHandled,
} from './change-deliveries.ts'
import { auditedChange, type EventDraft, type TransactionContext, type WriteContext } from './events.ts'
import { readDeliveries, type WithLines, withLines } from './lines.ts'
import { UNSOLVED } from './rows.ts'
import { courseTerm, emailTerm, fold } from './search-terms.ts'
import { storeWithdrawal, type WithdrawalOrdered } from './withdraw.ts'
import { handOverTo } from './withdrawals/given.ts'
import { orderAgain } from './withdrawals/keepers.ts'
import { isOut } from './withdrawals/withdrawable.ts'

/**
 * The address or the courses that a delivery should have had. An absent address stays as it is, and so do absent courses,
 * but for those that a withdrawal of the delivery names.
 */
export interface Changes {
  readonly email?: string | undefined
  readonly courseIds?: readonly string[] | undefined
}

interface Correction extends Changes, Seen {
  readonly id: string
  /** Whether to take the buyer out of the courses of the old delivery, and out of paid modes too; null: leave them. */
  readonly withdraw: { readonly paid: boolean } | null
  readonly by: string
}

/**
 * - `corrected`: `id` is the delivery that replaces the old one. `withdrawal` is the order for the old one, if there is
 *   one.
 * - `already`: the delivery was corrected before; `id` replaces it.
 * - `ended`: the corrected sale is stored as `id`, and was handled, or withdrawn in a part.
 * - `withdrawing`: a refund or a withdrawal of delivery `id` is open: see isBeingWithdrawn.
 * - `invalid`: the payload rules refuse the corrected sale, in the webhook's words.
 * - `unchanged`: the correction changes nothing.
 */
type Corrected =
  | { readonly kind: 'corrected'; readonly id: string; readonly withdrawal: WithdrawalOrdered | null }
  | { readonly kind: 'already' | 'ended' | 'withdrawing'; readonly id: string }
  | { readonly kind: 'invalid'; readonly errors: FieldErrors }
  | { readonly kind: 'unchanged' | 'unknown' }
  | Outdated

/**
 * See Operations.correct. The corrected sale is stored as the webhook's are, by its digest. If a delivery has that digest
 * already, as after the shop has sent the corrected sale itself, that one starts again and replaces the old one.
 */
export async function correct(context: WriteContext, correction: Correction): Promise<Corrected> {
  const { id, withdraw, by, seen } = correction
  return auditedChange<Corrected>(context, async (writing) => {
    await lockDelivery(writing, id)
    const planned = await planCorrection(writing, correction)
    if (planned.kind !== 'planned') return { result: planned, listed: [] }
    const change = await changedSince(writing, { id, seen, by })
    if (change !== null) return { result: { kind: 'outdated', change }, listed: [] }
    const replacement = await storeReplacement(writing, planned)
    const withdrawn = withdraw === null ? null : await storeWithdrawal(writing, { id, courses: null, by, ...withdraw })
    const [made, replaced] = await replaceEvents(writing, { ...planned, by, replacedBy: replacement.id })
    return {
      result: { kind: 'corrected', id: replacement.id, withdrawal: withdrawn?.result ?? null },
      listed: [made, ...(withdrawn?.drafts ?? [])],
      others: [replaced, ...replacement.drafts],
    }
  })
}

/** `old`: the delivery that is corrected. */
export interface PlannedSale {
  readonly kind: 'planned'
  readonly old: WithLines<DeliveryRow>
  readonly webhook: VerifiedWebhook
  readonly request: EnrollmentRequest
}

type Planned = PlannedSale | Exclude<Corrected, { kind: 'corrected' } | Outdated>

/**
 * Whether a refund or a withdrawal of a delivery is open. Until it has ended, the delivery can't be corrected: the correction
 * would enroll the buyer, and the order, which doesn't know of it, would report that the buyer is out.
 */
export const isBeingWithdrawn = ({ lines }: { readonly lines: readonly Line[] }): boolean => lines.some(isWithdrawing)

/** What a correction would store. Changes nothing. */
export async function planCorrection(
  { trx }: { trx: Db },
  { id, email, courseIds }: Changes & { id: string },
): Promise<Planned> {
  const [row] = await readDeliveries(trx, [id])
  if (row === undefined) return { kind: 'unknown' }
  // If an operator has replayed it since, it is at work again, and can be corrected again.
  if (row.replaced_by !== null && isStopped(row.state)) return { kind: 'already', id: row.replaced_by }
  if (isBeingWithdrawn(row)) return { kind: 'withdrawing', id }
  const left = row.lines.filter(isWanted).map(({ sent }) => sent)
  const isPart = left.length > 0 && left.length < row.lines.length
  const rest = isPart ? correctedSale({ body: row.body, courseIds: left }) : null
  // The correction of a test is one too: it is no sale.
  const source = row.source === 'test' ? ({ source: 'test' } as const) : {}
  const sale = correctedSale({ body: row.body, email, courseIds: courseIds ?? (isPart ? left : undefined), ...source })
  if ('errors' in sale) return { kind: 'invalid', errors: sale.errors }
  const digest = rest === null || 'errors' in rest ? row.digest : rest.webhook.digest
  const isSame = sale.webhook.digest === digest || sale.webhook.digest === row.digest
  if (isSame) return { kind: 'unchanged' }
  const refused = await refusalOf(trx, { id, digest: sale.webhook.digest })
  return refused ?? { kind: 'planned', old: row, ...sale }
}

/**
 * Refuses to store a corrected sale as a delivery that a refund or an operator has ended in a part, or is about to: as a
 * repeat, all of it would start again. null if no delivery has its digest, or if delivery `id` corrects that one, so that
 * this takes the correction back.
 */
async function refusalOf(
  trx: Db,
  { id, digest }: { id: string; digest: string },
): Promise<{ readonly kind: 'ended' | 'withdrawing'; readonly id: string } | null> {
  const columns = ['id', 'state', 'replaced_by'] as const
  const rows = await trx.selectFrom('deliveries').select(columns).where('digest', '=', digest).execute()
  const [stored] = await withLines(trx, rows)
  if (stored === undefined) return null
  if (isBeingWithdrawn(stored)) return { kind: 'withdrawing', id: stored.id }
  if (!(isStopped(stored.state) || stored.lines.some(mayBeOut))) return null
  return (await readCorrections(trx, stored)).includes(id) ? null : { kind: 'ended', id: stored.id }
}

/** A course that was sold under a wrong key, and the right one. */
export interface CourseSwap {
  readonly from: string
  readonly to: string
}

const WRONG_KEYS = ['course.missing', 'course_key.malformed'] as const satisfies readonly ReasonCode[]

/** Whether a bulk correction can put right what failed for this reason: the key is wrong, so a replay can't help. */
export const isWrongKey = (code: string | null | undefined): boolean => WRONG_KEYS.some((one) => one === code)

/**
 * Whether somebody took the buyer out of the course of a line, or is to. That a check found no enrollment means nothing where
 * none was made: the wrong key of another course kept the whole sale back.
 */
export const mayBeOut = ({ result, account, standing, withdrawal }: Line): boolean =>
  withdrawal !== null ||
  standing?.standing === 'unenrolled' ||
  (isOut(standing) && (result !== null || account !== null))

/**
 * Corrects one course of a delivery that failed because of it, in a transaction that has locked the delivery. Nobody looks
 * at the delivery, so it is left as it is where a person has to decide: if it failed for this course no longer; if the buyer
 * was taken out of one of its courses, where the corrected sale would enroll them again; and if planCorrection plans none.
 * @returns the delivery that replaces it and the events to store; null: it is left
 */
export async function correctCourse(
  writing: TransactionContext,
  { id, from, to, by }: CourseSwap & { id: string; by: string },
): Promise<{ readonly id: string; readonly events: readonly EventDraft[] } | null> {
  const [row] = await readDeliveries(writing.trx, [id])
  if (row === undefined || !UNSOLVED.some((state) => state === row.state)) return null
  if (!isWrongKey(row.reason) || row.subject !== courseTerm(from)) return null
  if (row.lines.some(mayBeOut)) return null
  const courseIds = [...new Set(row.lines.map(({ sent }) => (isSameCourse(sent, from) ? to : sent)))]
  const planned = await planCorrection(writing, { id, courseIds })
  if (planned.kind !== 'planned') return null
  const { id: replacedBy, drafts } = await storeReplacement(writing, planned)
  return { id: replacedBy, events: [...(await replaceEvents(writing, { ...planned, by, replacedBy })), ...drafts] }
}

/**
 * Ends the work on the delivery that is replaced, and gives the event of the one that replaces it, and its own. One that was
 * withdrawn or handled stays so. It keeps no course any more that a refund of another sale has left to it.
 */
async function replaceEvents(
  writing: TransactionContext,
  { old, by, replacedBy }: Pick<PlannedSale, 'old'> & { by: string; replacedBy: string },
): Promise<[made: EventDraft, replaced: EventDraft]> {
  const { id, state } = old
  const isHandled = state !== 'withdrawn' && (await setHandled(writing, { id, as: null })) === 'handled'
  if (state !== 'withdrawn') await orderAgain(writing, [{ ...old, state: 'handled', replaced_by: replacedBy }])
  return [
    { deliveryId: replacedBy, kind: 'corrected', detail: `replaces ${id}`, actor: by },
    { deliveryId: id, kind: isHandled ? 'handled' : 'corrected', detail: `${REPLACED}${replacedBy}`, actor: by },
  ]
}

/**
 * Stores a sale that takes the place of a delivery, for any replica to attempt, and links both deliveries. It is the same
 * sale, so if it is new, it counts when that one came, and the shop and operators know it by the same webhook-id.
 *
 * Only the shop sells anew. So a sale that is stored already is only linked while it is at work or done, and otherwise, one
 * that was ever done here or there reads first, and enrolls nobody who was unenrolled since. See Delivery.readsFirst.
 */
async function storeReplacement(
  writing: TransactionContext,
  { old, webhook, request }: PlannedSale,
): Promise<{ id: string; drafts: readonly EventDraft[] }> {
  const { trx } = writing
  const { id, received_at, webhook_id } = old
  const stored = await readByDigest(trx, webhook.digest)
  const isOnlyLinked = stored !== undefined && (stored.state === 'queued' || isDone(stored.state))
  const change = isOnlyLinked ? { id: stored.id, drafts: [] } : (await accept(writing, [webhook]))[0]
  if (change === undefined) throw new Error('the corrected sale was not stored')
  const isNew = change.drafts.some(({ kind }) => kind === 'received')
  const isSamePerson = emailTerm(request.email) === old.email
  // An allowance at a wrong address says nothing of the person at the right one; an account may have moved there.
  const hasReached = isSamePerson || old.lines.some(({ account }) => account !== null)
  const readsFirst = (wasDone(old) && hasReached) || (stored !== undefined && wasDone(stored))
  if (isSamePerson) await handOverTo(trx, { from: old, to: change.id })
  const line = webhook_id === null ? '' : `${fold(webhook_id)}\n`
  const search_text = sql<string>`concat(${sql.ref('search_text')}, ${line})`
  await trx
    .updateTable('deliveries')
    // If the replacement was replaced itself, by a correction that is now taken back, it stands again.
    .set({ replaces: id, replaced_by: null, ...(isNew ? { received_at, webhook_id, search_text } : {}) })
    .set(readsFirst && !isOnlyLinked ? { reads_first: 1 } : {})
    .where('id', '=', change.id)
    .execute()
  await trx.updateTable('deliveries').set({ replaced_by: change.id }).where('id', '=', id).execute()
  return { id: change.id, drafts: change.drafts }
}

/** The delivery that is this sale; undefined if none is. */
async function readByDigest(trx: Db, digest: string): Promise<WithLines<DeliveryRow> | undefined> {
  const rows = await trx.selectFrom('deliveries').selectAll().where('digest', '=', digest).execute()
  return (await withLines(trx, rows))[0]
}

/** Whether a delivery ever gave its buyer anything, or found it there. */
const wasDone = ({ done_at, lines }: WithLines<DeliveryRow>): boolean =>
  done_at !== null || lines.some(({ result, gave }) => result !== null || gave !== null)
