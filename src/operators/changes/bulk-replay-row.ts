import type { BulkReplayRow } from '../../database/schema.ts'
import { filterSchema } from '../find/filter.ts'
import type { BulkReplay } from './operations.ts'

/** Converts a stored bulk replay. Throws ZodError for a filter that a newer version stored. */
export function bulkReplayOf({ filter, actor, ...row }: BulkReplayRow): BulkReplay {
  return {
    id: row.id,
    filter: filterSchema.parse(JSON.parse(filter)),
    enrolled: row.enrolled !== 0,
    by: actor,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    state: row.state,
    replayed: row.replayed,
    total: row.total,
    reachedAt: row.came_to_at,
  }
}
