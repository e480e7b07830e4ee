import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Attempt } from '../openedx/sign-in.ts'
import { SESSION_MS } from './sessions.ts'
import type { Site } from './site.ts'

/** Time to sign in at the LMS, in seconds; its code is good for as long (recorded: sign-in.json is redeemed at once). */
const ATTEMPT_SECONDS = 600

/** What the browser keeps while the person is at the LMS. `next` is the page for afterwards. */
export interface Kept extends Pick<Attempt, 'verifier'> {
  readonly next: string
}

/** No script sees them, no other site's form sends them, and over https they never travel otherwise. */
export const cookieOptions = ({ secure }: Site, path: string) =>
  ({ path, secure, httpOnly: true, sameSite: 'lax' }) as const

/** The prefix makes browsers refuse such a cookie from anything but https. */
const sessionName = ({ secure }: Site): string => `${secure ? '__Secure-' : ''}lernito_console`
/** Named by its attempt, so that several windows can sign in at once. */
const attemptName = ({ secure }: Site, state: string): string =>
  `${secure ? '__Secure-' : ''}lernito_sign_in_${state.slice(0, 16)}`

/** The token that the browser sent; null if none. It may be anything. */
export const readSession = (request: FastifyRequest, site: Site): string | null =>
  request.cookies[sessionName(site)] ?? null

/** For as long as a session may last. */
export function setSession(reply: FastifyReply, site: Site, token: string): void {
  reply.setCookie(sessionName(site), token, { ...cookieOptions(site, site.base), maxAge: SESSION_MS / 1000 })
}

/** Has the browser forget its token. */
export function clearSession(reply: FastifyReply, site: Site): void {
  reply.clearCookie(sessionName(site), cookieOptions(site, site.base))
}

/** For the way to the LMS and back; only the callback gets it. */
export function keepAttempt(reply: FastifyReply, site: Site, { state, verifier, next }: Attempt & Kept): void {
  const value = `${verifier}.${Buffer.from(next).toString('base64url')}`
  reply.setCookie(attemptName(site, state), value, {
    ...cookieOptions(site, `${site.base}/callback`),
    maxAge: ATTEMPT_SECONDS,
  })
}

/** What was kept for the attempt that the LMS names, and is then forgotten; null if this browser began none such. */
export function takeAttempt(request: FastifyRequest, reply: FastifyReply, site: Site, state: string): Kept | null {
  if (!/^[\w-]{16,}$/.test(state)) return null
  const name = attemptName(site, state)
  const [verifier, next] = (request.cookies[name] ?? '').split('.')
  if (!verifier || next === undefined) return null
  reply.clearCookie(name, cookieOptions(site, `${site.base}/callback`))
  return { verifier, next: Buffer.from(next, 'base64url').toString() }
}
