import { PrivateAddressError } from './public-lookup.ts'

/** How long connecting may take, ms. */
export const CONNECT_TIMEOUT_MS = 10_000

/** By the code of the system's or undici's error: why there is no connection, whatever the service calls. */
export const CONNECTION_CAUSES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no such host',
  UND_ERR_CONNECT_TIMEOUT: `no connection within ${CONNECT_TIMEOUT_MS / 1000} s`,
  UND_ERR_SOCKET: 'the connection was cut',
  ECONNRESET: 'the connection was cut',
  CERT_HAS_EXPIRED: 'its certificate has expired',
}

const CAUSES: Readonly<Record<string, string>> = {
  ...CONNECTION_CAUSES,
  DEPTH_ZERO_SELF_SIGNED_CERT: 'this machine does not trust the authority that issued its certificate',
  SELF_SIGNED_CERT_IN_CHAIN: 'this machine does not trust the authority that issued its certificate',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'this machine does not trust the authority that issued its certificate',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
}

/** Why there is no connection, for operators: the cause, and the system's error code if there is one. */
export function connectionCause(error: unknown): string {
  if (error instanceof PrivateAddressError) return error.message
  if (error instanceof AggregateError && error.errors.length > 0) return connectionCause(error.errors[0])
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error ? String(error.code) : ''
  const cause = CAUSES[code]
  return cause === undefined ? code || error.message.slice(0, 200) : `${cause} (${code})`
}
