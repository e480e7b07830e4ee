import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import type { Person } from './state.ts'

/** Random bytes: `size` of them. node:crypto's randomBytes unless a test wants to know them beforehand. */
export type Random = (size: number) => Uint8Array
export type Tokens = ReturnType<typeof createTokens>

/** An authorization code waits for its one use: who signed in, for which application, with which challenge. */
export type Grant = {
  username: string
  clientId: string
  redirectUri: string
  scopes: string[]
  challenge: { value: string; method: 'S256' | 'plain' } | null
  expires: number
}

/** What a refresh token stands for. */
export type Refreshable = Pick<Grant, 'username' | 'clientId' | 'scopes'>

export type TokenCheck = { username: string } | { refused: 'invalid' | 'expired' | 'nonexistent' }

const jwtSeconds = 3600
const opaqueSeconds = 36_000
const codeSeconds = 600
const header = { alg: 'HS256', typ: 'JWT' }
const claims = z.looseObject({ preferred_username: z.string(), exp: z.number() })

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Issues and checks the LMS's tokens: JWTs (HS256, one hour), opaque tokens (ten hours) and authorization codes. */
export function createTokens({ now, random }: { now: () => number; random: Random }) {
  const key = random(32)
  const opaque = new Map<string, { username: string; expires: number }>()
  const grants = new Map<string, Grant>()
  const refreshable = new Map<string, Refreshable>()

  function randomText(size: number): string {
    return Buffer.from(random(size)).toString('hex')
  }

  function sign(text: string): Buffer {
    return createHmac('sha256', key).update(text).digest()
  }

  function issueJwt({
    person,
    grant,
    scopes,
    host,
  }: {
    person: Person
    grant: string
    scopes: string[]
    host: string
  }) {
    const issued = Math.floor(now() / 1000)
    const payload = {
      aud: 'openedx',
      exp: issued + jwtSeconds,
      grant_type: grant,
      iat: issued,
      iss: `http://${host}/oauth2`,
      preferred_username: person.username,
      scopes,
      version: '1.2.0',
      sub: createHash('md5').update(`sub ${person.id} ${person.username}`).digest('hex'),
      filters: grant === 'authorization-code' ? ['user:me'] : [],
      is_restricted: false,
      email_verified: person.active,
      ...(scopes.includes('email') ? { email: person.email } : {}),
      ...(scopes.includes('profile') ? profileOf(person) : {}),
    }
    const signed = `${encode(header)}.${encode(payload)}`
    return {
      access_token: `${signed}.${sign(signed).toString('base64url')}`,
      expires_in: jwtSeconds,
      token_type: 'JWT',
    }
  }

  function issueOpaque({ person }: { person: Person }) {
    const token = randomText(15)
    opaque.set(token, { username: person.username, expires: now() + opaqueSeconds * 1000 })
    return { access_token: token, expires_in: opaqueSeconds, token_type: 'Bearer' }
  }

  function checkJwt(token: string): TokenCheck {
    const [head = '', body = '', signature = '', ...rest] = token.split('.')
    const given = Buffer.from(signature, 'base64url')
    const right = sign(`${head}.${body}`)
    if (rest.length > 0 || given.length !== right.length || !timingSafeEqual(given, right))
      return { refused: 'invalid' }
    // Signed by us, so it is what issueJwt made.
    const { preferred_username, exp } = claims.parse(JSON.parse(Buffer.from(body, 'base64url').toString()))
    return exp * 1000 <= now() ? { refused: 'expired' } : { username: preferred_username }
  }

  function checkOpaque(token: string): TokenCheck {
    const found = opaque.get(token)
    if (!found) return { refused: 'nonexistent' }
    return found.expires <= now() ? { refused: 'expired' } : { username: found.username }
  }

  function issueCode(grant: Omit<Grant, 'expires'>): string {
    const code = randomText(15)
    grants.set(code, { ...grant, expires: now() + codeSeconds * 1000 })
    return code
  }

  /** Hands a code's grant out once; null for an unknown, used or expired one. */
  function takeCode(code: string): Grant | null {
    const grant = grants.get(code)
    grants.delete(code)
    return grant && grant.expires > now() ? grant : null
  }

  function issueRefresh(of: Refreshable): string {
    const token = randomText(15)
    refreshable.set(token, of)
    return token
  }

  /** A refresh token is good once: the LMS leaves django-oauth-toolkit's ROTATE_REFRESH_TOKEN as it is, on. */
  function takeRefresh(token: string): Refreshable | null {
    const found = refreshable.get(token)
    refreshable.delete(token)
    return found ?? null
  }

  return {
    issueJwt,
    issueOpaque,
    checkJwt,
    checkOpaque,
    issueCode,
    takeCode,
    issueRefresh,
    takeRefresh,
    randomText,
  }
}

function profileOf(person: Person) {
  return {
    name: person.name,
    family_name: '',
    given_name: '',
    administrator: person.staff,
    superuser: person.superuser,
  }
}
