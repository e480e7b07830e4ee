import type { Standing } from '../delivery/types.ts'

/** What the LMS answered, or why there is no answer, in one line. */
export type Answered<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly message: string }

/** What the LMS has for a person in one course now. `since`: when the person was first enrolled, ms since 1970. */
export interface LiveCourseView {
  readonly course: string
  readonly standing: Standing
  /** The course mode; null without an enrollment. */
  readonly mode: string | null
  /** Whether it is an active enrollment in a mode that may have been paid for. */
  readonly isPaid: boolean
  readonly since: number | null
}

/** What the console asks the LMS on behalf of an operator. The running service answers it within its call budget. */
export interface LmsCalls {
  readonly whatStands: (of: {
    email: string
    courses: readonly string[]
  }) => Promise<Answered<readonly LiveCourseView[]>>
  /** `key`: the course as the LMS spells it; null if there is none. `closest`: a similar course, in that case. */
  readonly findCourse: (
    key: string,
  ) => Promise<Answered<{ readonly key: string | null; readonly closest: string | null }>>
  /** Checks deliveries in the LMS and stores what it finds; null if this service can't. */
  readonly checkNow: ((order: { ids: readonly string[]; by: string }) => Promise<Answered<unknown>>) | null
}
