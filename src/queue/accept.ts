import type { DeliveryRow } from '../database/schema.ts'
import { insertRows, ROW_CHANGED } from '../database/transaction.ts'
import type { Line } from '../sale/line.ts'
import type { DeliveryState, Progress, Reason, Source, VerifiedWebhook } from '../sale/types.ts'
import { describeOutcome } from '../sale/words.ts'
import { asNew, startAgain, wantedAsNew } from './change-deliveries.ts'
import type { Change, EventDraft, TransactionContext } from './events.ts'
import { newLines, storeLines } from './lines.ts'
import { lateRetry, readLateRetries, readReplacements, repeatedAs } from './repeats.ts'
import { reasonColumns, toProgress } from './rows.ts'
import { searchTermsOf } from './search-terms.ts'
import { giveToDeliveries, type SaleHolder, storeSaleIds } from './webhook-ids.ts'

/** A verified webhook as the row and the lines that it would be. */
interface NewDelivery {
  readonly row: DeliveryRow
  readonly lines: readonly Line[]
}

/**
 * A verified webhook with what has its webhook-id; null if it came without one.
 * - `sale`: to be stored, since no other sale has its webhook-id, and no refund.
 * - `reused`: another sale has it. Only an event of that one is stored (decision 23).
 * - `forgotten`: it was erased with its buyer. Nothing is stored of what can only be a late retry.
 * - `refund_id`: a refund has it. Nothing is stored, because a captured refund must not become a sale (decision 22).
 */
type Arrival =
  | (NewDelivery & { readonly kind: 'sale'; readonly holder: SaleHolder | null })
  | (NewDelivery & { readonly kind: 'reused'; readonly holder: SaleHolder })
  | (NewDelivery & { readonly kind: 'forgotten' })
  | { readonly kind: 'refund_id' }

/** Both steps of accepting, announce and acceptAnnounced, for sales that come under no webhook-id. */
export const accept = async (context: TransactionContext, webhooks: readonly VerifiedWebhook[]): Promise<Change[]> =>
  acceptAnnounced(context, await announce(context, webhooks))

/**
 * The first step of accepting verified webhooks, before their transaction locks a delivery: stores their webhook-ids.
 * Returns what acceptAnnounced stores, in the order of `webhooks`. Throws what storeSaleIds throws.
 */
export async function announce(context: TransactionContext, webhooks: readonly VerifiedWebhook[]): Promise<Arrival[]> {
  const deliveries = webhooks.map((webhook) => newDelivery(context, webhook))
  const holders = await storeSaleIds(
    context,
    deliveries.map(({ row }) => row),
  )
  return deliveries.map((delivery): Arrival => {
    const { row } = delivery
    const holder = holders.get(row.webhook_id ?? '') ?? null
    if (holder === null) return { kind: 'sale', ...delivery, holder }
    if (holder.purpose === 'refund') return { kind: 'refund_id' }
    if (holder.purpose === 'forgotten') return { kind: 'forgotten', ...delivery }
    return { kind: holder.digest === row.digest ? 'sale' : 'reused', ...delivery, holder }
  })
}

/**
 * Stores verified webhooks, all in one transaction. A repeat (same digest) is processed from the beginning on its own
 * row, with a new schedule and without earlier results, because the person may have been unenrolled since, unless it is
 * a retry that came after a course was withdrawn (see readLateRetries); one of a corrected sale starts the correction.
 * Its new generation prevents an attempt in progress from answering it. Results are in the order of `arrivals`. Throws
 * what the database throws, and ROW_CHANGED if the delivery that has a webhook-id was erased meanwhile.
 */
export async function acceptAnnounced(context: TransactionContext, arrivals: readonly Arrival[]): Promise<Change[]> {
  const sales = await storeSales(context, arrivals)
  const changes = await processSales(context, sales)
  const idOf = new Map(sales.map(({ id, row }) => [row.digest, id]))
  const reusedOf = ({ id, digest }: SaleHolder): string => idOf.get(digest) ?? id
  const holders = await existing(
    context,
    arrivals.flatMap((one) => (one.kind === 'reused' ? reusedOf(one.holder) : [])),
  )
  return arrivals.map((one): Change => {
    if (one.kind === 'refund_id') return { id: '', progress: NO_RESULT, drafts: [], misusedId: 'refund_id' }
    if (one.kind === 'forgotten') return lateRetryOfForgotten(one)
    if (one.kind === 'sale') {
      const change = changes.shift()
      if (change === undefined) throw new Error('a webhook was not stored')
      return change
    }
    const id = reusedOf(one.holder)
    if (!holders.has(id)) throw ROW_CHANGED
    const drafts = [idReused(id, one.row.webhook_id ?? '')]
    return { id, progress: NO_RESULT, drafts, misusedId: 'sale_reused' }
  })
}

