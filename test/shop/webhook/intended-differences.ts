import type { Effect } from './recorded-cases.ts'

/** What ours answers instead of the original, and what that changes in the LMS; docs/reference/webhook.md has the same rows. */
interface Difference {
  readonly reason: string
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
  readonly effect: Effect
}

const DEMO = 'course-v1:edX+DemoX+Demo_Course'
const allowance = (email: string): Effect => ({
  allowances_new: [{ email, course: DEMO, auto_enroll: true, used: false }],
})
const allowed = (reason: string, email = 'new@example.com'): Difference => ({
  reason,
  status: 200,
  body: { success: true, message: 'Enrollment allowance verified for 1 course(s)' },
  effect: allowance(email),
})
const refused = (reason: string, status: number, message: unknown): Difference => ({
  reason,
  status,
  body: { success: false, message },
  effect: {},
})

const OTHER_FORM = 'signature in another of the accepted forms'
const TOO_LONG = 'email over 254 characters'
const FORM_BODY = 'form bodies'
/** Not a difference of the answer: the recording shows the stored backslash twice. */
export const ARTIFACT = 'the recording shows the stored backslash twice'
const IGNORED = 'Accept and Authorization headers are ignored'

/** By group and name of the recorded case. */
export const DIFFERENCES: Readonly<Record<string, Difference>> = {
  'signature: as the README script signs it: sorted, with spaces': allowed(OTHER_FORM),
  'signature: of the raw body, which differs from the canonical form': allowed(OTHER_FORM),
  'signature: non-ASCII name, sent as UTF-8, signed as UTF-8': allowed(OTHER_FORM),
  'signature: non-ASCII': refused('non-ASCII signature header', 401, 'Invalid signature'),
  'fields: email 256 characters': refused(TOO_LONG, 400, {
    email: ['Ensure this field has no more than 254 characters.'],
  }),
  "email: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'": refused(TOO_LONG, 400, {
    email: ['Ensure this field has no more than 254 characters.'],
  }),
  'email: \'"a\\\\"b"@example.com\'': allowed(ARTIFACT, '"a\\"b"@example.com'),
  'http: form': refused(FORM_BODY, 415, 'Unsupported media type "application/x-www-form-urlencoded" in request.'),
  'http: form, signed as its one-value-a-key form': refused(
    FORM_BODY,
    415,
    'Unsupported media type "application/x-www-form-urlencoded" in request.',
  ),
  'http: Accept: text/html': allowed(IGNORED),
  'http: Accept: application/xml': allowed(IGNORED),
  'http: Authorization: JWT nonsense': allowed(IGNORED),
  'enrolment: retired person': refused(
    'a retired address gets no allowance that nobody can use',
    400,
    'This email address belongs to a retired account and cannot be enrolled',
  ),
}
