import type { Answer, ErrorStyle } from '../lms/answers.ts'
import type { Verdict } from '../lms/deadlock.ts'
import type { EnrollmentContext } from '../lms/enrollment-rules.ts'
import type { Fault } from '../lms/faults.ts'
import type { Lms } from '../lms/lms.ts'
import type { Person } from '../lms/people.ts'
import type { ThrottledAs } from '../lms/throttle.ts'
import type { Accepts } from './caller.ts'
import type { Json } from './json.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** A call as a view's handler gets it. `params` are the parameters of the path, `data` is the parsed body. */
export type Call = {
  lms: Lms
  context: EnrollmentContext
  caller: Person | null
  /** The fault that the control API has set for this call. */
  fault: Fault | null
  query: URLSearchParams
  params: Record<string, string>
  data: Json
  /** The fields of a form; null for any other body. */
  form: URLSearchParams | null
  authorization: string | undefined
  cookies: string | undefined
  host: string
  url: string
}

/** A call whose caller is known, before its body is read. */
export type Visit = { lms: Lms; caller: Person; params: Record<string, string> }

/** One endpoint of the LMS. A handler runs synchronously at the end of its call's time: a request is a transaction. */
export type View = {
  url: string
  /** What /sandbox/calls shows as its path, and /sandbox/faults may name, if `url` has parameters. */
  pattern?: string
  accepts: Accepts
  /** Who may call. A function gets a caller with an account, and returns the refusal or null. */
  access: 'anyone' | 'account' | 'staff' | ((visit: Visit) => Answer | null)
  errors: ErrorStyle
  /** The throttle that counts its calls; `address` counts by the caller's network address. */
  throttled: ThrottledAs | 'address' | false
  /** Whether its handlers can enroll or allow. With `--cost measured`, their changes determine the cost of a call. */
  enrolls?: boolean
  /** Whether the LMS routes this path to the view; if not, the call gets the 404 page. */
  serves?: (path: Pick<Visit, 'params'>) => boolean
  /** Whether it reads JSON only, and no forms. */
  jsonOnly?: boolean
  /** Its answer to OPTIONS. */
  describes?: { name: string; description: string }
  handlers: Partial<Record<Method, (call: Call, verdict: Verdict) => Answer>>
  /** How many addresses the call asks for, on which the cost of a look-up may depend. */
  countAsked?: (call: Call) => number
  /** The addresses whose rows the call locks while it runs, in this order (batch views only). */
  locks?: (call: Call) => string[]
}
