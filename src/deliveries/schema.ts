import type { DeliveryState, EventKind } from './types.ts'

/** The tables as Kysely sees them; migrations.ts makes them. Times are milliseconds since 1970. */
export interface DeliveryRow {
  id: string
  digest: string
  state: DeliveryState
  owner: string | null
  due_at: number | null
  attempts: number
  received_at: number
  settled_at: number | null
  active_at: number
  email: string | null
  form: string
  body: Uint8Array
  request: string | null
  outcome: string | null
}

export interface EventRow {
  id: string
  delivery_id: string
  at: number
  kind: EventKind
  detail: string
  actor: string | null
}

/** Counts of one UTC day, so that no page has to scan the deliveries. */
export interface CounterRow {
  day: string
  name: string
  count: number
}

/** The services that share the database; `seen_at` is the time of the last heartbeat by the database's clock. */
export interface ReplicaRow {
  id: string
  seen_at: number
}

export interface MigrationRow {
  id: number
  oldest_code: number
  applied_at: number
}

export interface Tables {
  deliveries: DeliveryRow
  events: EventRow
  counters: CounterRow
  replicas: ReplicaRow
  migrations: MigrationRow
}
