import { CONNECTION_CAUSES } from './connection-causes.ts'
import { PrivateAddressError } from './public-lookup.ts'

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