/** A late retry of a sale that was erased is answered as one of a refunded sale is. */
const lateRetryOfForgotten = ({ row }: NewDelivery): Change => ({
  id: '',
  progress: { ...NO_RESULT, state: 'withdrawn', withdrawnCourse: row.course ?? '' },
  drafts: [],
})

/** Of a webhook that is not stored, and has none. */
const NO_RESULT: Progress = { state: 'rejected', reason: null, dueAt: null, generation: 0 }

/** Those of these deliveries that were not erased meanwhile. */
async function existing({ trx }: Pick<TransactionContext, 'trx'>, ids: readonly string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set()
  const rows = await trx
    .selectFrom('deliveries')
    .select('id')
    .where('id', 'in', [...new Set(ids)])
    .execute()
  return new Set(rows.map(({ id }) => id))
}

/** The event of a delivery whose webhook-id came with another body. It says nothing about that body's buyer. */
const idReused = (deliveryId: string, webhookId: string): EventDraft => ({
  deliveryId,
  kind: 'id_reused',
  detail: `another sale came under webhook-id ${webhookId} and was refused`,
})

/** A sale, and its delivery: that of its row, if it is new. */
interface Sale {
  readonly row: DeliveryRow
  readonly holder: SaleHolder | null
  readonly id: string
  /** Of the delivery, before this webhook. */
  readonly state: DeliveryState
  readonly isNew: boolean
}

/**
 * Stores the sales that are new. One that comes again takes the place of a row that can't be read. Results are in the order
 * of `arrivals`.
 */
async function storeSales({ trx }: TransactionContext, arrivals: readonly Arrival[]): Promise<Sale[]> {
  const sales = arrivals.flatMap((one) => (one.kind === 'sale' ? one : []))
  const rows = sales.map(({ row }) => row)
  const sorted = rows.toSorted((a, b) => Number(a.digest > b.digest) - Number(a.digest < b.digest)) // unsorted, two groups deadlock on MySQL
  const inserted = await insertRows({ trx, into: 'deliveries', rows: sorted, existing: 'ignore' })
  const digests = [...new Set(rows.map(({ digest }) => digest))]
  const select = trx.selectFrom('deliveries').select(['id', 'digest', 'state', 'reason']).where('digest', 'in', digests)
  const stored = new Map((inserted === rows.length ? rows : await select.execute()).map((row) => [row.digest, row]))
  const isNew = ({ row }: NewDelivery): boolean => stored.get(row.digest)?.id === row.id
  await storeLines(
    trx,
    sales.filter(isNew).map(({ row, lines }) => ({ id: row.id, lines })),
  )
  for (const { digest, request, body } of rows) {
    if (request === null || stored.get(digest)?.reason !== 'row.unreadable') continue
    await trx.updateTable('deliveries').set({ request, body }).where('digest', '=', digest).execute()
  }
  return sales.map(({ row, holder }) => {
    const found = stored.get(row.digest)
    if (found === undefined) throw new Error(`delivery ${row.id} was not stored`)
    const { id, state } = found
    if (isKnown({ holder }) && holder?.id !== id) throw ROW_CHANGED // erased since its webhook-id was read
    return { row, holder, id, state, isNew: id === row.id }
  })
}

/** Whether a sale came under its webhook-id before. */
const isKnown = ({ holder }: Pick<Sale, 'holder'>): boolean => holder?.isNew === false

