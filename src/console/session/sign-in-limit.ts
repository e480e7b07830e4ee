import { randomBytes } from 'node:crypto'
import { Signer } from '@fastify/cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { networkOf } from '../../service/lib/network.ts'
import { cookieName, cookieOptions } from './cookies.ts'
import type { Site } from './site.ts'

const MINUTE_MS = 60_000
/** The LMS's token endpoint allows 120 calls a minute to one address; failed sign-ins get this share of them. */
const TOTAL_MAX = 30
const EACH_MAX = 6
/** How long a browser is known. */
const KNOWN_MS = 180 * 24 * 3_600_000

/**
 * Limits the failed sign-ins that reach the LMS. Anyone can begin one, and the LMS counts them by the address that calls
 * it, which is this service's: a stranger could use up the calls with which the service gets its own token.
 *
 * A network has six of the 30, so that one attacker locks out only their own network. Browsers that operators have
 * signed in with before have a separate limit of 30, six each: neither an attacker behind the same NAT nor an attacker
 * with many networks can use it up.
 *
 * Returns a function that counts one more sign-in as failed, and returns how to undo that; null if there were too many
 * from this origin within the minute, or too many in all. `browser`: its id, if an operator has signed in with it before;
 * see rememberBrowser.
 *
 * @param from.now in ms since 1970
 */
export function createSignInLimit({ now }: { now: () => number }) {
  const strangers = createCounts(now)
  const known = createCounts(now)
  return ({ ip, browser }: { ip: string; browser: string | null }) =>
    browser === null ? strangers(networkOf(ip)) : known(browser)
}
export type SignInLimit = ReturnType<typeof createSignInLimit>

/** Refused sign-ins leave no entry, so there are never more than TOTAL_MAX entries. */
function createCounts(now: () => number) {
  let minute = { began: now(), total: 0, counts: new Map<string, number>() }
  return (key: string): (() => void) | null => {
    if (Math.abs(now() - minute.began) >= MINUTE_MS) minute = { began: now(), total: 0, counts: new Map() }
    const mine = minute
    const ofKey = mine.counts.get(key) ?? 0
    if (mine.total >= TOTAL_MAX || ofKey >= EACH_MAX) return null
    mine.total++
    mine.counts.set(key, ofKey + 1)
    return () => {
      mine.total--
      const left = (mine.counts.get(key) ?? 1) - 1
      if (left === 0) mine.counts.delete(key)
      else mine.counts.set(key, left)
    }
  }
}

const nameOf = (site: Site): string => cookieName(site, 'known')
const pathOf = ({ base }: Site): string => `${base}/callback`

/** Each use of the secret has a key of its own, so that a signature from elsewhere is not valid here. */
const signerOf = (clientSecret: string): Signer => new Signer(`known browser ${clientSecret}`)

/**
 * Sets a cookie that distinguishes this browser from strangers at later sign-ins: it has its own limit there, and no
 * other right. The cookie identifies no person, and outlives the session and the sign-out. It is signed and not stored,
 * so it is valid on every replica, and no stranger can make one.
 *
 * @param from.clientSecret LERNITO_CONSOLE_CLIENT_SECRET; after a change of it, no browser is known
 * @param from.now in ms since 1970
 */
export function rememberBrowser(from: { reply: FastifyReply; clientSecret: string; now: number }): void {
  const { reply, clientSecret, now } = from
  const { site } = reply.request
  const value = `${now + KNOWN_MS}.${randomBytes(16).toString('base64url')}`
  reply.setCookie(nameOf(site), signerOf(clientSecret).sign(value), {
    ...cookieOptions(site, pathOf(site)),
    maxAge: KNOWN_MS / 1000,
  })
}

/** Returns the id of a browser that an operator signed in with in the last 180 days; null for any other browser. */
export function knownBrowser(of: { request: FastifyRequest; clientSecret: string; now: number }): string | null {
  const { request, clientSecret, now } = of
  const { cookies, site } = request
  const { value } = signerOf(clientSecret).unsign(cookies[nameOf(site)] ?? '')
  const [until = '', id = ''] = value?.split('.') ?? []
  return now < Number(until) ? id : null
}
