import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Session } from '../session/sessions.ts'
import { type Site, siteOf } from '../session/site.ts'
import { type Zone, zoneOf } from './zone.ts'

declare module 'fastify' {
  interface FastifyRequest {
    session: Session | null
    /** The address of the console. */
    readonly site: Site
    /** The time zone of the browser. The script times.js tells it with a cookie; UTC without the script. */
    readonly zone: Zone
  }
}

/** A script sets it, so it has no protection, and its value is checked. */
const ZONE_COOKIE = 'lernito_zone'

/**
 * Gives each request of the console its session, its site and its zone.
 * @param of.publicUrl the address of the service as browsers see it
 */
export function decorateRequests({ scope, publicUrl }: { scope: FastifyInstance; publicUrl: () => string }): void {
  scope.decorateRequest('session', null)
  scope.decorateRequest('site', { getter: () => siteOf(publicUrl()) })
  scope.decorateRequest('zone', {
    getter(this: FastifyRequest) {
      return zoneOf(this.cookies[ZONE_COOKIE])
    },
  })
}

/** Returns who is signed in. The guard lets only signed-in operators reach a route that isn't open. */
export function sessionOf({ session }: FastifyRequest): Session {
  if (session === null) throw new Error('a page of the console was reached without a session')
  return session
}

/** Whether htmx asks for parts of a page, and not the browser for a page. */
export const isUpdate = ({ headers }: FastifyRequest): boolean => headers['hx-request'] === 'true'

/** Returns the fields of a posted form. */
export const formOf = ({ body }: FastifyRequest): URLSearchParams =>
  body instanceof URLSearchParams ? body : new URLSearchParams()

/** Returns the parameters in the address of a request. */
export const queryOf = ({ url }: FastifyRequest): URLSearchParams => new URL(url, 'http://console').searchParams
