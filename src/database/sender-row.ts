/** Webhooks from one network with one result. The table is small: see src/senders/store.ts. */
export interface SenderRow {
  /** See networkOf; '' stands for several networks. */
  address: string
  /** The code of a refusal; or `signed`, or `signed_previous`: signed with the current or the previous secret. */
  result: string
  first_at: number
  last_at: number
  count: number
}
