/** The tables of bulk replays; see schema.ts. Times are milliseconds since 1970. */

/** An operator's order to replay what a filter finds. `came_to_*` is the position of the last row it looked at. */
export interface BulkReplayRow {
  id: string
  filter: string
  /** 1 if it includes deliveries that are enrolled or pre-enrolled. */
  enrolled: number
  actor: string
  started_at: number
  ended_at: number | null
  state: 'running' | 'done' | 'stopped'
  replayed: number
  total: number
  came_to_at: number
  came_to_id: string
}

/** A delivery that a bulk replay made due. It holds ids alone, and is deleted some time after them. */
export interface ReplayedDeliveryRow {
  replay_id: string
  delivery_id: string
}
