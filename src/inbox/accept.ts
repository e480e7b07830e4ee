import { inChunks } from '../database/chunks.ts'
import type { DeliveryRow } from '../database/schema.ts'
import { describeOutcome } from '../delivery/describe.ts'
import type { Outcome, Source, VerifiedWebhook } from '../delivery/types.ts'
import type { Change, EventDraft, TransactionContext } from './events.ts'
import { toProgress } from './rows.ts'
import { insertFurtherCourses, searchTermsOf, touchFurtherCourses } from './search-terms.ts'

interface Accepted {
  readonly id: string
  readonly isNew: boolean
  readonly row: DeliveryRow
  readonly courses: readonly string[]
}

/** `me`: the replica that is to attempt the deliveries; null: any of them. */
type AcceptContext = Omit<TransactionContext, 'me'> & { readonly me: string | null }

/**
 * Stores verified webhooks, all in one transaction. A repeat (same digest) is processed from the beginning on its own
 * row, with a new schedule and without earlier results, because the person may have been unenrolled since. Its new
 * generation prevents an attempt in progress from answering it. Results are in the order of `webhooks`.
 */
export async function accept(context: AcceptContext, webhooks: readonly VerifiedWebhook[]): Promise<Change[]> {
  if (webhooks.length === 0) return []
  const { trx } = context
  const candidates = webhooks.map((webhook) => newRow(context, webhook))
  const sorted = candidates.map(({ row }) => row).sort((a, b) => (a.digest < b.digest ? -1 : 1)) // unsorted, two groups deadlock on MySQL
  for (const chunk of inChunks(sorted, sizeOf)) await trx.insertInto('deliveries').ignore().values(chunk).execute()
  const digests = [...new Set(sorted.map((row) => row.digest))]
  const stored = await trx.selectFrom('deliveries').select(['id', 'digest']).where('digest', 'in', digests).execute()
  const idOf = new Map(stored.map((row) => [row.digest, row.id]))
  const accepted = candidates.map(({ row, courses }): Accepted => {
    const id = idOf.get(row.digest)
    if (id === undefined) throw new Error(`delivery ${row.id} was not stored`)
    return { id, isNew: id === row.id, row, courses }
  })
  await insertFurtherCourses(
    context,
    accepted.flatMap(({ id, isNew, courses }) => (isNew ? [{ id, activeAt: context.at, courses }] : [])),
  )
  const repeats = accepted.filter(({ isNew, row }) => !isNew && row.state === 'queued')
  const requeued = await requeue(context, new Map(repeats.map((one) => [one.id, one])))
  return accepted.map(({ id, isNew, row }) => {
    const { owner, generation } = requeued.get(id) ?? { owner: isNew ? row.owner : null, generation: row.generation }
    const progress = toProgress({ ...row, generation })
    return { id, progress, owner, drafts: draftEvents({ id, isNew, row, outcome: progress.outcome }) }
  })
}

function draftEvents({ id, isNew, row, outcome }: Omit<Accepted, 'courses'> & { outcome: Outcome }): EventDraft[] {
  const test = row.source === 'test' ? ({ isTest: true } as const) : {}
  const received = {
    deliveryId: id,
    kind: isNew ? 'received' : 'repeated',
    detail: ORIGIN[row.source](row.form),
    ...test,
  } as const
  if (row.state !== 'rejected') return [received]
  return [received, { deliveryId: id, kind: 'rejected', detail: describeOutcome(outcome), ...test }]
}

const ORIGIN = {
  shop: (form) => `signed over: ${form}`,
  correction: () => 'a correction by an operator',
  test: () => 'a test sale by an operator',
} as const satisfies Record<Source, (form: string) => string>

const sizeOf = ({ body, request, outcome }: DeliveryRow): number =>
  body.length + (request?.length ?? 0) + (outcome?.length ?? 0)

type Requeued = Pick<DeliveryRow, 'owner' | 'generation'>

/** A queued row keeps its owner, which may be attempting it. A finished one becomes ours. */
async function requeue(context: AcceptContext, repeats: ReadonlyMap<string, Accepted>): Promise<Map<string, Requeued>> {
  const ids = [...repeats.keys()].sort()
  if (ids.length === 0) return new Map()
  const { trx, at, me } = context
  const again = { state: 'queued', due_at: at, attempts: 0, active_at: at, outcome: null, standings: null } as const
  await trx
    .updateTable('deliveries')
    .set((eb) => ({ ...again, generation: eb('generation', '+', 1) }))
    .where('id', 'in', ids)
    .where('state', '=', 'queued')
    .execute()
  await trx
    .updateTable('deliveries')
    .set((eb) => ({ ...again, owner: me, settled_at: null, generation: eb('generation', '+', 1) }))
    .where('id', 'in', ids)
    .where('state', '!=', 'queued')
    .execute()
  await touchFurtherCourses(context, ids)
  const rows = await trx
    .selectFrom('deliveries')
    .select((eb) => ['id', 'owner', 'generation', eb('request', 'is', null).as('empty')])
    .where('id', 'in', ids)
    .execute()
  for (const { id, empty } of rows) if (empty) await storeRequest(context, repeats.get(id))
  return new Map(rows.map(({ id, owner, generation }) => [id, { owner, generation }]))
}

/** For a delivery that older code rejected by stricter rules: now it has a request. */
async function storeRequest(context: AcceptContext, repeat: Accepted | undefined): Promise<void> {
  if (repeat === undefined) return
  const { id, row, courses } = repeat
  const { email, form, body, request, username, course } = row
  await context.trx
    .updateTable('deliveries')
    .set({ email, form, body, request, username, course })
    .where('id', '=', id)
    .execute()
  await insertFurtherCourses(context, [{ id, activeAt: context.at, courses }])
}

function newRow({ at, me, newId }: AcceptContext, webhook: VerifiedWebhook): Pick<Accepted, 'row' | 'courses'> {
  const rejected = webhook.reason !== null
  const { email, username, courses } = searchTermsOf(webhook.request ?? webhook.about ?? {})
  const row: DeliveryRow = {
    id: newId(),
    digest: webhook.digest,
    state: rejected ? 'rejected' : 'queued',
    owner: rejected ? null : me,
    due_at: rejected ? null : at,
    attempts: 0,
    received_at: at,
    settled_at: rejected ? at : null,
    active_at: at,
    email,
    form: webhook.form,
    body: webhook.body,
    request: webhook.request === null ? null : JSON.stringify(webhook.request),
    outcome: rejected ? JSON.stringify({ courses: {}, reason: webhook.reason }) : null,
    username,
    course: courses[0] ?? null,
    enrolled_at: null,
    replayed_at: null,
    generation: 0,
    effect_unknown: 0,
    standings: null,
    source: webhook.source ?? 'shop',
    replaces: null,
    replaced_by: null,
  }
  return { row, courses }
}
