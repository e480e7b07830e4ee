import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { cookieOptions } from './cookies.ts'
import type { Site } from './site.ts'

const KNOWN_MS = 180 * 24 * 3_600_000

const nameOf = ({ secure }: Site): string => `${secure ? '__Secure-' : ''}lernito_known`
const pathOf = ({ base }: Site): string => `${base}/callback`

/** Each use of the secret signs another text, so that a signature from elsewhere is not valid here. */
const signatureOf = (signed: string, clientSecret: string): Buffer =>
  createHmac('sha256', clientSecret).update(`known browser ${signed}`).digest()

/**
 * Sets a cookie that distinguishes this browser from strangers at later sign-ins: it has its own limit there, and no
 * other right. The cookie identifies no person, and outlives the session and the sign-out. It is signed and not stored,
 * so it is valid on every replica, and no stranger can make one.
 *
 * @param from.clientSecret LERNITO_CONSOLE_CLIENT_SECRET; after a change of it, no browser is known
 * @param from.now in ms since 1970
 */
export function rememberBrowser(from: { reply: FastifyReply; site: Site; clientSecret: string; now: number }): void {
  const { reply, site, clientSecret, now } = from
  const signed = `${now + KNOWN_MS}.${randomBytes(16).toString('base64url')}`
  reply.setCookie(nameOf(site), `${signed}.${signatureOf(signed, clientSecret).toString('base64url')}`, {
    ...cookieOptions(site, pathOf(site)),
    maxAge: KNOWN_MS / 1000,
  })
}

/** Returns the id of a browser that an operator signed in with in the last 180 days; null for any other browser. */
export function knownBrowser(from: {
  request: FastifyRequest
  site: Site
  clientSecret: string
  now: number
}): string | null {
  const [until = '', id = '', signature = ''] = (from.request.cookies[nameOf(from.site)] ?? '').split('.')
  const given = Buffer.from(signature, 'base64url')
  const right = signatureOf(`${until}.${id}`, from.clientSecret)
  if (given.length !== right.length || !timingSafeEqual(given, right)) return null
  return from.now < Number(until) ? id : null
}
