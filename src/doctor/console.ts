import { createHash } from 'node:crypto'
import { oauthError, tokenRequest } from '../openedx/token-endpoint.ts'
import type { Settings } from '../settings/settings.ts'
import { unreachedCall } from './calls.ts'
import { type Problem, problem } from './causes.ts'
import { type Check, check, ill, skipped, well } from './check.ts'
import type { Reached } from './probe.ts'

const NO_CONSOLE = 'LERNITO_CONSOLE_CLIENT_ID is not set, so there is no console'

/** Where the LMS sends browsers back to after the sign-in. It must be registered to the letter. */
const redirectUri = (publicUrl: string): string => `${publicUrl}/lernito/console/callback`

/**
 * The token endpoint looks at the application before it looks at the code, so a code that was never given tells
 * whether the application is right: `invalid_grant` then (recorded: sign-in.json, 'the code again'; oauth.json, 'wrong
 * client secret').
 */
const APPLICATION: Check = check({
  id: 'console.application',
  about: 'whether the LMS knows the application of the console, with its secret',
  needs: ['settings', 'lms'],
  look: async ({ settings }, { askLms }) => {
    const { LERNITO_CONSOLE_CLIENT_ID: id, LERNITO_CONSOLE_CLIENT_SECRET: secret, LERNITO_PUBLIC_URL: url } = settings
    if (!id) return skipped(NO_CONSOLE)
    if (!secret) return ill([problem('console.no_secret', {})])
    const request = tokenRequest(
      new URLSearchParams({
        grant_type: 'authorization_code',
        code: 'lernito-doctor',
        client_id: id,
        client_secret: secret,
        redirect_uri: redirectUri(url ?? 'https://lernito.invalid'),
        code_verifier: 'lernito-doctor',
      }),
    )
    const heard = await askLms({ settings, request })
    if (!heard.ok) return ill([unreachedCall(heard, request.endpoint)])
    const error = oauthError(heard.answer)
    if (error === 'invalid_grant') return well('with this secret, for signing in')
    if (error === 'invalid_client') return ill([problem('console.invalid_client', {})])
    if (error !== null) return ill([problem('console.grant_type', { error })])
    return ill([problem('console.failed', { status: String(heard.answer.status) })])
  },
})

function signInUrl(settings: Settings, publicUrl: string): string {
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: settings.LERNITO_CONSOLE_CLIENT_ID ?? '',
    redirect_uri: redirectUri(publicUrl),
    scope: 'profile email',
    state: 'lernito-doctor',
    code_challenge: createHash('sha256').update('lernito-doctor').digest('base64url'),
    code_challenge_method: 'S256',
  })
  return `${settings.LERNITO_LMS_PUBLIC_URL ?? settings.LERNITO_LMS_URL}/oauth2/authorize?${query}`
}

/**
 * Whoever is signed out is redirected to the sign-in page first; only afterwards a stock LMS compares the redirect URI
 * (recorded: sign-in.json, 'authorize, signed out' and 'authorize with an unregistered redirect'). So a wrong one can't
 * be found here, and the right one is told.
 */
const SIGN_IN: Check = check({
  id: 'console.sign_in',
  about: 'whether the sign-in of the console leads to the sign-in page of the LMS',
  needs: ['settings', 'lms'],
  look: async ({ settings }, { probe }) => {
    const { LERNITO_CONSOLE_CLIENT_ID: id, LERNITO_PUBLIC_URL: publicUrl } = settings
    if (!id) return skipped(NO_CONSOLE)
    if (!publicUrl) return ill([problem('console.no_public_url', {})])
    const url = signInUrl(settings, publicUrl)
    const heard = await probe({ method: 'GET', url })
    if (!heard.ok) return ill([problem('console.unreachable', { host: new URL(url).host, code: heard.code })])
    const wrong = signInProblem(heard, redirectUri(publicUrl))
    if (wrong !== null) return ill([wrong])
    return well(`the LMS compares the redirect URI after the sign-in only; it must be ${redirectUri(publicUrl)}`)
  },
})

function signInProblem({ answer }: Reached, back: string): Problem | null {
  const { status, location } = answer
  if (status < 300 || status >= 400 || location === null) {
    return problem('console.no_sign_in', { status: String(status) })
  }
  if (!location.startsWith(back)) return null
  return problem('console.refused', { error: URL.parse(location)?.searchParams.get('error') ?? 'without a reason' })
}

export const CONSOLE_CHECKS: readonly Check[] = [APPLICATION, SIGN_IN]
