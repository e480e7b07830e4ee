import { inChunks } from '../database/chunks.ts'
import type { DeliveryRow } from '../database/schema.ts'
import { describeOutcome } from '../delivery/describe.ts'
import type { Arrival, Outcome } from '../delivery/types.ts'
import type { Change, EventDraft, TransactionContext } from './events.ts'
import { toProgress } from './rows.ts'
import { insertFurtherCourses, searchTermsOf, touchFurtherCourses } from './search-terms.ts'

interface Accepted {
  readonly id: string
  readonly isNew: boolean
  readonly row: DeliveryRow
  readonly courses: readonly string[]
}

/**
 * Stores what arrived, all in one transaction. A repeat (same digest) is processed from the beginning, on its own row,
 * with a new schedule and without the results so far: the person may have been unenrolled since. Its generation keeps
 * an attempt that is under way from answering it. Answers in the order of `arrivals`.
 */
export async function accept(writing: TransactionContext, arrivals: readonly Arrival[]): Promise<Change[]> {
  if (arrivals.length === 0) return []
  const { trx } = writing
  const coming = arrivals.map((arrival) => arrivalRow(writing, arrival))
  const sorted = coming.map(({ row }) => row).sort((a, b) => (a.digest < b.digest ? -1 : 1)) // unsorted, two groups deadlock on MySQL
  for (const part of inChunks(sorted, sizeOf)) await trx.insertInto('deliveries').ignore().values(part).execute()
  const digests = [...new Set(sorted.map((row) => row.digest))]
  const stored = await trx.selectFrom('deliveries').select(['id', 'digest']).where('digest', 'in', digests).execute()
  const idOf = new Map(stored.map((row) => [row.digest, row.id]))
  const accepted = coming.map(({ row, courses }): Accepted => {
    const id = idOf.get(row.digest)
    if (id === undefined) throw new Error(`delivery ${row.id} was not stored`)
    return { id, isNew: id === row.id, row, courses }
  })
  await insertFurtherCourses(
    writing,
    accepted.flatMap(({ id, isNew, courses }) => (isNew ? [{ id, activeAt: writing.at, courses }] : [])),
  )
  const repeats = accepted.filter(({ isNew, row }) => !isNew && row.state === 'waiting')
  const revived = await revive(writing, new Map(repeats.map((one) => [one.id, one])))
  return accepted.map(({ id, isNew, row }) => {
    const { owner, generation } = revived.get(id) ?? { owner: isNew ? row.owner : null, generation: row.generation }
    const progress = toProgress({ ...row, generation })
    return { id, progress, owner, happened: happenedTo({ id, isNew, row, outcome: progress.outcome }) }
  })
}

function happenedTo({ id, isNew, row, outcome }: Omit<Accepted, 'courses'> & { outcome: Outcome }): EventDraft[] {
  const came = { deliveryId: id, kind: isNew ? 'received' : 'repeated', detail: `signed over: ${row.form}` } as const
  if (row.state !== 'rejected') return [came]
  return [came, { deliveryId: id, kind: 'rejected', detail: describeOutcome(outcome) }]
}

const sizeOf = ({ body, request, outcome }: DeliveryRow): number =>
  body.length + (request?.length ?? 0) + (outcome?.length ?? 0)

type Revived = Pick<DeliveryRow, 'owner' | 'generation'>

/** A queued row keeps its owner, which may have it in an attempt; a finished one becomes ours. */
async function revive(
  writing: TransactionContext,
  repeats: ReadonlyMap<string, Accepted>,
): Promise<Map<string, Revived>> {
  const ids = [...repeats.keys()].sort()
  if (ids.length === 0) return new Map()
  const { trx, at, me } = writing
  const again = { state: 'waiting', due_at: at, attempts: 0, active_at: at, outcome: null } as const
  await trx
    .updateTable('deliveries')
    .set((eb) => ({ ...again, generation: eb('generation', '+', 1) }))
    .where('id', 'in', ids)
    .where('state', '=', 'waiting')
    .execute()
  await trx
    .updateTable('deliveries')
    .set((eb) => ({ ...again, owner: me, settled_at: null, generation: eb('generation', '+', 1) }))
    .where('id', 'in', ids)
    .where('state', '!=', 'waiting')
    .execute()
  await touchFurtherCourses(writing, ids)
  const rows = await trx
    .selectFrom('deliveries')
    .select((eb) => ['id', 'owner', 'generation', eb('request', 'is', null).as('empty')])
    .where('id', 'in', ids)
    .execute()
  for (const { id, empty } of rows) if (empty) await rewrite(writing, repeats.get(id))
  return new Map(rows.map(({ id, owner, generation }) => [id, { owner, generation }]))
}

/** One that older code rejected, with its stricter rules, now has a request. */
async function rewrite(writing: TransactionContext, repeat: Accepted | undefined): Promise<void> {
  if (repeat === undefined) return
  const { id, row, courses } = repeat
  const { email, form, body, request, username, course } = row
  await writing.trx
    .updateTable('deliveries')
    .set({ email, form, body, request, username, course })
    .where('id', '=', id)
    .execute()
  await insertFurtherCourses(writing, [{ id, activeAt: writing.at, courses }])
}

function arrivalRow({ at, me, newId }: TransactionContext, arrival: Arrival): Pick<Accepted, 'row' | 'courses'> {
  const rejected = arrival.reason !== null
  const { email, username, courses } = searchTermsOf(arrival.request ?? arrival.about ?? {})
  const row: DeliveryRow = {
    id: newId(),
    digest: arrival.digest,
    state: rejected ? 'rejected' : 'waiting',
    owner: rejected ? null : me,
    due_at: rejected ? null : at,
    attempts: 0,
    received_at: at,
    settled_at: rejected ? at : null,
    active_at: at,
    email,
    form: arrival.form,
    body: arrival.body,
    request: arrival.request === null ? null : JSON.stringify(arrival.request),
    outcome: rejected ? JSON.stringify({ courses: {}, reason: arrival.reason }) : null,
    username,
    course: courses[0] ?? null,
    enrolled_at: null,
    replayed_at: null,
    generation: 0,
    effect_unknown: 0,
  }
  return { row, courses }
}
