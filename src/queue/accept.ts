import type { DeliveryRow } from '../database/schema.ts'
import { insertRows, type TransactionContext } from '../database/transaction.ts'
import type { Outcome, Source, VerifiedWebhook } from '../sale/types.ts'
import { describeOutcome } from '../sale/words.ts'
import { startAgain } from './change-deliveries.ts'
import type { Change, EventDraft } from './events.ts'
import { type Accepted, idReused, NONE_KNOWN, readKnown, readResults, storeWebhookIds } from './known.ts'
import { readLateRetries } from './late-retries.ts'
import { NO_ACCOUNTS, NO_STANDINGS, outcomeColumns, toProgress } from './rows.ts'
import { searchTermsOf } from './search-terms.ts'
import { blockRefundIds, exceptTaken, storeFurtherIds } from './webhook-ids.ts'

/** `home`: the replica that is to attempt the deliveries; '' if it is none. */
type AcceptContext = TransactionContext & { readonly home: string }

/**
 * Stores verified webhooks, all in one transaction. A repeat (same digest) is processed from the beginning on its own
 * row, with a new schedule and without earlier results, because the person may have been unenrolled since, unless it is
 * a retry that came after the sale was withdrawn (see readLateRetries). Its new generation prevents an attempt in
 * progress from answering it. Another body under a known webhook-id changes nothing and
 * gets the result of the sale that has the id (decision 23). Results are in the order of `webhooks`.
 */
export async function accept(context: AcceptContext, webhooks: readonly VerifiedWebhook[]): Promise<Change[]> {
  const changes: Change[] = []
  for (const part of partsOf(webhooks))
    changes.push(...(await exceptTaken(context, part, (sales) => acceptPart(context, sales))))
  return changes
}

/** Ends a part before a webhook-id comes with a second body, so that the body that came first is the one that is stored. */
function partsOf(webhooks: readonly VerifiedWebhook[]): VerifiedWebhook[][] {
  const parts: VerifiedWebhook[][] = []
  let part: VerifiedWebhook[] = []
  let digests = new Map<string, string>()
  for (const webhook of webhooks) {
    const { webhookId, digest } = webhook
    const isReused = webhookId !== undefined && (digests.get(webhookId) ?? digest) !== digest
    if (parts.length === 0 || isReused) {
      part = []
      parts.push(part)
      digests = new Map()
    }
    part.push(webhook)
    if (webhookId !== undefined) digests.set(webhookId, digest)
  }
  return parts
}

async function acceptPart(context: AcceptContext, webhooks: readonly VerifiedWebhook[]): Promise<Change[]> {
  const { trx } = context
  const candidates = webhooks.map((webhook) => newRow(context, webhook))
  const sorted = candidates.toSorted((a, b) => Number(a.digest > b.digest) - Number(a.digest < b.digest)) // unsorted, two groups deadlock on MySQL
  const inserted = await insertRows({ trx, into: 'deliveries', rows: sorted, ignore: true })
  const known = inserted === sorted.length ? NONE_KNOWN : await readKnown(context, sorted)
  const accepted = candidates.map((row): Accepted => {
    const id = known.idOf(row)
    return { id, isNew: id === row.id, row }
  })
  const ours = accepted.filter(({ row }) => !known.isReused(row))
  const again = ours.filter(({ isNew, row }) => !isNew && row.state === 'queued')
  const late = await readLateRetries(context, again)
  const withdrawnOf = ({ webhook_id }: DeliveryRow) => (webhook_id === null ? undefined : late.get(webhook_id))
  await storeWebhookIds(context, ours)
  await storeFurtherIds(
    context,
    ours.filter(({ row }) => known.isRenamed(row)),
  )
  await blockRefundIds(context, webhooks)
  const requeued = await requeue(
    context,
    again.flatMap(({ id, row }) => (withdrawnOf(row) === undefined ? id : [])),
  )
  const results = await readResults(
    context,
    accepted.flatMap(({ id, row }) => (known.isReused(row) ? id : [])),
  )
  return accepted.map(({ id, isNew, row }) => {
    const result = known.isReused(row) ? results.get(id) : undefined
    if (result !== undefined) return { id, ...result, drafts: [idReused(id, row.webhook_id ?? '')] }
    const withdrawn = withdrawnOf(row)
    if (!isNew && withdrawn !== undefined) return lateRetry(id, withdrawn)
    const progress = toProgress({ ...row, generation: requeued.get(id) ?? row.generation })
    return { id, progress, drafts: draftEvents({ id, isNew, row, outcome: progress.outcome }) }
  })
}

/** A retry that came after its sale was withdrawn starts nothing. */
const lateRetry = (id: string, withdrawnCourse: string): Change => ({
  id,
  withdrawnCourse,
  progress: { state: 'withdrawn', outcome: { courses: {}, reason: null }, dueAt: null, generation: 0 },
  drafts: [{ deliveryId: id, kind: 'repeated', detail: `a late retry; ${withdrawnCourse} was withdrawn` }],
})

function draftEvents({ id, isNew, row, outcome }: Accepted & { outcome: Outcome }): EventDraft[] {
  const received = {
    deliveryId: id,
    kind: isNew ? 'received' : 'repeated',
    detail: ORIGIN[row.source](row),
  } as const
  if (row.state !== 'rejected') return [received]
  return [received, { deliveryId: id, kind: 'rejected', detail: describeOutcome(outcome) }]
}

const ORIGIN = {
  shop: ({ form, webhook_id }) => `signed over: ${form}${webhook_id === null ? '' : `, webhook-id ${webhook_id}`}`,
  correction: () => 'a correction by an operator',
  test: () => 'a test sale by an operator',
} as const satisfies Record<Source, (row: DeliveryRow) => string>

/** Resolves to the new generations. */
async function requeue(context: AcceptContext, repeats: readonly string[]): Promise<Map<string, number>> {
  const ids = [...new Set(repeats)]
  if (ids.length === 0) return new Map()
  const { trx, home } = context
  await startAgain(context, { ids, isReplay: false, home })
  const rows = await trx.selectFrom('deliveries').select(['id', 'generation']).where('id', 'in', ids).execute()
  return new Map(rows.map(({ id, generation }) => [id, generation]))
}

function newRow({ at, home, newId }: AcceptContext, webhook: VerifiedWebhook): DeliveryRow {
  const { request, reason, body } = webhook
  const rejected = reason !== null
  const { text, ...terms } = searchTermsOf({
    about: request ?? webhook.about ?? {},
    body,
    webhookId: webhook.webhookId,
  })
  return {
    id: newId(),
    digest: webhook.digest,
    webhook_id: webhook.webhookId ?? null,
    source: webhook.source ?? 'shop',
    form: webhook.form,
    state: rejected ? 'rejected' : 'queued',
    ...outcomeColumns(rejected ? { courses: {}, reason } : null),
    home,
    due_at: rejected ? null : at,
    attempts: 0,
    generation: 0,
    effect_unknown: 0,
    received_at: at,
    settled_at: rejected ? at : null,
    active_at: at,
    enrolled_at: null,
    replayed_at: null,
    lands_until: null,
    last_event: 0,
    ...terms,
    replaces: null,
    replaced_by: null,
    search_text: text,
    request: request === null ? null : JSON.stringify(request),
    ...NO_STANDINGS,
    ...NO_ACCOUNTS,
    achievements: null,
    body,
  }
}
