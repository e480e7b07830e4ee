import { timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { readSession } from '../session/cookies.ts'
import { setHeaders } from '../session/headers.ts'
import type { Session, Sessions } from '../session/sessions.ts'
import type { Site } from '../session/site.ts'
import { messagePage, sendPage } from './layout.ts'
import { TEXTS } from './texts.ts'
import { type Zone, zoneOf } from './zone.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A route of the console that needs no session: its files, and the sign-in. */
    open?: true
    /** A form that is allowed even while the LMS can't confirm the operator. */
    unconfirmed?: true
  }
  interface FastifyRequest {
    session: Session | null
    /** The time zone of the browser. The script times.js tells it with a cookie; UTC without the script. */
    readonly zone: Zone
  }
}

/** Returns who is signed in. The guard lets only signed-in operators reach a route that isn't open. */
export function sessionOf({ session }: FastifyRequest): Session {
  if (session === null) throw new Error('a page of the console was reached without a session')
  return session
}

/** Returns the fields of a posted form. */
export const formOf = ({ body }: FastifyRequest): URLSearchParams =>
  body instanceof URLSearchParams ? body : new URLSearchParams()

/** A script sets it, so it has no protection, and its value is checked. */
const ZONE_COOKIE = 'lernito_zone'

const READS: readonly string[] = ['GET', 'HEAD']

/**
 * Guards every route of the console, even one that declares nothing: only open pages work without a session, and a change
 * must come from the console's own form, sent by an operator whom the LMS has confirmed as staff.
 */
export function addGuard({
  scope,
  site,
  findSession,
}: {
  scope: FastifyInstance
  site: () => Site
  findSession: Sessions['find']
}): void {
  scope.decorateRequest('session', null)
  scope.decorateRequest('zone', {
    getter(this: FastifyRequest) {
      return zoneOf(this.cookies[ZONE_COOKIE])
    },
  })

  scope.addHook('onRequest', async (request, reply) => {
    setHeaders(reply)
    if (request.routeOptions.config.open) return
    const token = readSession(request, site())
    request.session = token === null ? null : await findSession(token)
    if (request.session === null) return sendToSignIn(request, reply, site())
  })

  scope.addHook('preHandler', async (request, reply) => {
    if (READS.includes(request.method)) return
    const { session } = request
    if (session === null || !isOwnForm(request, session, site())) {
      const main = messagePage({ ...TEXTS.refusals.form, link: `${site().origin}${site().base}/` })
      return sendPage({ reply, site: site(), session, status: 403, title: TEXTS.refusals.form.title, main })
    }
    if (!session.confirmed && !request.routeOptions.config.unconfirmed) {
      const main = messagePage(TEXTS.refusals.unconfirmed)
      return sendPage({ reply, site: site(), session, status: 503, title: TEXTS.refusals.unconfirmed.title, main })
    }
  })
}

/** After the sign-in, the browser returns to the page that it asked for. It can't send a form again, so a form gets an answer. */
function sendToSignIn(request: FastifyRequest, reply: FastifyReply, site: Site): FastifyReply {
  const own = site.base + request.url.slice(request.url.indexOf('/lernito/console') + '/lernito/console'.length)
  const signIn = `${site.base}/sign-in?next=${encodeURIComponent(own)}`
  if (!READS.includes(request.method)) {
    const main = messagePage({ ...TEXTS.refusals.signedOut, link: `${site.base}/` })
    return sendPage({ reply, site, session: null, status: 401, title: TEXTS.refusals.signedOut.title, main })
  }
  if (request.headers['hx-request'] === 'true') return reply.code(401).header('hx-redirect', signIn).send()
  return reply.redirect(signIn, 303)
}

/** The token belongs to the session, and browsers name the site that a form comes from. */
function isOwnForm(request: FastifyRequest, { csrf }: Session, { origin }: Site): boolean {
  const { headers } = request
  const ours = headers.origin === undefined ? headers['sec-fetch-site'] === 'same-origin' : headers.origin === origin
  const given = Buffer.from(formOf(request).get('csrf') ?? '')
  const right = Buffer.from(csrf)
  return ours && given.length === right.length && timingSafeEqual(given, right)
}
