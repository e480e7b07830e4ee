import { z } from 'zod'
import { type Answer, jsonOf } from '../openedx/answer.ts'
import type { Failure } from '../openedx/failure.ts'
import { heartbeatRequest, judgeHeartbeat } from '../openedx/heartbeat.ts'
import { judgeToken } from '../openedx/token.ts'
import { oauthError, tokenRequest } from '../openedx/token-endpoint.ts'
import type { Settings } from '../settings/settings.ts'
import { callProblem, unreachedCall } from './calls.ts'
import { type Problem, problem } from './causes.ts'
import { type Check, check, ill, type Tools, well } from './check.ts'
import { clockProblems } from './ours.ts'
import type { Unreached } from './probe.ts'

const REACHABLE: Check = check({
  id: 'lms',
  about: 'whether the LMS answers at LERNITO_LMS_URL and is well',
  needs: ['settings'],
  look: async ({ settings }, tools) => {
    const { host } = new URL(settings.LERNITO_LMS_URL)
    const heard = await tools.askLms({ settings, request: heartbeatRequest() })
    if (!heard.ok) return ill([(await withoutTls({ settings, unreached: heard, tools })) ?? unreachedLms(heard, host)])
    if (judgeHeartbeat(heard.answer).ok) return well(settings.LERNITO_LMS_URL, { lms: heard })
    return ill([strangeHeartbeat(heard.answer, host)])
  },
})

/** An answer in plain HTTP to the handshake. */
const ANSWERED_PLAINLY = /^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)$/
/** What comes of a handshake that is cut, or that nobody finishes. */
const NO_HANDSHAKE = /^(EPROTO|ECONNRESET|UND_ERR_SOCKET|UND_ERR_CONNECT_TIMEOUT)$/

/**
 * Whether https:// leads to a port without TLS: asks there for the heartbeat in plain HTTP, without any secret.
 */
async function withoutTls(of: {
  settings: Settings
  unreached: Unreached
  tools: Pick<Tools, 'askLms'>
}): Promise<Problem | null> {
  const { settings, unreached, tools } = of
  const { hindrance, code } = unreached
  const { host, protocol } = new URL(settings.LERNITO_LMS_URL)
  if (protocol !== 'https:') return null
  if (ANSWERED_PLAINLY.test(code)) return problem('lms.plain_http', { host })
  if (!NO_HANDSHAKE.test(code) && hindrance !== 'timeout') return null
  const plain = { ...settings, LERNITO_LMS_URL: plainUrl(settings.LERNITO_LMS_URL) }
  const heard = await tools.askLms({ settings: plain, request: heartbeatRequest() })
  if (heard.ok) return isOfTlsPort(heard.answer) ? null : problem('lms.plain_http', { host })
  // It takes connections, so the one for TLS was taken too, and nothing came of the handshake.
  const taken = code === 'UND_ERR_CONNECT_TIMEOUT' && heard.hindrance === 'timeout'
  return taken ? problem('lms.tls', { host, code }) : null
}

/** A port that speaks TLS answers plain HTTP with 400, with a redirect to itself, or not at all. */
const isOfTlsPort = ({ status }: Answer): boolean => status >= 300 && status <= 400

/** The same port in plain HTTP: without a port in it, https:// means 443. */
export function plainUrl(httpsUrl: string): string {
  const { hostname, port, pathname } = new URL(httpsUrl)
  return `http://${hostname}:${port || '443'}${pathname.replace(/\/+$/, '')}`
}

function unreachedLms({ hindrance, code }: Unreached, host: string): Problem {
  if (hindrance === 'timeout') return problem('lms.timeout', { host })
  return problem(`lms.${hindrance}`, { host, code })
}

/** A heartbeat names the parts that fail, with status 503 (Open edX, openedx/core/djangoapps/heartbeat/views.py). */
const parts = z.record(z.string(), z.object({ status: z.boolean() }))

function strangeHeartbeat(answer: Answer, host: string): Problem {
  const status = String(answer.status)
  const read = parts.safeParse(jsonOf(answer))
  if (read.success && answer.status !== 200) {
    const failing = Object.entries(read.data).filter(([, { status }]) => !status)
    return problem('lms.broken', { parts: `${failing.map(([name]) => name).join(' and ') || 'something'} fails` })
  }
  if (answer.status >= 300 && answer.status < 400) return problem('lms.redirects', { target: originOf(answer) })
  if (answer.status === 400) return problem('lms.refuses_host', { host })
  if (answer.status >= 502 && answer.status <= 504) return problem('lms.unavailable', { status })
  if (answer.status >= 500) return problem('lms.broken', { parts: `/heartbeat answers ${status}` })
  return problem('lms.not_lms', { host, status })
}

/** Where an answer redirects to, without the path, which may hold anything. */
export function originOf({ location }: Answer): string {
  return location !== null && URL.canParse(location) ? new URL(location).origin : 'another path'
}

const CLOCK: Check = check({
  id: 'lms.clock',
  about: 'the clock of the LMS, compared with that of this machine',
  needs: ['lms'],
  look: ({ lms: { clock } }) => {
    if (clock === null) return well('the LMS tells no time')
    const problems = clockProblems('the LMS', clock)
    return problems.length > 0 ? ill(problems) : well('within 5 seconds')
  },
})

const TOKEN: Check = check({
  id: 'lms.token',
  about: 'whether the LMS gives the service a token',
  needs: ['settings', 'lms'],
  look: async ({ settings }, { askLms }) => {
    const request = tokenRequest(
      new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: settings.LERNITO_LMS_CLIENT_ID,
        client_secret: settings.LERNITO_LMS_CLIENT_SECRET,
        token_type: 'jwt',
      }),
    )
    const heard = await askLms({ settings, request })
    if (!heard.ok) return ill([unreachedCall(heard, request.endpoint)])
    const judged = await judgeToken(heard.answer)
    if (!judged.ok) return ill([tokenProblem(heard.answer, judged.failure)])
    return well(`for the user ${judged.value.username}`, { 'lms.token': judged.value })
  },
})

function tokenProblem(answer: Answer, failure: Failure): Problem {
  const error = oauthError(answer)
  if (error === 'invalid_client') return problem('token.invalid_client', {})
  if (error === 'unauthorized_client' || error === 'unsupported_grant_type')
    return problem('token.grant_type', { error })
  if (error !== null) return problem('token.refused', { error })
  if (failure.kind === 'throttled') return problem('token.rate_limited', {})
  if (failure.kind === 'misconfigured' && answer.status === 200) return problem('token.not_jwt', {})
  if (failure.kind === 'misconfigured' && answer.status === 403) return problem('token.barred', {})
  return callProblem(failure)
}

const STAFF: Check = check({
  id: 'lms.staff',
  about: 'whether the user of the token is staff in the LMS, and active',
  needs: ['lms.token'],
  look: ({ 'lms.token': { username, administrator, active } }) => {
    const inactive = active === false ? [problem('staff.inactive', { username })] : []
    if (administrator === false) return ill([problem('staff.not_staff', { username }), ...inactive])
    if (inactive.length > 0) return ill(inactive, { 'lms.staff': true })
    return well(administrator ? username : 'the token does not say; the calls tell', { 'lms.staff': true })
  },
})

export const LMS_CHECKS: readonly Check[] = [REACHABLE, CLOCK, TOKEN, STAFF]
