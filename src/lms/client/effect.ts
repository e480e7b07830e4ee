import { codeOf } from '../../service/lib/outgoing-call.ts'
import { type Endpoint, isInDoubt, type Judged } from './failure.ts'

interface Sent {
  readonly method: string
  readonly endpoint: Endpoint
}

/** These only read, whatever their method is. A token request counts too: it can be repeated at will. */
const READS: ReadonlySet<Endpoint> = new Set(['/oauth2/access_token', '/api/user/v1/accounts/search_emails'])

/** Whether a call changes enrollments or allowances. */
export function changesSomething({ method, endpoint }: Sent): boolean {
  return method !== 'GET' && !READS.has(endpoint)
}

/** Errors that end a call before its first byte is sent: no connection, or no TLS on it. */
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
 * Whether an error of undici proves that the request was never sent. An error whose code isn't in this list proves it
 * only if connecting gave it: EHOSTUNREACH, for example, can also come from an open connection.
 */
export function neverSent(error: unknown): boolean {
  if (BEFORE_SENDING.has(codeOf(error))) return true
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(neverSent)
  return error instanceof Error && 'syscall' in error && error.syscall === 'connect'
}

/**
 * Marks a judged answer if the LMS may have carried out the failed call. A 5xx may come from a proxy that stopped
 * waiting, or from the LMS after its transaction. A 400 that was never recorded may leave the row behind (recorded:
 * lms-newer/paid-modes.json, 'SURPRISE: attribute without a value: 400, and enrolled'). The LMS decides failures of the
 * other kinds before it changes anything.
 */
export function withEffect<T>(request: Sent, judged: Judged<T>): Judged<T> {
  if (judged.ok || !changesSomething(request) || !isInDoubt(judged.failure)) return judged
  return { ok: false, failure: { ...judged.failure, mayHaveTakenEffect: true } }
}