/** Starts what came again, and stores the webhook-ids under which it did for the first time. In the order of `sales`. */
async function processSales(context: TransactionContext, sales: readonly Sale[]): Promise<Change[]> {
  const again = sales.filter(({ isNew, row }) => !isNew && row.state === 'queued')
  const corrections = await readReplacements(
    context,
    again.flatMap(({ id, row }) => (row.source === 'shop' ? id : [])),
  )
  const startedBy = ({ id }: Sale): string => corrections.get(id) ?? id
  const retried = [...new Set(again.flatMap((sale) => (isKnown(sale) ? startedBy(sale) : [])))]
  const late = await readLateRetries(context, retried)
  const lateRetryOf = (sale: Sale) => (isKnown(sale) ? late.get(startedBy(sale)) : undefined)
  const whole = new Set(again.filter((sale) => lateRetryOf(sale) === undefined).map(startedBy))
  const ids = new Set(again.filter((sale) => lateRetryOf(sale)?.hasRest ?? true).map(startedBy))
  const lineOf = (line: Line, id: string): Line => (whole.has(id) ? asNew(line) : wantedAsNew(line))
  const started = await startAgain(context, { ids: [...ids], as: 'sale', lineOf })
  const startOf = new Map(started.map((one) => [one.id, one]))
  const untold = new Set(ids) // a group may have the same repeat twice
  const renamed = sales.filter(({ isNew, row, holder }) => !isNew && holder?.id === row.id)
  await giveToDeliveries(
    context,
    renamed.map(({ id, row }) => ({ id, webhookId: row.webhook_id ?? '' })),
  )
  return sales.map((sale) => {
    const { row } = sale
    const id = startedBy(sale)
    const retry = lateRetryOf(sale)
    const told = retry === undefined ? null : lateRetry(id, retry)
    if (told !== null) return told
    const { generation = row.generation, ended = [] } = startOf.get(id) ?? {}
    const progress = toProgress({ ...row, generation })
    const drafts = [...draftEvents({ ...sale, id, reason: progress.reason }), ...(untold.delete(id) ? ended : [])]
    return { id, progress, drafts: id === sale.id ? drafts : [...drafts, repeatedAs(sale.id, id)] }
  })
}

function draftEvents({
  id,
  isNew,
  row,
  state,
  reason,
}: Pick<Sale, 'id' | 'isNew' | 'row' | 'state'> & { reason: Reason | null }): EventDraft[] {
  const received = {
    deliveryId: id,
    kind: isNew ? 'received' : 'repeated',
    detail: ORIGIN[row.source](row),
  } as const
  // Of one that a person has corrected or handled since, it would be no news.
  if (row.state !== 'rejected' || state !== 'rejected') return [received]
  return [received, { deliveryId: id, kind: 'rejected', detail: describeOutcome({ courses: {}, reason }) }]
}

const ORIGIN = {
  shop: ({ form, webhook_id }) => `signed over: ${form}${webhook_id === null ? '' : `, webhook-id ${webhook_id}`}`,
  correction: () => 'a correction by an operator',
  test: () => 'a test sale by an operator',
} as const satisfies Record<Source, (row: DeliveryRow) => string>

/** So many courses of a payload that is refused are stored: it may be refused for their number. */
const MAX_REFUSED = 100

function newDelivery({ at, newId }: TransactionContext, webhook: VerifiedWebhook): NewDelivery {
  const { request, reason, body } = webhook
  const rejected = reason !== null
  const about = request ?? webhook.about ?? {}
  const { text, ...terms } = searchTermsOf({ about, body, webhookId: webhook.webhookId })
  const id = newId()
  const lines = newLines(request?.courseIds ?? about.courseIds?.slice(0, MAX_REFUSED) ?? [])
  const row: DeliveryRow = {
    id,
    digest: webhook.digest,
    webhook_id: webhook.webhookId ?? null,
    source: webhook.source ?? 'shop',
    form: webhook.form,
    state: rejected ? 'rejected' : 'queued',
    ...reasonColumns(reason),
    due_at: rejected ? null : at,
    attempts: 0,
    generation: 0,
    effect_unknown: 0,
    reads_first: 0,
    may_have_effect: 0,
    received_at: at,
    settled_at: rejected ? at : null,
    active_at: at,
    done_at: null,
    replayed_at: null,
    handled_as: null,
    last_event: 0,
    ...terms,
    course: lines[0]?.sent ?? null,
    course_count: lines.length,
    replaces: null,
    replaced_by: null,
    search_text: text,
    request: request === null ? null : JSON.stringify(request),
    ended_at: null,
    body,
  }
  return { row, lines }
}
