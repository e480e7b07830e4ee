import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Failure } from '../openedx/failure.ts'
import type { SignIn } from '../openedx/sign-in.ts'
import { clearSession, keepAttempt, readSession, setSession, takeAttempt } from './cookies.ts'
import { keepBrowser, knownBrowser } from './known-browser.ts'
import { messagePage, sendPage } from './layout.ts'
import { createLimit } from './limit.ts'
import type { Sessions } from './sessions.ts'
import { callbackOf, pageOf, type Site } from './site.ts'
import { fillBoth, TEXTS } from './texts.ts'

/** For the log: who came in, who went, and whom the LMS or this service turned away. */
export type Visit =
  | { readonly kind: 'signed_in' | 'signed_out' | 'not_staff'; readonly username: string }
  | { readonly kind: 'failed'; readonly reason: string }

interface Doors {
  readonly scope: FastifyInstance
  readonly site: () => Site
  readonly signIn: SignIn
  readonly sessions: Sessions
  /** LERNITO_LMS_PUBLIC_URL. */
  readonly lmsUrl: string
  /** LERNITO_CONSOLE_CLIENT_SECRET. */
  readonly clientSecret: string
  readonly now: () => number
  readonly onVisit: (visit: Visit) => void
}

/** The way in by the LMS, and the way out. */
export function addSignInPages({ scope, site, signIn, sessions, lmsUrl, clientSecret, now, onVisit }: Doors): void {
  const limit = createLimit({ now })
  const say = (
    reply: FastifyReply,
    status: number,
    of: { title: string; text: string; action: string; link: string },
  ) => sendPage({ reply, site: site(), session: null, status, title: of.title, main: messagePage(of) })

  scope.get<{ Querystring: { next?: string } }>('/sign-in', { config: { open: true } }, async (request, reply) => {
    const next = pageOf(site(), String(request.query.next ?? ''))
    const { url, ...attempt } = await signIn.begin(callbackOf(site()))
    keepAttempt(reply, site(), { ...attempt, next })
    return reply.redirect(url, 303)
  })

  scope.get('/callback', { config: { open: true } }, async (request, reply) => {
    const parameters = new URL(request.url, site().origin).searchParams
    const state = parameters.get('state') ?? ''
    const kept = takeAttempt(request, reply, site(), state)
    const again = `${site().origin}${site().base}/sign-in`
    if (kept === null) return say(reply, 400, { ...TEXTS.signIn.lost, link: again })
    const browser = knownBrowser({ request, site: site(), clientSecret, now: now() })
    const taken = limit.take({ ip: request.ip, browser })
    if (taken === null) {
      reply.header('retry-after', 60)
      return say(reply, 429, { ...TEXTS.signIn.tooMany, link: again })
    }
    const attempt = { state, verifier: kept.verifier }
    const judged = await signIn.finish({ parameters, attempt, redirectUri: callbackOf(site()) })
    if (!judged.ok) {
      const { kind, status, message } = judged.failure
      if (kind === 'refused' && status === null) taken.giveBack() // the LMS was not asked
      onVisit({ kind: 'failed', reason: message })
      return say(reply, statusOf(kind), { ...fillBoth(TEXTS.signIn.failed, { reason: message }), link: again })
    }
    const { username, administrator } = judged.value
    if (!administrator) {
      onVisit({ kind: 'not_staff', username })
      return say(reply, 403, { ...fillBoth(TEXTS.signIn.notStaff, { username }), link: `${lmsUrl}/logout` })
    }
    taken.giveBack()
    const before = readSession(request, site())
    if (before !== null) await sessions.end(before)
    setSession(reply, site(), await sessions.begin(judged.value))
    keepBrowser({ reply, site: site(), clientSecret, now: now() })
    onVisit({ kind: 'signed_in', username })
    return reply.redirect(pageOf(site(), kept.next), 303)
  })

  scope.post('/sign-out', { config: { unconfirmed: true } }, async (request, reply) => {
    const token = readSession(request, site())
    if (token !== null) await sessions.end(token)
    clearSession(reply, site())
    if (request.session !== null) onVisit({ kind: 'signed_out', username: request.session.username })
    return reply.redirect(`${site().base}/signed-out`, 303)
  })

  scope.get('/signed-out', { config: { open: true } }, async (_request, reply) =>
    say(reply, 200, { ...fillBoth(TEXTS.signIn.out, { lmsUrl }), link: `${site().base}/` }),
  )
}

const statusOf = (kind: Failure['kind']): number => (kind === 'refused' ? 400 : 502)
