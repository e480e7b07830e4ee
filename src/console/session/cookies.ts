import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Attempt } from '../../lms/sign-in.ts'
import { SESSION_MS } from './sessions.ts'
import type { Site } from './site.ts'

/** Time to sign in at the LMS, in seconds. The LMS's code is valid for as long (recorded: sign-in.json redeems it at once). */
const ATTEMPT_SECONDS = 600
/**
 * The most attempts that a browser keeps. A link on any site can begin one, and too many cookies would make its requests
 * longer than the server reads.
 */
const ATTEMPTS_MAX = 5

/** What the browser keeps while the person signs in at the LMS. `next` is the page to show afterwards. */
interface KeptAttempt extends Pick<Attempt, 'verifier'> {
  readonly next: string
}

/** No script can read the cookies, no other site's form sends them, and an https site never sends them over http. */
export const cookieOptions = ({ secure }: Site, path: string) =>
  ({ path, secure, httpOnly: true, sameSite: 'lax' }) as const

/** The prefix makes browsers accept such a cookie over https only. */
export const cookieName = ({ secure }: Site, name: string): string => `${secure ? '__Secure-' : ''}lernito_${name}`
const sessionName = (site: Site): string => cookieName(site, 'console')
/** The name contains the attempt's state, so that several windows can sign in at once. */
const attemptName = (site: Site, state: string): string => cookieName(site, `sign_in_${state}`)

/** Returns the token that the browser sent, unchecked; null if it sent none. */
export const readSession = ({ cookies, site }: FastifyRequest): string | null => cookies[sessionName(site)] ?? null

/** Sets the session's token for as long as a session can last. */
export function setSession(reply: FastifyReply, token: string): void {
  const { site } = reply.request
  reply.setCookie(sessionName(site), token, { ...cookieOptions(site, site.base), maxAge: SESSION_MS / 1000 })
}

/** Removes the token from the browser. */
export function clearSession(reply: FastifyReply): void {
  const { site } = reply.request
  reply.clearCookie(sessionName(site), cookieOptions(site, site.base))
}

/**
 * Stores the attempt in the browser until it returns from the LMS, and removes the oldest ones beyond the newest five: at most
 * five of them, because a browser never has more than one too many, and a header that a stranger has written has hundreds.
 * Browsers send the oldest cookie first (RFC 6265, 5.4).
 */
export function setAttempt(reply: FastifyReply, { state, verifier, next }: Attempt & KeptAttempt): void {
  const { cookies, site } = reply.request
  const earlier = Object.keys(cookies).filter((name) => name.startsWith(attemptName(site, '')))
  const tooMany = Math.max(0, earlier.length - ATTEMPTS_MAX + 1)
  for (const name of earlier.slice(0, Math.min(tooMany, ATTEMPTS_MAX))) {
    reply.clearCookie(name, cookieOptions(site, site.base))
  }
  const value = `${verifier}.${Buffer.from(next).toString('base64url')}`
  reply.setCookie(attemptName(site, state), value, { ...cookieOptions(site, site.base), maxAge: ATTEMPT_SECONDS })
}

/** Returns and removes the stored attempt that the LMS's `state` names; null if this browser began no such attempt. */
export function consumeAttempt(reply: FastifyReply, state: string): KeptAttempt | null {
  if (!/^[\w-]{43}$/.test(state)) return null
  const { cookies, site } = reply.request
  const name = attemptName(site, state)
  const [verifier, next] = (cookies[name] ?? '').split('.')
  if (!verifier || next === undefined) return null
  reply.clearCookie(name, cookieOptions(site, site.base))
  return { verifier, next: Buffer.from(next, 'base64url').toString() }
}
