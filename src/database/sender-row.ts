/** Webhooks from one network with one result. The table is small: see src/shop/senders/senders.ts. */
export interface SenderRow {
  /** See networkOf; '' stands for several networks. */
  address: string
  /**
   * The code of a refusal; or of a webhook with a valid signature: `signed` or `signed_previous`, with the current or the
   * previous secret, and `id_reused`, a sale under the webhook-id of another one (of all networks).
   */
  result: string
  first_at: number
  last_at: number
  count: number
}
