import type { CallContext } from '../enroll/pair.ts'
import type { GivenCourse } from '../enroll/withdraw/find-buyer.ts'
import { whatStands } from '../enroll/withdraw/what-stands.ts'
import type { Judged } from '../lms/client/failure.ts'
import type { LmsAccount } from '../sale/line.ts'
import { AppError } from '../service/lib/errors.ts'
import { within } from '../service/lib/loop.ts'

/** How long a page that also has stored data waits for the LMS. */
const PAGE_WAITS_MS = 5_000

/** What the LMS answered, or why there is no answer: in one line without a full stop, for the middle of a sentence. */
export type Answered<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly message: string }

/** What the console asks the LMS for an operator, within the call budget of the service. Each answers within 5 s, or `ms`. */
export function createLmsCalls(calls: CallContext) {
  const { lms } = calls
  return {
    /** What the LMS has for the person in these courses now. */
    whatStands: (of: { email: string; courses: readonly GivenCourse[] }) =>
      whileWaiting(whatStands({ ...calls, ...of }).then(answered)),
    /** The course with its key as the LMS spells it; null if there is none. */
    findCourse: (key: string) => whileWaiting(lms.course(key).then(answered)),
    /** The account that the LMS has for an address now. */
    account: (email: string, ms?: number) => whileWaiting(lms.account(email).then(answered), ms),
    /** The accounts that have these addresses: at most 1,000. */
    accountsOf: (emails: readonly string[]) => whileWaiting(lms.searchEmails(emails).then(answered)),
    /** The account with an id, at whatever address. */
    accountById: (known: LmsAccount) => whileWaiting(lms.accountById(known).then(answered)),
  }
}
export type LmsCalls = ReturnType<typeof createLmsCalls>

const answered = <Value>(judged: Judged<Value>): Answered<Value> =>
  judged.ok ? judged : unanswered(judged.failure.message)

const unanswered = (message: string): Answered<never> => ({ ok: false, message: message.replace(/\.$/, '') })

/** Gives up on a slow LMS or a call budget that is used up, and on a call that this replica may not make now. */
async function whileWaiting<Value>(answer: Promise<Answered<Value>>, ms = PAGE_WAITS_MS): Promise<Answered<Value>> {
  try {
    return (await within(ms, answer)) ?? unanswered('The LMS did not answer in time')
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return unanswered(error.message)
  }
}
