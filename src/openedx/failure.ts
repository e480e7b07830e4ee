/**
 * What became of a call that did not do what it was for; docs and the link's state machine go by these kinds.
 * `unreachable`: no answer, or one of 502 to 504. `server_error`: the LMS answered, but failed or made no sense.
 * `throttled`: too many calls. `unauthorized`: the token was not accepted. `misconfigured`: somebody has to set
 * something right. `refused`: the LMS says no to this person or this course.
 */
export type FailureKind = 'unreachable' | 'server_error' | 'throttled' | 'unauthorized' | 'misconfigured' | 'refused'

/** The LMS's routes that this client calls: few and fixed, so they can label a metric. */
export type Endpoint =
  | '/oauth2/access_token'
  | '/api/courses/v1/courses/'
  | '/api/courses/v1/courses/{course}'
  | '/api/user/v1/accounts'
  | '/api/bulk_enroll/v1/bulk_enroll'
  | '/api/enrollment/v1/enrollment'
  | '/api/enrollment/v1/enrollment/{username},{course}'
  | '/api/enrollment/v1/enrollments'
  | '/api/enrollment/v1/enrollment_allowed/'
  | '/heartbeat'

export interface Failure {
  readonly kind: FailureKind
  readonly endpoint: Endpoint
  /** HTTP status; null where there was no answer. */
  readonly status: number | null
  /** One line for the operator, at most 300 characters, without a token, a secret or a word about other people. */
  readonly message: string
  /** What the LMS asked to wait, in ms; null where it did not say. */
  readonly retryAfterMs: number | null
  /** The LMS may have carried out the call all the same: only for a call that changes something. */
  readonly mayHaveTakenEffect: boolean
}

export interface Failed {
  readonly ok: false
  readonly failure: Failure
}

export type Judged<T> = { readonly ok: true; readonly value: T } | Failed

const MAX_MESSAGE = 300
/** More than this of a text is not looked at. */
const MAX_QUOTE = 4 * MAX_MESSAGE

/** A call that did what it was for. */
export function succeeded<T>(value: T): Judged<T> {
  return { ok: true, value }
}

/**
 * A call that did not. `message` may quote the LMS, or whoever answers in its place: it is made one safe line here,
 * and a token that comes back in it is left out.
 */
export function failed(of: {
  kind: FailureKind
  endpoint: Endpoint
  status: number | null
  message: string
  retryAfterMs?: number | null
  mayHaveTakenEffect?: boolean
}): Failed {
  const { kind, endpoint, status, message, retryAfterMs = null, mayHaveTakenEffect = false } = of
  const line = oneLine(withoutTokens(message))
  return { ok: false, failure: { kind, endpoint, status, message: line, retryAfterMs, mayHaveTakenEffect } }
}

/** A JWT, also one that is cut off: the JSON of its header begins with `{"`, which is `eyJ` in base64. */
const TOKEN = /eyJ[\w-]{8,}(\.[\w-]*){0,2}/g

function withoutTokens(text: string): string {
  return text.slice(0, MAX_QUOTE).replace(TOKEN, '(a token)')
}

/**
 * Text of any origin as one line: control, format and unpaired surrogate characters and line separators become
 * `\uXXXX`, so that the text can't forge a log line or turn the reading direction; cut at 300 characters.
 */
export function oneLine(text: string): string {
  const line = text.slice(0, MAX_QUOTE).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0
    return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, '0')}`
  })
  if (line.length <= MAX_MESSAGE) return line
  return `${line.slice(0, MAX_MESSAGE - 1).toWellFormed()}…`
}
