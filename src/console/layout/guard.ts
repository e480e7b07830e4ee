import { timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { readSession } from '../session/cookies.ts'
import type { Session, Sessions } from '../session/sessions.ts'
import { CONSOLE_PATH } from '../session/site.ts'
import { sendMessage } from './layout.ts'
import { formOf } from './request.ts'
import { TEXTS } from './texts.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A route of the console that needs no session: its files, and the sign-in. */
    open?: true
    /** A form that is allowed even while the LMS can't confirm the operator. */
    unconfirmed?: true
  }
}

const READS: readonly string[] = ['GET', 'HEAD']

/** Allows only the console's own files and forms; no inline script or style applies. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/**
 * Guards every route of the console, even one that declares nothing: only open pages work without a session, and a change
 * must come from the console's own form, sent by an operator whom the LMS has confirmed as staff.
 */
export function addGuard({ scope, findSession }: { scope: FastifyInstance; findSession: Sessions['find'] }): void {
  scope.addHook('onRequest', async (request, reply) => {
    setHeaders(reply)
    if (request.routeOptions.config.open) return
    const token = readSession(request)
    request.session = token === null ? null : await findSession(token)
    if (request.session === null) return sendToSignIn(request, reply)
  })

  scope.addHook('preHandler', async (request, reply) => {
    if (READS.includes(request.method)) return
    const { session, site } = request
    if (session === null || !isOwnForm(request, session)) {
      return sendMessage({ reply, status: 403, ...TEXTS.refusals.form, link: `${site.origin}${site.base}/` })
    }
    if (!session.confirmed && !request.routeOptions.config.unconfirmed) {
      return sendMessage({ reply, status: 503, ...TEXTS.refusals.unconfirmed })
    }
  })
}

/** After the sign-in, the browser returns to the page that it asked for. It can't send a form again, so a form gets an answer. */
function sendToSignIn(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { base } = request.site
  const own = base + request.url.slice(request.url.indexOf(CONSOLE_PATH) + CONSOLE_PATH.length)
  const signIn = `${base}/sign-in?next=${encodeURIComponent(own)}`
  if (!READS.includes(request.method)) {
    return sendMessage({ reply, status: 401, ...TEXTS.refusals.signedOut, link: `${base}/` })
  }
  if (request.headers['hx-request'] === 'true') return reply.code(401).header('hx-redirect', signIn).send()
  return reply.redirect(signIn, 303)
}

/** The token belongs to the session, and browsers name the site that a form comes from. */
function isOwnForm(request: FastifyRequest, { csrf }: Session): boolean {
  const { headers, site } = request
  const ours =
    headers.origin === undefined ? headers['sec-fetch-site'] === 'same-origin' : headers.origin === site.origin
  const given = Buffer.from(formOf(request).get('csrf') ?? '')
  const right = Buffer.from(csrf)
  return ours && given.length === right.length && timingSafeEqual(given, right)
}

/** Sets the headers of every answer of the console. Pages hold personal data, so no cache may store them. */
function setHeaders(reply: FastifyReply): void {
  reply.headers({
    'content-security-policy': POLICY,
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    // Not no-referrer: with it, browsers send "Origin: null" with a form.
    'referrer-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'cache-control': 'no-store',
    'x-robots-tag': 'noindex',
  })
}
