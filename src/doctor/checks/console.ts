import { oauthError, tokenRequest } from '../../lms/client/token.ts'
import { beginAttempt } from '../../lms/sign-in.ts'
import { check, failed, type Problem, passed, problem, skipped } from '../check.ts'
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
      { clientId: id, clientSecret: secret },
      {
        grant_type: 'authorization_code',
        code: 'lernito-doctor',
        redirect_uri: redirectUri(url ?? 'https://lernito.invalid'),
        code_verifier: 'lernito-doctor',
      },
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
    const { LERNITO_CONSOLE_CLIENT_ID: clientId, LERNITO_PUBLIC_URL: ours, LERNITO_LMS_PUBLIC_URL: lms } = settings
    if (!clientId) return skipped(NO_CONSOLE)
    if (!ours) return failed([problem('console.no_public_url', {})])
    const back = redirectUri(ours)
    const { url } = await beginAttempt({ publicUrl: lms ?? settings.LERNITO_LMS_URL, clientId }, back)
    const response = await probe({ method: 'GET', url })
    if (!response.ok) return failed([problem('console.unreachable', { host: new URL(url).host, code: response.code })])
    const wrong = signInProblem(response, back)
    if (wrong !== null) return failed([wrong])
    return passed(`the LMS checks the redirect URI only after a sign-in; it must be ${back}`)
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
