import { type Answer, type ErrorStyle, notAuthenticated } from '../lms/answers.ts'
import type { TokenCheck } from '../lms/jwt.ts'
import type { Person } from '../lms/people.ts'
import type { State } from '../lms/state.ts'
import type { Tokens } from '../lms/tokens.ts'

/** The kinds of authorization that a view accepts. */
export type Accepts = 'nothing' | 'jwt' | 'jwt_or_bearer'

const jwtRefusals = { invalid: 'Invalid token.', expired: 'Token has expired.', nonexistent: 'Invalid token.' }
const bearerRefusals = {
  invalid: 'The provided access token does not match any valid tokens.',
  nonexistent: 'The provided access token does not match any valid tokens.',
  expired: 'The provided access token has expired and is no longer valid.',
}

/**
 * Finds the caller by the Authorization header: a person, null without authorization, or the 401 for a bad token.
 * A JWT must be sent as `JWT`, and an opaque token as `Bearer`. A JWT that is sent as `Bearer` is an unknown token.
 */
export function findCaller({
  authorization,
  accepts,
  errors,
  tokens,
  state,
}: {
  authorization: string | undefined
  accepts: Accepts
  errors: ErrorStyle
  tokens: Tokens
  state: State
}): { caller: Person | null } | { refusal: Answer } {
  const [scheme = '', token, ...rest] = (authorization ?? '').trim().split(/\s+/)
  const jwt = scheme.toLowerCase() === 'jwt' && accepts !== 'nothing'
  const bearer = scheme.toLowerCase() === 'bearer' && accepts === 'jwt_or_bearer'
  if (!jwt && !bearer) return { caller: null }
  if (token === undefined || rest.length > 0) {
    const what = token === undefined ? 'No credentials provided.' : 'Credentials string should not contain spaces.'
    return { refusal: notAuthenticated(errors, `Invalid Authorization header. ${what}`) }
  }
  const check: TokenCheck = jwt ? tokens.checkJwt(token) : tokens.checkOpaque(token)
  const caller = 'username' in check ? state.findPerson({ username: check.username }) : undefined
  if (caller) return { caller }
  const refused = 'refused' in check ? check.refused : 'invalid'
  if (jwt) return { refusal: notAuthenticated(errors, jwtRefusals[refused]) }
  const error_code = refused === 'expired' ? 'token_expired' : 'token_nonexistent'
  return { refusal: notAuthenticated(errors, { error_code, developer_message: bearerRefusals[refused] }) }
}
