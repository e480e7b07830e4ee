import { html } from 'ghtml'
import { fill, TEXTS } from '../layout/texts.ts'
import { callbackOf, type Site } from './site.ts'

const words = TEXTS.signIn

/** What the links to the LMS are made of. */
export interface LmsLinks {
  readonly site: Site
  /** LERNITO_LMS_PUBLIC_URL. */
  readonly lmsUrl: string
  /** LERNITO_CONSOLE_CLIENT_ID. */
  readonly clientId: string
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
