import { CONNECT_TIMEOUT_MS, CONNECTION_CAUSES } from '../../service/lib/connection-causes.ts'
import { codeOf } from './http-answer.ts'

const UNKNOWN_AUTHORITY =
  'this machine does not trust the authority that issued its certificate; for an authority of your own, set NODE_EXTRA_CA_CERTS to its certificate file'

const NO_TLS = 'the server there does not use TLS: write http:// in LERNITO_LMS_URL, or use the port that does use TLS'

const CAUSES: Readonly<Record<string, string>> = {
  ...CONNECTION_CAUSES,
  UND_ERR_RES_EXCEEDED_MAX_SIZE: 'its answer is larger than 2 MiB',
  UND_ERR_DESTROYED: 'this service is stopping',
  UND_ERR_HEADERS_OVERFLOW: 'the headers of its answer are too large',
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_AUTHORITY,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
  CERT_NOT_YET_VALID: "its certificate is not valid yet, or this machine's clock is wrong",
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name than that in LERNITO_LMS_URL',
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
}

/** A plain HTTP server that waits for the end of a request never answers a handshake, which gives the same code. */
const NO_TLS_CONNECTION = `no TLS connection within ${CONNECT_TIMEOUT_MS / 1000} s: nothing accepts it, or the port uses plain HTTP; in that case write http:// in LERNITO_LMS_URL`

/**
 * Describes an error that undici threw, for the message of a failure.
 * @param error what undici threw
 * @param url the address of the call
 */
export function describeConnectionError(error: unknown, { protocol }: URL): string {
  const code = codeOf(error)
  const cause = code === 'UND_ERR_CONNECT_TIMEOUT' && protocol === 'https:' ? NO_TLS_CONNECTION : CAUSES[code]
  return cause === undefined ? code : `${cause} (${code})`
}
