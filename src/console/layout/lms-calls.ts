import type { LiveCourse } from '../../enroll/withdraw/what-stands.ts'
import type { Account } from '../../lms/apis/accounts.ts'

/** What the LMS answered, or why there is no answer, in one line. */
export type Answered<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly message: string }

/** What the console asks the LMS for an operator. The running service asks, within its call budget. */
export interface LmsCalls {
  /** What the LMS has for the person in these courses now. */
  readonly whatStands: (of: { email: string; courses: readonly string[] }) => Promise<Answered<readonly LiveCourse[]>>
  /** The account that the LMS has for an address now. Answers within 5 s. */
  readonly account: (email: string) => Promise<Answered<Account>>
  /** `key`: the course as the LMS spells it; null if there is none. `closest`: a similar course, in that case. */
  readonly findCourse: (
    key: string,
  ) => Promise<Answered<{ readonly key: string | null; readonly closest: string | null }>>
}
