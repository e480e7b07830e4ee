import { z } from 'zod'
import { HEARTBEAT } from '../../lms/apis/heartbeat.ts'
import { type Answer, jsonOf } from '../../lms/client/answer.ts'
import type { Failure } from '../../lms/client/failure.ts'
import { CLIENT_CREDENTIALS, judgeToken, oauthError, tokenRequest } from '../../lms/client/token.ts'
import { originOf } from '../../service/lib/outgoing-call.ts'
import type { Settings } from '../../service/settings/settings.ts'
import { check, failed, type Problem, passed, problem, type Tools } from '../check.ts'
import { callProblem, unreachedCall } from './api.ts'
import { compareClocks } from './ours.ts'
import type { Unreached } from './probe.ts'

const REACHABLE = check({
  id: 'lms',
  about: 'whether the LMS answers at LERNITO_LMS_URL and is healthy',
  needs: ['settings'],
  examine: async ({ settings }, tools) => {
    const { host } = new URL(settings.LERNITO_LMS_URL)
    const response = await tools.askLms({ settings, request: HEARTBEAT })
    if (!response.ok)
      return failed([(await withoutTls({ settings, unreached: response, tools })) ?? unreachedLms(response, host)])
    if (HEARTBEAT.judge(response.answer).ok) return passed(settings.LERNITO_LMS_URL, { lms: response })
    return failed([
      strangeHeartbeat(response.answer, { host, at: settings.LERNITO_LMS_URL.replace(/^https?:\/\//, '') }),
    ])
  },
})

/** The server answered the handshake in plain HTTP. */
const ANSWERED_PLAINLY = /^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)$/
/** The server cut the handshake, or did not finish it. */
const NO_HANDSHAKE = /^(EPROTO|ECONNRESET|UND_ERR_SOCKET|UND_ERR_CONNECT_TIMEOUT)$/

/**
 * The problem if https:// leads to a port without TLS, which it finds out by a heartbeat in plain HTTP without any
 * secret; null if it doesn't.
 */
async function withoutTls(of: {
  settings: Settings
  unreached: Unreached
  tools: Pick<Tools, 'askLms'>
}): Promise<Problem | null> {
  const { settings, unreached, tools } = of
  const { obstacle, code } = unreached
  const { host, protocol } = new URL(settings.LERNITO_LMS_URL)
  if (protocol !== 'https:') return null
  if (ANSWERED_PLAINLY.test(code)) return problem('lms.plain_http', { host })
  if (!NO_HANDSHAKE.test(code) && obstacle !== 'timeout') return null
  const plain = { ...settings, LERNITO_LMS_URL: plainUrl(settings.LERNITO_LMS_URL) }
  const response = await tools.askLms({ settings: plain, request: HEARTBEAT })
  if (response.ok) return isOfTlsPort(response.answer) ? null : problem('lms.plain_http', { host })
  // The port accepts connections, so it accepted the one for TLS too, but did not finish the handshake.
  const taken = code === 'UND_ERR_CONNECT_TIMEOUT' && response.obstacle === 'timeout'
  return taken ? problem('lms.tls', { host, code }) : null
}

/** A port that speaks TLS answers plain HTTP with 400, with a redirect to itself, or not at all. */
const isOfTlsPort = ({ status }: Answer): boolean => status >= 300 && status <= 400

/** The address of the same port in plain HTTP. Without a port, https:// means 443. */
export function plainUrl(httpsUrl: string): string {
  const { hostname, port, pathname } = new URL(httpsUrl)
  return `http://${hostname}:${port || '443'}${pathname.replace(/\/+$/, '')}`
}

function unreachedLms({ obstacle, code }: Unreached, host: string): Problem {
  if (obstacle === 'timeout') return problem('lms.timeout', { host })
  return problem(`lms.${obstacle}`, { host, code })
}

/** A heartbeat with status 503 names the parts that fail (Open edX, openedx/core/djangoapps/heartbeat/views.py). */
const parts = z.record(z.string(), z.object({ status: z.boolean() }))

/** `at`: the address of the LMS as it was set, without the scheme. A path in it is often what is wrong. */
function strangeHeartbeat(answer: Answer, { host, at }: { host: string; at: string }): Problem {
  const status = String(answer.status)
  const read = parts.safeParse(jsonOf(answer))
  if (read.success && answer.status !== 200) {
    const failing = Object.entries(read.data).filter(([, { status }]) => !status)
    return problem('lms.broken', {
      parts: `/heartbeat reports a failure of ${failing.map(([name]) => name).join(' and ') || 'a part'}`,
    })
  }
  if (answer.status >= 300 && answer.status < 400) return problem('lms.redirects', { target: targetOf(answer) })
  if (answer.status === 400) return problem('lms.refuses_host', { host })
  if (answer.status >= 502 && answer.status <= 504) return problem('lms.unavailable', { status })
  if (answer.status >= 500) return problem('lms.broken', { parts: `/heartbeat answers ${status}` })
  return problem(isBarred(answer) ? 'lms.barred' : 'lms.not_lms', { at, status })
}

/** A status that the LMS never gives its heartbeat, nor a token request without an OAuth error. */
const isBarred = ({ status }: Answer): boolean => status === 401 || status === 403

/** Where an answer redirects to. */
export const targetOf = ({ location }: Answer): string => originOf(location) ?? 'another path'

const CLOCK = check({
  id: 'lms.clock',
  about: "the LMS's clock, compared with this machine's",
  needs: ['lms'],
  examine: ({ lms: { clock } }) =>
    clock === null ? passed('the answer has no time') : compareClocks('the LMS', clock),
})

const TOKEN = check({
  id: 'lms.token',
  about: 'whether the LMS issues the service a token',
  needs: ['settings', 'lms'],
  examine: async ({ settings }, { askLms }) => {
    const { LERNITO_LMS_CLIENT_ID: clientId, LERNITO_LMS_CLIENT_SECRET: clientSecret } = settings
    const application = { clientId, clientSecret }
    const request = tokenRequest(application, CLIENT_CREDENTIALS)
    const response = await askLms({ settings, request })
    if (!response.ok) return failed([unreachedCall(response, request.endpoint)])
    const judged = judgeToken(response.answer)
    if (response.answer.status === 500) {
      // The LMS makes an opaque token for an application without a user, but no JWT: that names the user.
      const opaque = await askLms({ settings, request: tokenRequest(application, CLIENT_CREDENTIALS, 'bearer') })
      if (opaque.ok && opaque.answer.status === 200) return failed([problem('token.no_user', { status: '500' })])
    }
    if (!judged.ok) return failed([tokenProblem(response.answer, judged.failure)])
    return passed(`for the user ${judged.value.username}`, { 'lms.token': judged.value })
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
  if (isBarred(answer)) return problem('token.barred', { status: String(answer.status) })
  return callProblem(failure)
}

const STAFF = check({
  id: 'lms.staff',
  about: 'whether the user of the token is staff in the LMS, and active',
  needs: ['lms.token'],
  examine: ({ 'lms.token': { username, administrator, active } }) => {
    const inactive = active === false ? [problem('staff.inactive', { username })] : []
    if (administrator === false) return failed([problem('staff.not_staff', { username }), ...inactive])
    if (inactive.length > 0) return failed(inactive, { 'lms.staff': true })
    return passed(administrator ? username : 'the token does not say; the checks of the APIs do', { 'lms.staff': true })
  },
})

export const LMS_CHECKS = [REACHABLE, CLOCK, TOKEN, STAFF]
