import { REASONS, type Reason, type ReasonCode, withSubject } from './reasons.ts'
import type { CourseResult, DeliveryState, EventKind, Outcome } from './types.ts'

/** The events that the shop gets: the kind of our own event, and the type that the shop sees. */
export const SHOP_EVENT_TYPES = {
  enrolled: 'delivery.enrolled',
  pre_enrolled: 'delivery.pre_enrolled',
  claimed: 'delivery.claimed',
  needs_attention: 'delivery.needs_attention',
  rejected: 'delivery.rejected',
  withdrawn: 'delivery.withdrawn',
} as const satisfies Partial<Record<EventKind, string>>

export type ShopEventKind = keyof typeof SHOP_EVENT_TYPES
export type ShopEventType = (typeof SHOP_EVENT_TYPES)[ShopEventKind]

/** Whether the shop gets an event of this kind. */
export const isShopEvent = (kind: EventKind): kind is ShopEventKind => Object.hasOwn(SHOP_EVENT_TYPES, kind)

/** The event that tells the shop of this state; null: there is none. */
export function eventOfState(state: DeliveryState): ShopEventKind | null {
  return state !== 'queued' && isShopEvent(state) ? state : null
}

/**
 * A delivery as the shop sees it, in events and in answers of the status endpoint. It names the buyer only by the
 * delivery's id.
 */
export interface ShopView {
  readonly id: string
  /** The webhook-id that the shop sent the sale with, if it signs by Standard Webhooks. */
  readonly webhookId: string | null
  readonly state: DeliveryState
  /** The true course keys that are done. `pre_enrolled`: the buyer is enrolled as soon as they have an active account. */
  readonly courses: readonly { readonly id: string; readonly result: 'enrolled' | 'pre_enrolled' }[]
  readonly reason: { readonly code: ReasonCode; readonly message: string } | null
  /** The delivery that this one corrects, and the one that corrects it. */
  readonly replaces: string | null
  readonly replacedBy: string | null
  /** Whether it is a test sale by an operator. */
  readonly test: boolean
}

interface Seen {
  readonly id: string
  readonly webhookId: string | null
  readonly state: DeliveryState
  readonly outcome: Outcome | null
  readonly replaces: string | null
  readonly replacedBy: string | null
  readonly isTest: boolean
}

/** What the shop may see of a delivery. Pure. */
export function shopView({ id, webhookId, state, outcome, replaces, replacedBy, isTest }: Seen): ShopView {
  const { courses, reason } = outcome ?? { courses: {}, reason: null }
  return {
    id,
    webhookId,
    state,
    courses: Object.entries(courses).map(([course, result]) => ({ id: course, result: RESULTS[result] })),
    reason: reason === null ? null : { code: reason.code, message: messageOf(reason) },
    replaces,
    replacedBy,
    test: isTest,
  }
}

const RESULTS = { enrolled: 'enrolled', allowed: 'pre_enrolled' } as const satisfies Record<CourseResult, string>

/** Without the texts of the LMS and of our own database, which may name people. */
function messageOf({ code, subject }: Reason): string {
  const { event, answer } = REASONS[code]
  return withSubject(event ?? answer.message, subject)
}
