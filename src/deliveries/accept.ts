import { insertEvents, type Writing } from './events.ts'
import { readOutcome } from './rows.ts'
import type { DeliveryRow } from './schema.ts'
import type { Arrival, DeliveryEvent, Progress } from './types.ts'

const MAX_EMAIL = 254

export interface Accepted {
  readonly id: string
  readonly progress: Progress
  readonly events: readonly DeliveryEvent[]
}

/**
 * Stores what arrived, all in one transaction. A repeat (same digest) comes back to life on its own row with a new
 * schedule: someone may have been unenrolled in between. Answers in the order of `arrivals`.
 */
export async function accept(writing: Writing, arrivals: readonly Arrival[]): Promise<Accepted[]> {
  if (arrivals.length === 0) return []
  const { trx } = writing
  const rows = arrivals.map((arrival) => arrivalRow(writing, arrival))
  const sorted = [...rows].sort((a, b) => (a.digest < b.digest ? -1 : 1)) // unsorted, two groups deadlock on MySQL
  await trx.insertInto('deliveries').ignore().values(sorted).execute()
  const digests = [...new Set(sorted.map((row) => row.digest))]
  const stored = await trx.selectFrom('deliveries').select(['id', 'digest']).where('digest', 'in', digests).execute()
  const idOf = new Map(stored.map((row) => [row.digest, row.id]))
  const accepted = rows.map((row) => {
    const id = idOf.get(row.digest)
    if (id === undefined) throw new Error(`delivery ${row.id} was not stored`)
    return { id, isNew: id === row.id, row }
  })
  const repeats = accepted.filter(({ isNew, row }) => !isNew && row.state === 'waiting').map(({ id }) => id)
  if (repeats.length > 0) await revive(writing, [...new Set(repeats)].sort())
  const happened = accepted.map(({ id, isNew, row }) => {
    const came = { deliveryId: id, kind: isNew ? 'received' : 'repeated', detail: `signed over: ${row.form}` } as const
    const rejected = { deliveryId: id, kind: 'rejected', detail: row.outcome ?? '' } as const
    return row.state === 'rejected' ? [came, rejected] : [came]
  })
  const events = await insertEvents(writing, happened.flat())
  return accepted.map(({ id, row }, i) => ({
    id,
    progress: progressOf(row),
    events: events.splice(0, happened[i]?.length ?? 0),
  }))
}

/** A row that is being worked on keeps its owner and its outcome so far; a finished one begins anew. */
async function revive({ trx, at, me }: Writing, ids: readonly string[]): Promise<void> {
  const again = { state: 'waiting', due_at: at, attempts: 0, active_at: at } as const
  await trx.updateTable('deliveries').set(again).where('id', 'in', ids).where('state', '=', 'waiting').execute()
  await trx
    .updateTable('deliveries')
    .set({ ...again, owner: me, settled_at: null, outcome: null })
    .where('id', 'in', ids)
    .where('state', '!=', 'waiting')
    .execute()
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

const progressOf = (row: DeliveryRow): Progress => ({
  state: row.state,
  dueAt: row.due_at,
  outcome: row.outcome === null ? { courses: {}, reason: null } : readOutcome(row.outcome),
})
