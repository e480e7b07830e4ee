/** The address of the console, as browsers see it. */
export interface Site {
  /** Such as https://lms.example.com. */
  readonly origin: string
  /** The path before each page, without a slash at the end. */
  readonly base: string
  /** Whether browsers use https; the cookies are then for https only. */
  readonly secure: boolean
}

/** Relative to LERNITO_PUBLIC_URL, and to the service's own address. */
export const CONSOLE_PATH = '/lernito/console'

/** @param publicUrl LERNITO_PUBLIC_URL; the console's path follows the path in it, which a proxy may need */
export function siteOf(publicUrl: string): Site {
  const { origin, pathname, protocol } = new URL(publicUrl)
  return { origin, base: pathname.replace(/\/+$/, '') + CONSOLE_PATH, secure: protocol === 'https:' }
}

/** Returns the address of the service, without a slash at the end. */
export const serviceUrl = ({ origin, base }: Site): string => origin + base.slice(0, -CONSOLE_PATH.length)

/** Returns the address of the console, with a slash at the end. */
export const consoleUrl = ({ origin, base }: Site): string => `${origin}${base}/`

/** The address to which the LMS returns the browser. The OAuth application must have exactly this redirect URI. */
export const callbackOf = ({ origin, base }: Site): string => `${origin}${base}/callback`

/** Returns the address of a request as browsers see it, without the origin: a proxy may have removed the beginning. */
export const ownPath = ({ base }: Site, url: string): string =>
  base + url.slice(url.indexOf(CONSOLE_PATH) + CONSOLE_PATH.length)

/** @param next the page to show after the sign-in; see pageOf */
export const signInUrl = ({ base }: Site, next: string): string => `${base}/sign-in?next=${encodeURIComponent(next)}`

/** What an address says of a form that was sent: another session can't read it, or it was shown before. */
const PASSING = ['kept', 'done']

/** The longest page to return to, in bytes: the browser keeps it in a cookie. */
const PAGE_MAX = 1024

/**
 * Returns the page of the console to show after the sign-in, as path and query. Any other address gives the start page,
 * so that no link can use the console to redirect to another site. So does a very long one.
 */
export function pageOf({ origin, base }: Site, next: string): string {
  const start = `${base}/`
  if (!next.startsWith('/') || !URL.canParse(next, origin)) return start
  const url = new URL(next, origin)
  for (const name of PASSING) if (url.searchParams.has(name)) url.searchParams.delete(name)
  const page = url.pathname + url.search // in ASCII
  return url.origin === origin && url.pathname.startsWith(start) && page.length <= PAGE_MAX ? page : start
}
