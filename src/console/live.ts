/** How the LMS stands to this replica; ms since 1970. Its words come from the link that watches every call. */
export type BreakerView =
  | { readonly kind: 'closed' | 'half_open' }
  | {
      readonly kind: 'down' | 'throttled' | 'misconfigured'
      readonly since: number
      readonly failure: { readonly message: string }
    }

/** Whether no calls are made to the LMS. */
export const isOpen = (view: BreakerView): view is Extract<BreakerView, { since: number }> => 'since' in view

/** A course for which the LMS fails; ms since 1970. `probeAt`: when it is tried next; it may have passed. */
export interface PausedCourseView {
  readonly course: string
  readonly since: number
  readonly probeAt: number
  readonly message: string
}

/** What only the running service knows; null before it has begun to work. */
export interface Live {
  readonly link: () => BreakerView | null
  /** The courses that are paused, the longest first. */
  readonly pausedCourses: () => readonly PausedCourseView[]
  /** How full the bucket of calls is, from 0 to 1. */
  readonly budget: () => number | null
}
