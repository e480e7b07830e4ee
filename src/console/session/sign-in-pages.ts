import type { FastifyReply } from 'fastify'
import { html } from 'ghtml'
import type { Person } from '../../lms/sign-in.ts'
import { shareReads } from '../../service/lib/share-reads.ts'
import { fillCount, timeHtml } from '../layout/format.ts'
import { sendMessage, sendPage } from '../layout/layout.ts'
import { queryOf } from '../layout/request.ts'
import { fill, fillBoth, TEXTS } from '../layout/texts.ts'
import type { ConsoleParts, PageParts } from '../parts.ts'
import { clearSession, consumeAttempt, readSession, setAttempt, setSession } from './cookies.ts'
import type { Sessions } from './sessions.ts'
import { createSignInLimit, knownBrowser, rememberBrowser, type SignInLimit } from './sign-in-limit.ts'
import { callbackOf, consoleUrl, pageOf, type Site, signInUrl } from './site.ts'

const words = TEXTS.signIn
const outageWords = TEXTS.lmsOutage

/** Anyone can ask for the sign-in, so all who do within this time share one heartbeat: ms. */
const SHARED_MS = 1000

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
      const main = outageHtml(outage, signInUrl(site, next))
      reply.header('retry-after', 10)
      return sendPage({ reply, status: 503, title: outageWords.title, main })
    }
    const { url, ...attempt } = await signIn.begin(callbackOf(site))
    setAttempt(reply, { ...attempt, next })
    return reply.redirect(url, 303)
  })

  scope.get('/callback', { config: { open: true, once: true } }, (_request, reply) => finish(parts, limit, reply))

  scope.post('/sign-out', { config: { unconfirmed: true } }, (_request, reply) => signOut(parts, reply))

  scope.get('/signed-out', { config: { open: true } }, async ({ site }, reply) =>
    sendPage({ reply, title: words.out.title, main: signedOutHtml({ ...parts, site }) }),
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
  const again = { action: words.again, link: `${consoleUrl(site)}sign-in` }
  const kept = consumeAttempt(reply, state)
  if (kept === null) return sendMessage({ reply, status: 400, ...words.lost, ...again })
  const undo = limit({ ip, browser: knownBrowser({ request, clientSecret, now: now() }) })
  if (undo === null) {
    reply.header('retry-after', 60)
    return sendMessage({ reply, status: 429, ...words.tooMany, ...again })
  }
  const attempt = { state, verifier: kept.verifier }
  const judged = await signIn.finish({ parameters, attempt, redirectUri: callbackOf(site) })
  if (!judged.ok) {
    const { kind, status, message: reason } = judged.failure
    // Without a call to the LMS, nothing limits how many of them a stranger can cause, and each would be a line in the log.
    if (kind === 'refused' && status === null) undo()
    else onSignIn({ kind: 'failed', reason })
    return sendMessage({
      reply,
      status: kind === 'refused' ? 400 : 502,
      ...fillBoth(words.failed, { reason }),
      ...again,
    })
  }
  const { username, administrator } = judged.value
  if (!administrator) {
    onSignIn({ kind: 'not_staff', username })
    const main = notStaffHtml({ ...parts, site, username })
    return sendPage({ reply, status: 403, title: words.notStaff.title, main })
  }
  undo()
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

/** The LMS does not answer. `since`: ms since 1970, null if unknown. `queued`: null if the database can't be read. */
interface LmsOutage {
  readonly since: number | null
  readonly queued: number | null
}

/** Returns a function that finds out whether people can sign in now: null if the LMS answers. It waits 2 s at most. */
function createOutageCheck({ signIn, outage, operations, now }: PageParts): () => Promise<LmsOutage | null> {
  const check = async (): Promise<LmsOutage | null> => {
    if (await signIn.isLmsUp()) return null
    const counts = await operations.backlog().catch(() => null)
    return { since: outage()?.since ?? null, queued: counts?.queued ?? null }
  }
  return shareReads({ read: check, forMs: SHARED_MS, now })
}

/** Returns the page instead of the sign-in of an LMS that is down. `again`: the address of the sign-in. */
function outageHtml({ since, queued }: LmsOutage, again: string): string {
  const began = since === null ? '' : html`<p>${outageWords.since} !${timeHtml(since)}.</p>`
  const waiting = queued === null ? '' : html`<p>${fillCount(outageWords.queued, queued)}</p>`
  return html`<div class="note bad"><p>${outageWords.text}</p>!${began}!${waiting}</div>
<p>${outageWords.reads}</p>
<p class="actions"><a class="button" href="${again}">${outageWords.again}</a> <a class="button second" href="${again}&anyway=yes">${outageWords.anyway}</a></p>`
}

interface LmsLinks extends Pick<ConsoleParts, 'lmsUrl' | 'clientId'> {
  readonly site: Site
}

/**
 * The address that signs a person out of the LMS. Open edX then sends the browser to the redirect URI of the application
 * that it names (openedx/core/djangoapps/user_authn/utils.py, is_safe_login_or_logout_redirect), which continues with
 * the sign-in. With https it refuses an address in plain HTTP, and shows its own start page.
 */
function lmsSignOut({ site, lmsUrl, clientId }: LmsLinks): string {
  const query = new URLSearchParams({ client_id: clientId, redirect_url: callbackOf(site) })
  return `${lmsUrl}/logout?${query}`
}

function notStaffHtml(of: LmsLinks & { username: string }): string {
  const { site, lmsUrl, username } = of
  const console = consoleUrl(site)
  return html`<p>${fill(words.notStaff.text, { username })}</p>
<h2>${words.notStaff.other}</h2><p>${words.notStaff.otherText} <a href="${console}">${console}</a></p>
<p><a class="button" href="${lmsSignOut(of)}">${words.notStaff.action}</a></p>
<h2>${fill(words.notStaff.become, { username })}</h2><p>${words.notStaff.becomeText} <a href="${lmsUrl}/admin/auth/user/?q=${encodeURIComponent(username)}">${lmsUrl}/admin/auth/user/</a></p>
<p>${words.notStaff.command} <code>./manage.py lms manage_user ${username} ${words.notStaff.address} --staff</code></p>
<p><a class="button second" href="~/sign-in">${words.notStaff.again}</a></p>`
}

function signedOutHtml(links: LmsLinks): string {
  return html`<p>${words.out.text}</p>
<p class="actions"><a class="button" href="~/">${words.again}</a> <a class="button second" href="${lmsSignOut(links)}">${words.out.lms}</a></p>`
}
