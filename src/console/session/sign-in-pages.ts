import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Failure } from '../../lms/client/failure.ts'
import type { Person, SignIn } from '../../lms/sign-in.ts'
import type { BacklogCounts } from '../../operators/reports/counts.ts'
import { messagePage, sendPage } from '../layout/layout.ts'
import type { BreakerView } from '../layout/live-state.ts'
import { fillBoth, TEXTS } from '../layout/texts.ts'
import { createOutageCheck, outageHtml } from '../pages/overview/lms-outage.ts'
import { clearSession, consumeAttempt, readSession, setAttempt, setSession } from './cookies.ts'
import { knownBrowser, rememberBrowser } from './known-browser.ts'
import type { Sessions } from './sessions.ts'
import { createSignInLimit, type SignInLimit } from './sign-in-limit.ts'
import { type LmsLinks, notStaffHtml, signedOutHtml } from './signed-out.ts'
import { callbackOf, pageOf, type Site } from './site.ts'

/** For the log: who signed in or out, and whom the LMS or this service refused. */
export type SignInEvent =
  | { readonly kind: 'signed_in' | 'signed_out' | 'not_staff'; readonly username: string }
  | { readonly kind: 'failed'; readonly reason: string }

interface SignInParts {
  readonly scope: FastifyInstance
  readonly site: () => Site
  readonly signIn: SignIn
  readonly sessions: Sessions
  /** LERNITO_LMS_PUBLIC_URL. */
  readonly lmsUrl: string
  /** LERNITO_CONSOLE_CLIENT_ID. */
  readonly clientId: string
  /** LERNITO_CONSOLE_CLIENT_SECRET. */
  readonly clientSecret: string
  /** In ms since 1970. */
  readonly now: () => number
  readonly breaker: () => BreakerView | null
  readonly readCounts: () => Promise<BacklogCounts>
  readonly onSignIn: (event: SignInEvent) => void
}

interface SignInQuery {
  readonly next?: string
  /** Present: the LMS's sign-in opens even if the LMS does not seem to answer. */
  readonly anyway?: string
}

interface Exchange {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

/** Adds the sign-in through the LMS, and the sign-out. */
export function addSignInPages(parts: SignInParts): void {
  const { scope, site, signIn } = parts
  const limit = createSignInLimit({ now: parts.now })
  const outageNow = createOutageCheck({ ...parts, isLmsUp: signIn.isLmsUp })

  scope.get<{ Querystring: SignInQuery }>('/sign-in', { config: { open: true } }, async (request, reply) => {
    const next = pageOf(site(), String(request.query.next ?? ''))
    const outage = request.query.anyway === undefined ? await outageNow() : null
    if (outage !== null) {
      const main = outageHtml(outage, `${site().base}/sign-in?next=${encodeURIComponent(next)}`)
      reply.header('retry-after', 10)
      return sendPage({ reply, site: site(), session: null, status: 503, title: TEXTS.lmsOutage.title, main })
    }
    const { url, ...attempt } = await signIn.begin(callbackOf(site()))
    setAttempt(request, reply, site(), { ...attempt, next })
    return reply.redirect(url, 303)
  })

  scope.get('/callback', { config: { open: true } }, (request, reply) => finish(parts, limit, { request, reply }))

  scope.post('/sign-out', { config: { unconfirmed: true } }, (request, reply) => signOut(parts, { request, reply }))

  scope.get('/signed-out', { config: { open: true } }, async (_request, reply) =>
    sendPage({
      reply,
      site: site(),
      session: null,
      title: TEXTS.signIn.out.title,
      main: signedOutHtml(lmsLinks(parts)),
    }),
  )
}

/** Handles a browser that returns from the LMS: it gets a session, or a page that says why not. */
async function finish(parts: SignInParts, limit: SignInLimit, { request, reply }: Exchange): Promise<FastifyReply> {
  const { site, signIn, clientSecret, now, onSignIn } = parts
  const parameters = new URL(request.url, site().origin).searchParams
  // From the sign-out of the LMS.
  if (parameters.size === 0) return reply.redirect(`${site().base}/sign-in`, 303)
  const state = parameters.get('state') ?? ''
  const again = `${site().origin}${site().base}/sign-in`
  const kept = consumeAttempt(request, reply, site(), state)
  if (kept === null) return sendMessage(parts, { reply, status: 400, ...TEXTS.signIn.lost, link: again })
  const browser = knownBrowser({ request, site: site(), clientSecret, now: now() })
  const counted = limit.count({ ip: request.ip, browser })
  if (counted === null) {
    reply.header('retry-after', 60)
    return sendMessage(parts, { reply, status: 429, ...TEXTS.signIn.tooMany, link: again })
  }
  const attempt = { state, verifier: kept.verifier }
  const judged = await signIn.finish({ parameters, attempt, redirectUri: callbackOf(site()) })
  if (!judged.ok) {
    const { kind, status, message: reason } = judged.failure
    if (kind === 'refused' && status === null) counted.undo() // without a call to the LMS
    onSignIn({ kind: 'failed', reason })
    const text = fillBoth(TEXTS.signIn.failed, { reason })
    return sendMessage(parts, { reply, status: statusOf(kind), ...text, link: again })
  }
  const { username, administrator } = judged.value
  if (!administrator) {
    onSignIn({ kind: 'not_staff', username })
    const { title } = TEXTS.signIn.notStaff
    const main = notStaffHtml({ ...lmsLinks(parts), username })
    return sendPage({ reply, site: site(), session: null, status: 403, title, main })
  }
  counted.undo()
  await beginSession(parts, { request, reply }, judged.value)
  return reply.redirect(pageOf(site(), kept.next), 303)
}

/** Replaces the browser's earlier session, if it has one. */
async function beginSession(parts: SignInParts, { request, reply }: Exchange, person: Person): Promise<void> {
  const { site, sessions, clientSecret, now, onSignIn } = parts
  const earlier = readSession(request, site())
  if (earlier !== null) await sessions.end(earlier)
  setSession(reply, site(), await sessions.begin(person))
  rememberBrowser({ reply, site: site(), clientSecret, now: now() })
  onSignIn({ kind: 'signed_in', username: person.username })
}

async function signOut(parts: SignInParts, { request, reply }: Exchange): Promise<FastifyReply> {
  const { site, sessions, onSignIn } = parts
  const token = readSession(request, site())
  if (token !== null) await sessions.end(token)
  clearSession(reply, site())
  if (request.session !== null) onSignIn({ kind: 'signed_out', username: request.session.username })
  return reply.redirect(`${site().base}/signed-out`, 303)
}

const lmsLinks = ({ site, lmsUrl, clientId }: SignInParts): LmsLinks => ({ site: site(), lmsUrl, clientId })

function sendMessage(
  { site }: Pick<SignInParts, 'site'>,
  of: { reply: FastifyReply; status: number; title: string; text: string; action: string; link: string },
): FastifyReply {
  const { reply, status, title } = of
  return sendPage({ reply, site: site(), session: null, status, title, main: messagePage(of) })
}

const statusOf = (kind: Failure['kind']): number => (kind === 'refused' ? 400 : 502)
