import { html } from 'ghtml'
import { numberText, timeHtml } from '../layout/format.ts'
import { shareReads } from '../layout/share-reads.ts'
import { fill, TEXTS } from '../layout/texts.ts'
import { type ConsoleParts, isOpen } from '../parts.ts'
import { callbackOf, type Site } from './site.ts'

const words = TEXTS.signIn
const outageWords = TEXTS.lmsOutage

/** Anyone can ask for the sign-in, so all who do within this time share one heartbeat: ms. */
const SHARED_MS = 1000

/** The LMS does not answer. `since`: ms since 1970, null if unknown. `queued`: null if the database can't be read. */
interface LmsOutage {
  readonly since: number | null
  readonly queued: number | null
}

/** Returns a function that finds out whether people can sign in now: null if the LMS answers. It waits 2 s at most. */
export function createOutageCheck({
  signIn,
  liveState,
  readCounts,
  now,
}: Pick<ConsoleParts, 'signIn' | 'liveState' | 'readCounts' | 'now'>): () => Promise<LmsOutage | null> {
  const check = async (): Promise<LmsOutage | null> => {
    if (await signIn.isLmsUp()) return null
    const view = liveState.breaker()
    const counts = await readCounts().catch(() => null)
    return { since: view !== null && isOpen(view) ? view.since : null, queued: counts?.queued ?? null }
  }
  return shareReads({ read: check, forMs: SHARED_MS, now })
}

/** Returns the page instead of the sign-in of an LMS that is down. `again`: the address of the sign-in. */
export function outageHtml({ since, queued }: LmsOutage, again: string): string {
  const began = since === null ? '' : html`<p>${outageWords.since} !${timeHtml(since)}.</p>`
  const waiting = queued === null ? '' : html`<p>${fill(outageWords.queued, { count: numberText(queued) })}</p>`
  return html`<div class="note bad"><p>${outageWords.text}</p>!${began}!${waiting}</div>
<p>${outageWords.reads}</p>
<p class="actions"><a class="button" href="${again}">${outageWords.again}</a> <a class="button second" href="${again}&anyway=yes">${outageWords.anyway}</a></p>`
}

/** What the links to the LMS are made of. */
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

/** Returns the page for a person who signed in to the LMS, but is not staff there. */
export function notStaffHtml(of: LmsLinks & { username: string }): string {
  const { site, lmsUrl, username } = of
  const console = `${site.origin}${site.base}/`
  return html`<p>${fill(words.notStaff.text, { username })}</p>
<h2>${words.notStaff.other}</h2><p>${words.notStaff.otherText} <a href="${console}">${console}</a></p>
<p><a class="button" href="${lmsSignOut(of)}">${words.notStaff.action}</a></p>
<h2>${fill(words.notStaff.become, { username })}</h2><p>${words.notStaff.becomeText} <a href="${lmsUrl}/admin/auth/user/?q=${username}">${lmsUrl}/admin/auth/user/</a></p>
<p>${words.notStaff.command} <code>./manage.py lms manage_user ${username} ${words.notStaff.address} --staff</code></p>
<p><a class="button second" href="${site.base}/sign-in">${words.notStaff.again}</a></p>`
}

/** Returns the page after signing out of the console. */
export function signedOutHtml(links: LmsLinks): string {
  return html`<p>${words.out.text}</p>
<p class="actions"><a class="button" href="${links.site.base}/">${words.out.action}</a> <a class="button second" href="${lmsSignOut(links)}">${words.out.lms}</a></p>`
}
