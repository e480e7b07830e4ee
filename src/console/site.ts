/** Where the console lives, as browsers see it. */
export interface Site {
  /** For example https://lms.example.com. */
  readonly origin: string
  /** The path before each of its pages, without a slash at the end. */
  readonly base: string
  /** Whether browsers come by https, so that the cookies are for https only. */
  readonly secure: boolean
}

/** Below LERNITO_PUBLIC_URL, and below the service's own address. */
export const CONSOLE_PATH = '/lernito/console'

/** @param publicUrl LERNITO_PUBLIC_URL; a path in it stays before the console's own, as a proxy may need it */
export function siteOf(publicUrl: string): Site {
  const { origin, pathname, protocol } = new URL(publicUrl)
  return { origin, base: pathname.replace(/\/+$/, '') + CONSOLE_PATH, secure: protocol === 'https:' }
}

/** Where the LMS sends the browser back to; the OAuth application has to name exactly this. */
export const callbackOf = ({ origin, base }: Site): string => `${origin}${base}/callback`

/**
 * A page of the console for after the sign-in, as path and query; the start page for everything else, so that no link
 * can use the console to lead elsewhere.
 */
export function pageOf({ origin, base }: Site, next: string): string {
  const start = `${base}/`
  if (!next.startsWith('/') || !URL.canParse(next, origin)) return start
  const url = new URL(next, origin)
  return url.origin === origin && url.pathname.startsWith(start) ? url.pathname + url.search : start
}
