import type { ReplicaRow } from '../../database/schema.ts'

/**
 * Tells who is silent by this process's monotonic clock alone: a replica is alive as long as the value of its heartbeat
 * changes, whatever the value is. So no clock is compared with another one, and none that is set makes a living replica
 * look dead. A time in which this process didn't look, because it or the database stood still, tells nothing of the
 * others, who may have stood still with it: then it starts anew.
 * @param of.forMs how long a heartbeat has to be unchanged
 * @param of.clock the monotonic clock, ms
 */
export function createSilenceWatch({ forMs, clock }: { forMs: number; clock: () => number }) {
  let seen = new Map<string, { readonly value: number; readonly since: number }>()
  let lookedAt = Number.NEGATIVE_INFINITY
  return {
    /** Call it with the rows as they are now. Returns those that have shown no new heartbeat for the whole time. */
    silent: (rows: readonly ReplicaRow[]): ReplicaRow[] => {
      const at = clock()
      const before = at - lookedAt > forMs / 2 ? null : seen
      lookedAt = at
      seen = new Map(
        rows.map(({ id, seen_at: value }) => {
          const known = before?.get(id)
          return [id, known?.value === value ? known : { value, since: at }]
        }),
      )
      return rows.filter(({ id }) => at - (seen.get(id)?.since ?? at) >= forMs)
    },
  }
}
