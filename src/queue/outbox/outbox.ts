import type { Kysely } from 'kysely'
import type { DeliveryRow, EventRow, OutboxRow, Tables } from '../../database/schema.ts'
import { isShopEvent, SHOP_EVENT_TYPES, type ShopEventKind, type ShopView, shopView } from '../../sale/shop-view.ts'
import { toProgress } from '../rows.ts'

interface Reading {
  readonly trx: Pick<Kysely<Tables>, 'selectFrom'>
}

const COLUMNS = [
  'id',
  'webhook_id',
  'received_at',
  'state',
  'due_at',
  'outcome',
  'generation',
  'source',
  'replaces',
  'replaced_by',
] as const
type Row = Pick<DeliveryRow, (typeof COLUMNS)[number]>

/**
 * Stores the events for the shop that these events cause, in their transaction and after the changes of the deliveries,
 * so that exactly what is committed is sent. A delivery that is queued again has none: the sale came again during the
 * attempt, and the next attempt has the result.
 */
export async function insertShopEvents(
  context: { readonly trx: Kysely<Tables>; readonly at: number },
  events: readonly Pick<EventRow, 'id' | 'delivery_id' | 'kind' | 'seq'>[],
): Promise<void> {
  const told = events.flatMap(({ kind, ...event }) => (isShopEvent(kind) ? [{ ...event, kind }] : []))
  const rows = await readRows(
    context,
    told.map((event) => event.delivery_id),
  )
  const drafts = told.flatMap(({ id, seq, delivery_id, kind }) => {
    const row = rows.get(delivery_id)
    return row === undefined || row.state === 'queued' ? [] : [outboxRow({ id, seq, kind, at: context.at, row })]
  })
  if (drafts.length > 0) await context.trx.insertInto('outbox').values(drafts).execute()
}

/** What the shop sees of these deliveries, by id. Those that don't exist are left out. */
export async function readShopViews(context: Reading, ids: readonly string[]): Promise<ReadonlyMap<string, ShopView>> {
  const rows = await readRows(context, ids)
  return new Map([...rows].map(([id, row]) => [id, viewOf(row)]))
}

/** A new row of the outbox that is due at once. `seq`: see nextNumbers. `at`: ms since 1970. */
export function outboxRow(of: { id: string; seq: number; kind: ShopEventKind; at: number; row: Row }): OutboxRow {
  const { id, seq, kind, at, row } = of
  const type = SHOP_EVENT_TYPES[kind]
  const sinceSale =
    kind === 'claimed' ? { secondsSinceSale: Math.max(0, Math.floor((at - row.received_at) / 1000)) } : {}
  return {
    id,
    delivery_id: row.id,
    type,
    body: JSON.stringify({
      type,
      timestamp: new Date(at).toISOString(),
      sequence: seq,
      data: { ...viewOf(row), ...sinceSale },
    }),
    created_at: at,
    due_at: at,
    attempts: 0,
    owner: null,
    failed_at: null,
    error: null,
    seq,
  }
}

/** The rows of these deliveries, as far as the shop may see them, by id. */
export async function readRows({ trx }: Reading, ids: readonly string[]): Promise<ReadonlyMap<string, Row>> {
  const wanted = [...new Set(ids)]
  if (wanted.length === 0) return new Map()
  const rows = await trx.selectFrom('deliveries').select(COLUMNS).where('id', 'in', wanted).execute()
  return new Map(rows.map((row) => [row.id, row]))
}

const viewOf = (row: Row): ShopView =>
  shopView({
    id: row.id,
    webhookId: row.webhook_id,
    state: row.state,
    outcome: row.outcome === null ? null : toProgress(row).outcome,
    replaces: row.replaces,
    replacedBy: row.replaced_by,
    isTest: row.source === 'test',
  })
