import { isIP } from 'node:net'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'

/** The number of proxies in front of the service, or their addresses and networks; 0 means none. */
export type TrustedProxies = number | readonly string[]

/**
 * The value for Fastify's trustProxy. Fastify 5 treats a number as "trust nobody", because it can't tell a proxy from a
 * client that connects directly. Here, the operator's setting says that no client connects directly.
 */
export function trustProxyOption(proxies: TrustedProxies): NonNullable<FastifyServerOptions['trustProxy']> {
  if (typeof proxies !== 'number') return [...proxies]
  return proxies === 0 ? false : (_address, hop) => hop < proxies
}

/** If X-Forwarded-For holds no address, `request.ip` is the proxy's address, because it goes into logs and counters. */
export function ignoreForwardedNonAddresses(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => {
    if (isIP(request.ip) === 0) delete request.raw.headers['x-forwarded-for']
    done()
  })
}
