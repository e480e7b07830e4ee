import { isIP } from 'node:net'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'

/** How many proxies there are in a row in front, or their addresses and networks; 0 is none. */
export type TrustedProxies = number | readonly string[]

/**
 * For Fastify's trustProxy. Fastify 5 takes a number as "trust nobody", since it can't tell a proxy from a client that
 * connects directly; here the operator has said that nobody does.
 */
export function trustOf(proxies: TrustedProxies): NonNullable<FastifyServerOptions['trustProxy']> {
  if (typeof proxies !== 'number') return [...proxies]
  return proxies === 0 ? false : (_address, hop) => hop < proxies
}

/** Where X-Forwarded-For doesn't name an address, `request.ip` is that of the proxy: it goes into logs and counters. */
export function believeOnlyAddresses(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => {
    if (isIP(request.ip) === 0) delete request.raw.headers['x-forwarded-for']
    done()
  })
}
