import { timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { html } from 'ghtml'
import { readSession } from '../session/cookies.ts'
import type { Session, Sessions } from '../session/sessions.ts'
import { ownPath, pageOf, signInUrl } from '../session/site.ts'
import { hiddenFields } from './elements.ts'
import { sendPage } from './layout.ts'
import { formOf, isUpdate } from './request.ts'
import { TEXTS } from './texts.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A route of the console that needs no session: its files, and the sign-in. */
    open?: true
    /** A page that can't be loaded again, such as the end of a sign-in, whose code is used up then. */
    once?: true
    /** A form that is allowed even while the LMS can't confirm the operator. */
    unconfirmed?: true
  }
}

const words = TEXTS.kept
const READS: readonly string[] = ['GET', 'HEAD']

/** The headers of every answer of the console. Pages hold personal data, so no cache may store them. */
const HEADERS = {
  // Only the console's own files and forms; no inline script or style applies.
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  // Not no-referrer: with it, browsers send "Origin: null" with a form.
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
  'x-robots-tag': 'noindex',
}

/**
 * Guards every route of the console, even one that declares nothing: only open pages work without a session, and a change
 * must come from the console's own form, sent by an operator whom the LMS has confirmed as staff.
 */
export function addGuard({ scope, findSession }: { scope: FastifyInstance; findSession: Sessions['find'] }): void {
  scope.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS)
    if (request.routeOptions.config.open) return
    const token = readSession(request)
    request.session = token === null ? null : await findSession(token)
    // A change is refused after this, because the refusal shows the text in its form.
    if (request.session === null && READS.includes(request.method)) return sendToSignIn(request, reply)
  })

  scope.addHook('preHandler', async (request, reply) => {
    if (READS.includes(request.method)) return
    const { session } = request
    if (session === null) return sendRefusal(reply, 401, 'signedOut')
    if (!isFromHere(request) || !hasToken(request, session)) return sendRefusal(reply, 403, 'form')
    if (!session.confirmed && !request.routeOptions.config.unconfirmed) return sendRefusal(reply, 503, 'unconfirmed')
  })
}

/** After the sign-in, the browser returns to the page that it asked for. */
function sendToSignIn(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const signIn = signInUrl(request.site, ownPath(request.site, request.url))
  if (isUpdate(request)) return reply.code(401).header('hx-redirect', signIn).send()
  return reply.redirect(signIn, 303)
}

/** Browsers name the site that a form comes from. */
const isFromHere = ({ headers, site }: FastifyRequest): boolean =>
  headers.origin === undefined ? headers['sec-fetch-site'] === 'same-origin' : headers.origin === site.origin

/** The token belongs to the session. */
function hasToken(request: FastifyRequest, { csrf }: Session): boolean {
  const given = Buffer.from(formOf(request).get('csrf') ?? '')
  const right = Buffer.from(csrf)
  return given.length === right.length && timingSafeEqual(given, right)
}

/**
 * Refuses a form, and leads back to the page that it is on; if there is no session, by way of the sign-in. The text that
 * an operator typed is shown to be copied, and keep.js puts it back into the page. The text of another site's form is not:
 * it would get into a form of the console.
 */
function sendRefusal(reply: FastifyReply, status: number, why: 'signedOut' | 'form' | 'unconfirmed'): FastifyReply {
  const { request } = reply
  const { title, text, action } = TEXTS.refusals[why]
  const page = pageBefore(request)
  const main = html`<p>${text}</p>!${isFromHere(request) ? textHtml(request, page) : ''}
<p><a class="button" href="${request.site.origin}${page}">${action}</a></p>`
  return sendPage({ reply, status, title, main })
}

/** The page that the form is on, as path and query; the overview if the browser does not tell. */
function pageBefore({ site, headers }: FastifyRequest): string {
  const before = headers.referer ?? ''
  if (!URL.canParse(before)) return pageOf(site, '')
  const { origin, pathname, search } = new URL(before)
  return pageOf(site, origin === site.origin ? pathname + search : '')
}

/** The check boxes and lists of forms: keep.js puts them back with the text. */
const CHOICES = ['course', 'paid', 'withdraw']

/** What an operator typed into a form, each field with its name, and chose; '' if it has no such field. */
function textHtml(request: FastifyRequest, page: string): string {
  const { site, url } = request
  const form = formOf(request)
  const fields = Object.entries(words.fields).flatMap(([name, label]) => {
    const value = form.get(name) ?? ''
    if (value.trim() === '') return []
    const rows = Math.min(10, 1 + value.split('\n').length)
    return html`<label for="kept-${name}">${label}</label><textarea id="kept-${name}" name="${name}" rows="${rows}" cols="60" readonly>
${value}</textarea>`
  })
  const choices = hiddenFields(new URLSearchParams([...form].filter(([name]) => CHOICES.includes(name))))
  if (fields.length === 0 && choices === '') return ''
  const intro = html`<h2>${words.title}</h2><p>${words.copy} <span data-scripted hidden>${words.returns}</span></p>`
  const { pathname } = new URL(page, site.origin)
  const [action = ''] = ownPath(site, url).split('?')
  return html`<section id="kept" class="stack" data-page="${pathname}" data-action="${action}">!${fields.length === 0 ? '' : intro}!${fields.join('\n')}!${choices}</section>`
}
