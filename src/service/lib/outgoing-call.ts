import { type LookupAddress, type LookupOptions, lookup as systemLookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { isPrivateAddress } from './network.ts'
import { VERSION } from './version.ts'

/** How this service names itself to those whom it calls. */
export const USER_AGENT = `lernito-openedx/${VERSION}`

/** How long connecting may take, ms. */
export const CONNECT_TIMEOUT_MS = 10_000

/**
 * Options of undici for connections that always check certificates, and whose calls each have a limit of their own.
 * @param connect what differs for connecting
 */
export const connectionOptions = (connect: { timeout?: number; lookup?: LookupFunction } = {}) => ({
  // Set explicitly: NODE_TLS_REJECT_UNAUTHORIZED=0 changes only the default.
  connect: { timeout: CONNECT_TIMEOUT_MS, ...connect, rejectUnauthorized: true },
  allowH2: false, // two calls at once gain nothing from it, and the limits here were tested with HTTP/1.1
  headersTimeout: 0, // the limit of the call covers all of it; this one and the next run on a coarse clock
  bodyTimeout: 0,
})

/** The origin that the header Location leads to, because a path may hold a token; null if it names none. */
export const originOf = (location: string | string[] | null | undefined): string | null =>
  URL.parse(String(location))?.origin ?? null

const CUT = 'the connection was cut'
const NO_HTTP = 'its answer is not HTTP: check the address and its port'
const UNKNOWN_AUTHORITY =
  'this machine does not trust the authority that issued its certificate; for an authority of your own, set NODE_EXTRA_CA_CERTS to its certificate file'

/** By the code of the system's or undici's error: why there is no connection, whatever the service calls. */
const CONNECTION_CAUSES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no such host',
  UND_ERR_CONNECT_TIMEOUT: `no connection within ${CONNECT_TIMEOUT_MS / 1000} s`,
  UND_ERR_SOCKET: CUT,
  ECONNRESET: CUT,
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: "its certificate is not valid yet, or this machine's clock is wrong",
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_AUTHORITY,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
}

/** The code of an error of the system or of undici, such as ECONNREFUSED. Its message may quote what was sent. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'no cause given'
}

/**
 * Why there is no connection, for operators: the cause, and the error code if there is one.
 * @param further causes by their codes, where more is known of what was called
 */
export function connectionCause(error: unknown, further: Readonly<Record<string, string>> = {}): string {
  if (error instanceof PrivateAddressError) return error.message
  if (error instanceof Error && error.name === 'HTTPParserError') return NO_HTTP // mostly without a code
  const code = codeOf(error)
  const cause = further[code] ?? CONNECTION_CAUSES[code]
  return cause === undefined ? code : `${cause} (${code})`
}

/** The system's look-up, with all addresses of a name. */
export type Resolve = (
  hostname: string,
  options: LookupOptions & { all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/** The name of an endpoint resolves to an address that isn't on the public internet. */
export class PrivateAddressError extends Error {
  override readonly name = 'PrivateAddressError'
}

/**
 * The look-up for connections to a URL's host. A host name that resolves to a private address is refused, at each
 * connection, so that nobody who controls the name can point this service at its own network. An address in the URL is
 * connected to without a look-up, and localhost says what it is: the operator wants these.
 */
export function publicLookup(url: URL, resolve: Resolve = systemLookup): LookupFunction {
  const isAllowed = url.hostname === 'localhost'
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '')
      const found = isAllowed ? null : refusedOf(addresses)
      if (found !== null) {
        const why = `${hostname} resolves to the private address ${found}. If that is right, set LERNITO_EVENTS_URL to the address instead of the name.`
        return callback(new PrivateAddressError(why), '')
      }
      if (options.all) return callback(null, addresses)
      const [first] = addresses
      return callback(null, first?.address ?? '', first?.family)
    })
  }
}

const refusedOf = (addresses: readonly LookupAddress[]): string | null =>
  addresses.find(({ address }) => isPrivateAddress(address))?.address ?? null
