/** How often a replica sends a heartbeat, and after how long a silence the others prune it: ms. */
export interface Timing {
  readonly heartbeatMs: number
  readonly deadAfterMs: number
  /**
   * For how long the LMS may still carry out a call that was cut, given up, or made by a process that died. The transport
   * keeps the slot of such a call for as long (see KEEP_SLOT_MS there).
   */
  readonly landsMs: number
}
export const TIMING: Timing = { heartbeatMs: 5000, deadAfterMs: 20_000, landsMs: 60_000 }
