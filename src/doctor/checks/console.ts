import { createHash } from 'node:crypto'
import { oauthError, tokenRequest } from '../../lms/client/token.ts'
import type { Settings } from '../../service/settings/settings.ts'
import { type Problem, problem } from '../causes.ts'
import { check, failed, passed, skipped } from '../check.ts'
import { unreachedCall } from './api.ts'
import type { Reached } from './probe.ts'

const NO_CONSOLE = 'LERNITO_CONSOLE_CLIENT_ID is not set, so there is no console'

/** Where the LMS sends browsers back after the sign-in. The application must have exactly this redirect URI. */
const redirectUri = (publicUrl: string): string => `${publicUrl}/lernito/console/callback`

/**
 * The token endpoint checks the application before the code. So a code that was never issued shows whether the
 * application is right: then the error is `invalid_grant` (recorded: sign-in.json, 'the code again'; oauth.json, 'wrong
 * client secret').
 */
const APPLICATION = check({
  id: 'console.application',
  about: "whether the LMS has the console's application, with its secret",
  needs: ['settings', 'lms'],
  examine: async ({ settings }, { askLms }) => {
    const { LERNITO_CONSOLE_CLIENT_ID: id, LERNITO_CONSOLE_CLIENT_SECRET: secret, LERNITO_PUBLIC_URL: url } = settings
    if (!id) return skipped(NO_CONSOLE)
    if (!secret) return failed([problem('console.no_secret', {})])
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
    const response = await askLms({ settings, request })
    if (!response.ok) return failed([unreachedCall(response, request.endpoint)])
    const error = oauthError(response.answer)
    if (error === 'invalid_grant') return passed('the application exists, with this secret')
    if (error === 'invalid_client') return failed([problem('console.invalid_client', {})])
    if (error !== null) return failed([problem('console.grant_type', { error })])
    return failed([problem('console.failed', { status: String(response.answer.status) })])
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
 * A stock LMS redirects signed-out people to the sign-in page first, and compares the redirect URI only afterwards
 * (recorded: sign-in.json, 'authorize, signed out' and 'authorize with an unregistered redirect'). So this check can't
 * find a wrong one, and shows the right one.
 */
const SIGN_IN = check({
  id: 'console.sign_in',
  about: "whether the console's sign-in leads to the sign-in page of the LMS",
  needs: ['settings', 'lms'],
  examine: async ({ settings }, { probe }) => {
    const { LERNITO_CONSOLE_CLIENT_ID: id, LERNITO_PUBLIC_URL: publicUrl } = settings
    if (!id) return skipped(NO_CONSOLE)
    if (!publicUrl) return failed([problem('console.no_public_url', {})])
    const url = signInUrl(settings, publicUrl)
    const response = await probe({ method: 'GET', url })
    if (!response.ok) return failed([problem('console.unreachable', { host: new URL(url).host, code: response.code })])
    const wrong = signInProblem(response, redirectUri(publicUrl))
    if (wrong !== null) return failed([wrong])
    return passed(`the LMS checks the redirect URI only after a sign-in; it must be ${redirectUri(publicUrl)}`)
  },
})

function signInProblem({ answer }: Reached, back: string): Problem | null {
  const { status, location } = answer
  if (status < 300 || status >= 400 || location === null) {
    return problem('console.no_sign_in', { status: String(status) })
  }
  if (!location.startsWith(back)) return null
  return problem('console.refused', { error: URL.parse(location)?.searchParams.get('error') ?? 'no reason given' })
}

export const CONSOLE_CHECKS = [APPLICATION, SIGN_IN]
