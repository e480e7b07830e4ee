import { codeOf } from '../../service/lib/outgoing-call.ts'
import { escaped, withoutTokens } from '../../service/lib/sanitize.ts'

/**
 * How a call failed. The circuit breaker and the documents use these kinds.
 * - `unreachable`: no answer, status 502 to 504, or no token.
 * - `server_error`: the LMS answered, but failed or made no sense.
 * - `throttled`: too many calls.
 * - `unauthorized`: the LMS didn't accept the token.
 * - `misconfigured`: an operator has to correct a setting here or in the LMS.
 * - `blocked`: an answer that would be `misconfigured`, but the LMS answers other calls: something in front of it refuses
 *   this one. Only the circuit breaker can tell.
 * - `refused`: the LMS rejects this person or this course.
 */
export type FailureKind =
  | 'unreachable'
  | 'server_error'
  | 'throttled'
  | 'unauthorized'
  | 'misconfigured'
  | 'blocked'
  | 'refused'

export interface Failure {
  readonly kind: FailureKind
  /** The route that was called, with {names} for what differs: so it can label a metric. */
  readonly endpoint: string
  /** The HTTP status, or null if there was no answer. */
  readonly status: number | null
  /** One line for the operator, at most 300 characters, without tokens, secrets or other people's data. */
  readonly message: string
  /** How long the LMS asked to wait, in ms; null if it didn't say. */
  readonly retryAfterMs: number | null
  /** The LMS may have carried out the call despite the failure. Only for a call that changes something. */
  readonly mayHaveTakenEffect: boolean
}

/**
 * Whether the LMS may have carried out the failed call, if that changes something. The cause may be the LMS, one course
 * or one person.
 */
export const isInDoubt = ({ kind }: { readonly kind: string }): boolean =>
  kind === 'unreachable' || kind === 'server_error'

/**
 * Whether the LMS may carry out a failed call later than now. It has answered a 500 itself, and rolled the call back or
 * not. Statuses above may come from a proxy that stopped waiting.
 */
export const mayStillLand = ({
  mayHaveTakenEffect,
  status = null,
}: Pick<Failure, 'mayHaveTakenEffect'> & { readonly status?: number | null }): boolean =>
  mayHaveTakenEffect && (status === null || status > 500)

export interface Failed {
  readonly ok: false
  readonly failure: Failure
}

export type Judged<T> = { readonly ok: true; readonly value: T } | Failed

/** Errors that end a call before its first byte is sent: a certificate that is refused, no TLS, or no connection. */
const BEFORE_SENDING =
  /CERT|^UNABLE_TO_|^(ERR_SSL_WRONG_VERSION_NUMBER|ERR_SSL_PACKET_LENGTH_TOO_LONG|UND_ERR_CONNECT_TIMEOUT)$/
/** A system call, and not its code, tells so: EHOSTUNREACH, for example, can also come from an open connection. */
const CONNECTING: readonly unknown[] = ['connect', 'getaddrinfo']

/** Whether an error of undici proves that the request was never sent. */
export function neverSent(error: unknown): boolean {
  if (BEFORE_SENDING.test(codeOf(error))) return true
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(neverSent)
  return error instanceof Error && 'syscall' in error && CONNECTING.includes(error.syscall)
}

/**
 * Marks a judged answer if the LMS may have carried out the failed call. A 5xx may come from a proxy that stopped
 * waiting, or from the LMS after its transaction. A 400 that was never recorded may leave the row behind (recorded:
 * lms-newer/paid-modes.json, 'SURPRISE: attribute without a value: 400, and enrolled'). The LMS decides failures of the
 * other kinds before it changes anything.
 */
export function withEffect<T>({ changes }: { readonly changes: boolean }, judged: Judged<T>): Judged<T> {
  if (judged.ok || !changes || !isInDoubt(judged.failure)) return judged
  return { ok: false, failure: { ...judged.failure, mayHaveTakenEffect: true } }
}

const MAX_MESSAGE = 300
/** The rest of a longer text is ignored. */
const MAX_QUOTE = 4 * MAX_MESSAGE

/** A call that succeeded. */
export function succeeded<T>(value: T): Judged<T> {
  return { ok: true, value }
}

/** A call that failed. `message` may quote the LMS, or another server that answered instead: see `quoted`. */
export function failed(of: {
  kind: FailureKind
  endpoint: string
  status: number | null
  message: string
  retryAfterMs?: number | null
  mayHaveTakenEffect?: boolean
}): Failed {
  const { kind, endpoint, status, message, retryAfterMs = null, mayHaveTakenEffect = false } = of
  const line = quoted(message)
  return { ok: false, failure: { kind, endpoint, status, message: line, retryAfterMs, mayHaveTakenEffect } }
}

/** What the LMS says, as one safe line without tokens. */
export const quoted = (text: string): string => oneLine(withoutTokens(text.slice(0, MAX_QUOTE)))

/**
 * Makes text of any origin one line of at most 300 characters. Control, format and unpaired surrogate characters and
 * line separators become `\uXXXX`, so that the text can't forge a log line or change the reading direction.
 */
export function oneLine(text: string): string {
  const line = text.slice(0, MAX_QUOTE).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, escaped)
  if (line.length <= MAX_MESSAGE) return line
  return `${line.slice(0, MAX_MESSAGE - 1).toWellFormed()}…`
}
