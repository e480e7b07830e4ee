import type { Change, Happened, Writing } from './events.ts'
import { inParts } from './parts.ts'
import { toProgress } from './rows.ts'
import type { DeliveryRow } from './schema.ts'
import type { Arrival } from './types.ts'

const MAX_EMAIL = 254

/**
 * Stores what arrived, all in one transaction. A repeat (same digest) comes back to life on its own row with a new
 * schedule: someone may have been unenrolled in between. Answers in the order of `arrivals`.
 */
export async function accept(writing: Writing, arrivals: readonly Arrival[]): Promise<Change[]> {
  if (arrivals.length === 0) return []
  const { trx } = writing
  const rows = arrivals.map((arrival) => arrivalRow(writing, arrival))
  const sorted = [...rows].sort((a, b) => (a.digest < b.digest ? -1 : 1)) // unsorted, two groups deadlock on MySQL
  for (const part of inParts(sorted, sizeOf)) await trx.insertInto('deliveries').ignore().values(part).execute()
  const digests = [...new Set(sorted.map((row) => row.digest))]
  const stored = await trx.selectFrom('deliveries').select(['id', 'digest']).where('digest', 'in', digests).execute()
  const idOf = new Map(stored.map((row) => [row.digest, row.id]))
  const accepted = rows.map((row) => {
    const id = idOf.get(row.digest)
    if (id === undefined) throw new Error(`delivery ${row.id} was not stored`)
    return { id, isNew: id === row.id, row }
  })
  const repeats = accepted.filter(({ isNew, row }) => !isNew && row.state === 'waiting').map(({ id }) => id)
  const ownerOf = await revive(writing, [...new Set(repeats)].sort())
  return accepted.map(({ id, isNew, row }) => ({
    id,
    progress: toProgress(row),
    owner: ownerOf.get(id) ?? (isNew ? row.owner : null),
    happened: happenedTo({ id, isNew, row }),
  }))
}

function happenedTo({ id, isNew, row }: { id: string; isNew: boolean; row: DeliveryRow }): Happened[] {
  const came = { deliveryId: id, kind: isNew ? 'received' : 'repeated', detail: `signed over: ${row.form}` } as const
  if (row.state !== 'rejected') return [came]
  return [came, { deliveryId: id, kind: 'rejected', detail: row.outcome ?? '' }]
}

const sizeOf = ({ body, request, outcome }: DeliveryRow): number =>
  body.length + (request?.length ?? 0) + (outcome?.length ?? 0)

/**
 * A row that is being worked on keeps its owner and its outcome so far; a finished one begins anew. Gives the owners.
 */
async function revive({ trx, at, me }: Writing, ids: readonly string[]): Promise<Map<string, string | null>> {
  if (ids.length === 0) return new Map()
  const again = { state: 'waiting', due_at: at, attempts: 0, active_at: at } as const
  await trx.updateTable('deliveries').set(again).where('id', 'in', ids).where('state', '=', 'waiting').execute()
  await trx
    .updateTable('deliveries')
    .set({ ...again, owner: me, settled_at: null, outcome: null })
    .where('id', 'in', ids)
    .where('state', '!=', 'waiting')
    .execute()
  const rows = await trx.selectFrom('deliveries').select(['id', 'owner']).where('id', 'in', ids).execute()
  return new Map(rows.map(({ id, owner }) => [id, owner]))
}

function arrivalRow({ at, me, newId }: Writing, arrival: Arrival): DeliveryRow {
  const rejected = arrival.reason !== null
  return {
    id: newId(),
    digest: arrival.digest,
    state: rejected ? 'rejected' : 'waiting',
    owner: rejected ? null : me,
    due_at: rejected ? null : at,
    attempts: 0,
    received_at: at,
    settled_at: rejected ? at : null,
    active_at: at,
    // Lower-casing can lengthen a text ("İ"), and MySQL cuts what is too long without a word.
    email: arrival.request?.email.toLowerCase().slice(0, MAX_EMAIL) ?? null,
    form: arrival.form,
    body: arrival.body,
    request: arrival.request === null ? null : JSON.stringify(arrival.request),
    outcome: rejected ? JSON.stringify({ courses: {}, reason: arrival.reason }) : null,
  }
}
