import { isIP } from 'node:net'
import { getCACertificates, TLSSocket } from 'node:tls'
import type { SslOptions } from 'mysql2'

/** `ca`: the certificates of the trusted authorities as PEM; null: those of Node.js and of the operating system. */
export interface Tls {
  readonly ca: string | null
}

/**
 * What the driver needs to verify the server. Use one result for all connections of a pool: by its identity, the driver
 * finds the parsed certificates, and the session to resume.
 */
export const sslOptionsFor = ({ ca }: Tls): SslOptions => ({
  ca: ca ?? [...getCACertificates('default'), ...getCACertificates('system')],
  minVersion: 'TLSv1.2',
  rejectUnauthorized: true,
  verifyIdentity: true,
})

/**
 * The host as the driver has to get it, to compare it with the certificate. The driver leaves out an address, and Node.js
 * then compares with "localhost". With a dot at its end, which Node.js removes, it compares with the address.
 */
export const hostToVerify = (host: string): string => (isIP(host) === 0 ? host : `${host}.`)

/** By the error's code. The first that matches. */
const OBSTACLES: readonly (readonly [RegExp, TlsObstacle])[] = [
  [/^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/, 'tls_expired'],
  [/^ERR_TLS_CERT_ALTNAME_/, 'tls_name'],
  [/^HANDSHAKE_NO_SSL_SUPPORT$/, 'tls_not_offered'],
  [/^ERR_SSL_/, 'tls_failed'],
  [/^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_|INVALID_|PATH_LENGTH_)/, 'tls_untrusted'],
]

/** What an operator has to fix, if the error is one of TLS. */
export const tlsObstacleOf = (error: unknown): TlsObstacle | undefined =>
  error instanceof Error && 'code' in error ? obstacleOf(String(error.code)) : undefined

const obstacleOf = (code: string): TlsObstacle | undefined => OBSTACLES.find(([pattern]) => pattern.test(code))?.[1]

/** Cause and fix; `what` is the error's own text. */
const WORDS = {
  tls_expired: (code: string) =>
    code === 'CERT_NOT_YET_VALID'
      ? `the server's certificate is not valid yet (${code}); check the clocks of the server and of this machine`
      : `the certificate of the server or of its authority has expired (${code}); renew it on the server`,
  tls_name: (_code: string, what: string) =>
    `the server's certificate is for another name (${what}); write a name of the certificate in LERNITO_DATABASE_URL`,
  tls_not_offered: (code: string) =>
    `the server offers no TLS (${code}); turn it on there, or, inside your own network, end LERNITO_DATABASE_URL with ?tls=off`,
  /** The server has no version or cipher of TLS in common with this service. */
  tls_failed: (_code: string, what: string) =>
    `the TLS handshake failed (${what}); the server must support TLS 1.2 or newer`,
  tls_untrusted: (code: string) =>
    `no certificate authority that this service trusts has signed the server's certificate (${code}); set LERNITO_DATABASE_CA_FILE to the file of the authority's certificate`,
}
/** Why TLS with the server fails. */
export type TlsObstacle = keyof typeof WORDS

/**
 * The error of a connection to the server, with its cause and fix in words if it is one of TLS. `stream` is the one that
 * the driver used: it still has the code that the driver's error has lost.
 */
export function tlsError({ error, stream }: { error: Error; stream: unknown }): Error {
  const given = 'code' in error ? String(error.code) : ''
  const reason = 'reason' in error ? String(error.reason) : ''
  const code = given === 'HANDSHAKE_SSL_ERROR' ? originalCode(stream, reason) : given
  const obstacle = obstacleOf(code)
  const words = obstacle === undefined ? undefined : WORDS[obstacle](code, reason)
  if (words !== undefined) return Object.assign(new Error(words, { cause: error }), { code, fatal: true })
  if (given !== 'HANDSHAKE_SSL_ERROR') return error
  const cut = `the connection was cut during the TLS handshake (${error.message})`
  return Object.assign(new Error(cut, { cause: error }), { code: given, fatal: true })
}

/** The code of a certificate that wasn't accepted, or the one that Node.js makes of the text of OpenSSL. */
function originalCode(stream: unknown, reason: string): string {
  if (stream instanceof TLSSocket && stream.authorizationError) return String(stream.authorizationError)
  return reason === '' ? 'HANDSHAKE_SSL_ERROR' : `ERR_SSL_${reason.toUpperCase().replaceAll(' ', '_')}`
}
