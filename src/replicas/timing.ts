/** How a replica shows the others that it is alive, and when they prune it: ms by the database's clock. */
export interface Timing {
  readonly heartbeatMs: number
  readonly deadAfterMs: number
}
export const TIMING: Timing = { heartbeatMs: 5000, deadAfterMs: 20_000 }
