import type { Db } from '../../database/schema.ts'
import { lockDelivery } from '../change-deliveries.ts'
import { auditedChange, type EventDraft, nextPlaces, type WriteContext } from '../events.ts'
import { resumeEndpoint } from './endpoint.ts'
import { eventOf, learnerEvents, outboxRow, readRows } from './outbox.ts'

/** How many events one order revives. The rest is left for the next order. */
const FAILED_MAX = 1000

/**
 * The result of an order for one delivery.
 * - `sent`: an event with its state now is stored, under a new id.
 * - `nothing`: no event tells of its state: it is queued, or an operator has handled it.
 */
export type SentAgain = { readonly kind: 'sent' | 'nothing' | 'unknown' }

/**
 * Tells the shop the state of a delivery again, as it is now, in a new event, and what the buyer has achieved in each
 * course, in one event each. The events that the shop has missed are not repeated: they would tell of states that are
 * over. Also ends a stop after a 410.
 */
export async function sendAgain(context: WriteContext, { id, by }: { id: string; by: string }): Promise<SentAgain> {
  return auditedChange<SentAgain>(context, async (writing) => {
    const { trx, at, newId } = writing
    await lockDelivery(writing, id)
    const row = (await readRows(writing, [id])).get(id)
    if (row === undefined) return { result: { kind: 'unknown' }, listed: [] }
    const kind = eventOf(row)
    if (kind === null) return { result: { kind: 'nothing' }, listed: [] }
    const told = [{ kind, detail: '' }, ...learnerEvents(row)]
    const places = await nextPlaces(
      trx,
      told.map(() => id),
    )
    const rows = told.map((event, n) => outboxRow({ id: newId(), seq: places[n]?.number ?? 0, ...event, at, row }))
    await trx.insertInto('outbox').values(rows).execute()
    await resumeEndpoint(trx, { at })
    const event: EventDraft = { deliveryId: id, kind: 'sent_again', detail: `as ${row.state}`, actor: by }
    return { result: { kind: 'sent' }, listed: [event] }
  })
}

/**
 * Sends the events again that were given up, at most 1,000, for three more days, and everything that waits for the
 * endpoint: also ends a stop after a 410, and the wait for the next probe. Resolves to the number of events that were
 * given up.
 */
export async function sendFailedAgain(
  context: WriteContext,
  { by }: { by: string },
): Promise<{ readonly events: number }> {
  return auditedChange(context, async (writing) => {
    const { trx, at } = writing
    const waiting = await countUnsent(trx, 'waiting')
    const rows = await trx
      .selectFrom('outbox')
      .select('id')
      .where('failed_at', 'is not', null)
      .orderBy('id')
      .limit(FAILED_MAX)
      .execute()
    const ids = rows.map(({ id }) => id)
    if (ids.length > 0) {
      await trx
        .updateTable('outbox')
        .set({ failed_at: null, due_at: at, attempts: 0 })
        .where('id', 'in', ids)
        .where('failed_at', 'is not', null)
        .execute()
    }
    await resumeEndpoint(trx, { at })
    const detail = `events that waited: ${waiting}, given up before: ${ids.length}`
    return { result: { events: ids.length }, listed: [{ deliveryId: '', kind: 'sent_again', detail, actor: by }] }
  })
}

/** Counting stops here, so that it reads at most this many entries of an index. */
export const UNSENT_MAX = 10_000

/** How many events wait, or were given up: at most UNSENT_MAX. */
export async function countUnsent(db: Db, which: 'waiting' | 'failed'): Promise<number> {
  const is = which === 'waiting' ? 'is' : 'is not'
  const some = db.selectFrom('outbox').select('id').where('failed_at', is, null).limit(UNSENT_MAX).as('some')
  const { count } = await db
    .selectFrom(some)
    .select((eb) => eb.fn.countAll().as('count'))
    .executeTakeFirstOrThrow()
  return Number(count)
}
