import { createJwts, type TokenCheck } from './jwt.ts'
import type { Person } from './people.ts'

/** Gives `size` random bytes: node:crypto's randomBytes, unless a test needs to know them beforehand. */
export type Random = (size: number) => Uint8Array
export type Tokens = ReturnType<typeof createTokens>

/** What an authorization code was issued for: the person, the application, the redirect and the PKCE challenge. */
export type Grant = {
  username: string
  clientId: string
  redirectUri: string
  scopes: string[]
  challenge: { value: string; method: 'S256' | 'plain' } | null
  expires: number
}

/** What a refresh token was issued for. */
export type Refreshable = Pick<Grant, 'username' | 'clientId' | 'scopes'>

const opaqueSeconds = 36_000
const codeSeconds = 600

/**
 * Issues and checks the LMS's tokens: JWTs, opaque tokens (valid for ten hours), authorization codes and refresh tokens.
 * `now` gives ms since 1970.
 */
export function createTokens({ now, random }: { now: () => number; random: Random }) {
  const jwts = createJwts({ key: random(32), now })
  const randomText = (size: number): string => Buffer.from(random(size)).toString('hex')
  const newToken = (): string => randomText(15)
  const opaque = createOpaqueTokens({ now, newToken })
  const codes = createOneTimeTokens<Grant>(newToken)
  const refreshTokens = createOneTimeTokens<Refreshable>(newToken)

  return {
    randomText,
    issueJwt: jwts.issue,
    checkJwt: jwts.check,
    issueOpaque: opaque.issue,
    checkOpaque: opaque.check,
    issueCode: (grant: Omit<Grant, 'expires'>): string =>
      codes.issue({ ...grant, expires: now() + codeSeconds * 1000 }),
    /** The grant of a code, which is valid once; null for an unknown, used or expired code. */
    consumeCode: (code: string): Grant | null => {
      const grant = codes.consume(code)
      return grant !== null && grant.expires > now() ? grant : null
    },
    issueRefreshToken: refreshTokens.issue,
    /** A refresh token is valid once: the LMS keeps django-oauth-toolkit's default for ROTATE_REFRESH_TOKEN, on. */
    consumeRefreshToken: refreshTokens.consume,
  }
}

function createOpaqueTokens({ now, newToken }: { now: () => number; newToken: () => string }) {
  const issued = new Map<string, { username: string; expires: number }>()
  return {
    issue: ({ person }: { person: Person }) => {
      const token = newToken()
      issued.set(token, { username: person.username, expires: now() + opaqueSeconds * 1000 })
      return { access_token: token, expires_in: opaqueSeconds, token_type: 'Bearer' }
    },
    check: (token: string): TokenCheck => {
      const found = issued.get(token)
      if (!found) return { refused: 'nonexistent' }
      return found.expires <= now() ? { refused: 'expired' } : { username: found.username }
    },
  }
}

function createOneTimeTokens<Value>(newToken: () => string) {
  const issued = new Map<string, Value>()
  return {
    issue: (value: Value): string => {
      const token = newToken()
      issued.set(token, value)
      return token
    },
    consume: (token: string): Value | null => {
      const value = issued.get(token) ?? null
      issued.delete(token)
      return value
    },
  }
}
