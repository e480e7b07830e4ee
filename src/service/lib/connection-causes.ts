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
