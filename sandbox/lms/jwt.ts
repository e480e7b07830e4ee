import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import type { Person } from './people.ts'

export type TokenCheck = { username: string } | { refused: 'invalid' | 'expired' | 'nonexistent' }

const jwtSeconds = 3600
const header = { alg: 'HS256', typ: 'JWT' }
const claims = z.looseObject({ preferred_username: z.string(), exp: z.number() })

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Issues and checks the LMS's JWTs (HS256, valid for one hour). `now` gives ms since 1970. */
export function createJwts({ key, now }: { key: Uint8Array; now: () => number }) {
  const sign = (text: string): Buffer => createHmac('sha256', key).update(text).digest()

  function issue(of: { person: Person; grant: string; scopes: string[]; host: string }) {
    const issuedAt = Math.floor(now() / 1000)
    const signed = `${encode(header)}.${encode(payloadOf({ ...of, issuedAt }))}`
    return {
      access_token: `${signed}.${sign(signed).toString('base64url')}`,
      expires_in: jwtSeconds,
      token_type: 'JWT',
    }
  }

  function check(token: string): TokenCheck {
    const [head = '', body = '', signature = '', ...rest] = token.split('.')
    const given = Buffer.from(signature, 'base64url')
    const right = sign(`${head}.${body}`)
    if (rest.length > 0 || given.length !== right.length || !timingSafeEqual(given, right))
      return { refused: 'invalid' }
    // The signature is ours, so this is a payload from `issue`.
    const { preferred_username, exp } = claims.parse(JSON.parse(Buffer.from(body, 'base64url').toString()))
    return exp * 1000 <= now() ? { refused: 'expired' } : { username: preferred_username }
  }

  return { issue, check }
}

/** The claims that the LMS puts into a token (recorded: oauth.json, 'client credentials, JWT'). */
function payloadOf({
  person,
  grant,
  scopes,
  host,
  issuedAt,
}: {
  person: Person
  grant: string
  scopes: string[]
  host: string
  issuedAt: number
}) {
  return {
    aud: 'openedx',
    exp: issuedAt + jwtSeconds,
    grant_type: grant,
    iat: issuedAt,
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
