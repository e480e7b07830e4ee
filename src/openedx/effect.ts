import type { Endpoint, Failure, Judged } from './failure.ts'
import { codeOf } from './http-answer.ts'

interface Sent {
  readonly method: string
  readonly endpoint: Endpoint
}

/** Whether a call changes enrollments or allowances. A token counts for nothing: it is asked for again at will. */
export function changesSomething({ method, endpoint }: Sent): boolean {
  return method !== 'GET' && endpoint !== '/oauth2/access_token'
}

/** Errors that end a call before its first byte leaves: no connection, or no TLS on it. */
const BEFORE_SENDING: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REVOKED',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
])

/**
 * Whether what undici threw shows that the request never left. An error that this list doesn't know may have come
 * afterwards, and so may one of the same code that another system call gave (EHOSTUNREACH on an open connection).
 */
export function neverSent(error: unknown): boolean {
  if (BEFORE_SENDING.has(codeOf(error))) return true
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(neverSent)
  return error instanceof Error && 'syscall' in error && error.syscall === 'connect'
}

/**
 * Notes on a judged answer whether the LMS may have carried out the call all the same. A 5xx may come from a proxy that
 * gave up waiting, or from the LMS after its transaction; a 400 that nobody recorded may leave the row behind (recorded:
 * lms-newer/paid-modes.json, 'SURPRISE: attribute without a value: 400, and enrolled'). The other kinds are decided
 * before the LMS begins.
 */
export function withEffect<T>(request: Sent, judged: Judged<T>): Judged<T> {
  if (judged.ok || !changesSomething(request) || !isInDoubt(judged.failure)) return judged
  return { ok: false, failure: { ...judged.failure, mayHaveTakenEffect: true } }
}

const isInDoubt = ({ kind }: Failure): boolean => kind === 'unreachable' || kind === 'server_error'
