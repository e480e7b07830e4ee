import { z } from 'zod'
import type { EventKind } from './types.ts'

/** The events that record a request of the shop. */
export const ANSWERED_EVENTS = [
  'received',
  'repeated',
  'id_reused',
  'withdrawal_requested',
] as const satisfies readonly EventKind[]

/** What these requests were, for readers. */
export const REQUEST_WORDS = {
  received: 'the sale',
  repeated: 'the sale again',
  id_reused: 'another sale under its webhook-id',
  withdrawal_requested: 'a refund',
} as const satisfies Record<(typeof ANSWERED_EVENTS)[number], string>

const answerSchema = z.object({
  at: z.number(),
  status: z.number().nullable(),
  ms: z.number(),
})

/**
 * What the shop was answered. `status`: of HTTP, or null if the sender hung up before the answer. `at`: when it was sent,
 * or when the sender hung up, in ms since 1970. `ms`: how long that was after the request.
 */
export type ShopAnswer = Readonly<z.infer<typeof answerSchema>>

/** An answer and the event of the request that it answers. */
export interface GivenAnswer extends ShopAnswer {
  readonly to: (typeof ANSWERED_EVENTS)[number]
}

/** The first and the last answers about a delivery, oldest first. `omitted`: how many between them are left out. */
export interface GivenAnswers {
  readonly first: readonly GivenAnswer[]
  readonly omitted: number
  readonly last: readonly GivenAnswer[]
}

/** An event that is stored. */
export interface EventPlace {
  readonly deliveryId: string
  readonly id: string
}

/** Writes an answer for the event of its request. */
export const writeShopAnswer = ({ at, status, ms }: ShopAnswer): string => JSON.stringify({ at, status, ms })

/** Reads what writeShopAnswer wrote; null if it can't be read. */
export function readShopAnswer(text: string | null): ShopAnswer | null {
  try {
    return text === null ? null : answerSchema.parse(JSON.parse(text))
  } catch {
    return null
  }
}
