/** How often a replica sends a heartbeat, and after how long a silence the others prune it: ms. */
export interface Timing {
  readonly heartbeatMs: number
  readonly deadAfterMs: number
}
export const TIMING: Timing = { heartbeatMs: 5000, deadAfterMs: 20_000 }
