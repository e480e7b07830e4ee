import type { FastifyReply } from 'fastify'
import type { Failure } from '../../lms/client/failure.ts'
import type { Person } from '../../lms/sign-in.ts'
import { sendMessage, sendPage } from '../layout/layout.ts'
import { queryOf } from '../layout/request.ts'
import { fillBoth, TEXTS } from '../layout/texts.ts'
import type { PageParts } from '../parts.ts'
import { clearSession, consumeAttempt, readSession, setAttempt, setSession } from './cookies.ts'
import { createOutageCheck, notStaffHtml, outageHtml, signedOutHtml } from './open-pages.ts'
import type { Sessions } from './sessions.ts'
import { createSignInLimit, knownBrowser, rememberBrowser, type SignInLimit } from './sign-in-limit.ts'
import { callbackOf, pageOf } from './site.ts'

interface SignInParts extends PageParts {
  readonly sessions: Sessions
}

/** Adds the sign-in through the LMS, and the sign-out. */
export function addSignInPages(parts: SignInParts): void {
  const { scope, signIn } = parts
  const limit = createSignInLimit({ now: parts.now })
  const outageNow = createOutageCheck(parts)

  // With `anyway`, the LMS's sign-in opens even if the LMS does not seem to answer.
  scope.get('/sign-in', { config: { open: true } }, async (request, reply) => {
    const { site } = request
    const query = queryOf(request)
    const next = pageOf(site, query.get('next') ?? '')
    const outage = query.has('anyway') ? null : await outageNow()
    if (outage !== null) {
      const main = outageHtml(outage, `${site.base}/sign-in?next=${encodeURIComponent(next)}`)
      reply.header('retry-after', 10)
      return sendPage({ reply, status: 503, title: TEXTS.lmsOutage.title, main })
    }
    const { url, ...attempt } = await signIn.begin(callbackOf(site))
    setAttempt(reply, { ...attempt, next })
    return reply.redirect(url, 303)
  })

  scope.get('/callback', { config: { open: true } }, (_request, reply) => finish(parts, limit, reply))

  scope.post('/sign-out', { config: { unconfirmed: true } }, (_request, reply) => signOut(parts, reply))

  scope.get('/signed-out', { config: { open: true } }, async ({ site }, reply) =>
    sendPage({ reply, title: TEXTS.signIn.out.title, main: signedOutHtml({ ...parts, site }) }),
  )
}

/** Handles a browser that returns from the LMS: it gets a session, or a page that says why not. */
async function finish(parts: SignInParts, limit: SignInLimit, reply: FastifyReply): Promise<FastifyReply> {
  const { signIn, clientSecret, now, onSignIn } = parts
  const { request } = reply
  const { site, ip } = request
  const parameters = queryOf(request)
  // From the sign-out of the LMS.
  if (parameters.size === 0) return reply.redirect(`${site.base}/sign-in`, 303)
  const state = parameters.get('state') ?? ''
  const link = `${site.origin}${site.base}/sign-in`
  const kept = consumeAttempt(reply, state)
  if (kept === null) return sendMessage({ reply, status: 400, ...TEXTS.signIn.lost, link })
  const counted = limit.count({ ip, browser: knownBrowser({ request, clientSecret, now: now() }) })
  if (counted === null) {
    reply.header('retry-after', 60)
    return sendMessage({ reply, status: 429, ...TEXTS.signIn.tooMany, link })
  }
  const attempt = { state, verifier: kept.verifier }
  const judged = await signIn.finish({ parameters, attempt, redirectUri: callbackOf(site) })
  if (!judged.ok) {
    const { kind, status, message: reason } = judged.failure
    if (kind === 'refused' && status === null) counted.undo() // without a call to the LMS
    onSignIn({ kind: 'failed', reason })
    return sendMessage({ reply, status: statusOf(kind), ...fillBoth(TEXTS.signIn.failed, { reason }), link })
  }
  const { username, administrator } = judged.value
  if (!administrator) {
    onSignIn({ kind: 'not_staff', username })
    const main = notStaffHtml({ ...parts, site, username })
    return sendPage({ reply, status: 403, title: TEXTS.signIn.notStaff.title, main })
  }
  counted.undo()
  await beginSession(parts, reply, judged.value)
  return reply.redirect(pageOf(site, kept.next), 303)
}

/** Replaces the browser's earlier session, if it has one. */
async function beginSession(parts: SignInParts, reply: FastifyReply, person: Person): Promise<void> {
  const { sessions, clientSecret, now, onSignIn } = parts
  const earlier = readSession(reply.request)
  if (earlier !== null) await sessions.end(earlier)
  setSession(reply, await sessions.begin(person))
  rememberBrowser({ reply, clientSecret, now: now() })
  onSignIn({ kind: 'signed_in', username: person.username })
}

async function signOut({ sessions, onSignIn }: SignInParts, reply: FastifyReply): Promise<FastifyReply> {
  const { request } = reply
  const token = readSession(request)
  if (token !== null) await sessions.end(token)
  clearSession(reply)
  if (request.session !== null) onSignIn({ kind: 'signed_out', username: request.session.username })
  return reply.redirect(`${request.site.base}/signed-out`, 303)
}

const statusOf = (kind: Failure['kind']): number => (kind === 'refused' ? 400 : 502)
