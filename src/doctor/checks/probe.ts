import { Agent, request } from 'undici'
import { type Answer, headerOf, readAnswer } from '../../lms/client/answer.ts'
import type { LmsRequest } from '../../lms/client/transport.ts'
import { codeOf, connectionOptions } from '../../service/lib/outgoing-call.ts'
import { PROOF_HEADER } from '../../shop/signature/identity.ts'

const MAX_ANSWER_BYTES = 2 * 1024 * 1024
/** A connection may take this share of the time, so that a slow connection differs from a slow answer. */
const CONNECT_SHARE = 0.75

export interface ProbeRequest {
  readonly method: LmsRequest['method'] | 'OPTIONS'
  readonly url: string
  /** The route, if it is one of the LMS's API. */
  readonly endpoint?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: { readonly contentType: string; readonly text: string } | null
}

/** Any answer. */
export interface Reached {
  readonly ok: true
  readonly answer: Answer
  /** The proof of who answers; null without one. */
  readonly proof: string | null
  /** The server's clock by its Date header, and ours at the same moment, in ms since 1970; null without the header. */
  readonly clock: { readonly theirs: number; readonly ours: number } | null
}

export type Obstacle = 'dns' | 'refused' | 'tls' | 'timeout' | 'cut'

/** No answer. `code` is the system's error code, such as ECONNREFUSED. `timeout`: connected, but no answer in time. */
export interface Unreached {
  readonly ok: false
  readonly obstacle: Obstacle
  readonly code: string
}

export type Probe = (of: ProbeRequest) => Promise<Reached | Unreached>

/**
 * Makes single HTTP requests with the limits of the LMS client: redirects are not followed, certificates are checked.
 * @param from.callMs the limit for one whole request, in ms
 * @param from.signal aborted when the time for all requests is over
 */
export function createProbe(from: { callMs: number; signal: AbortSignal; now: () => number }) {
  const { callMs, signal, now } = from
  const dispatcher = new Agent({
    ...connectionOptions({ timeout: callMs * CONNECT_SHARE }),
    maxResponseSize: MAX_ANSWER_BYTES,
  })

  const probe: Probe = async ({ method, url, endpoint = '', body = null, headers: further = {} }) => {
    const timeout = AbortSignal.any([signal, AbortSignal.timeout(callMs)])
    const headers: Record<string, string> = {
      accept: 'application/json',
      'user-agent': 'lernito-openedx doctor',
      ...further,
    }
    if (body !== null) headers['content-type'] = body.contentType
    const sentAt = now()
    try {
      const response = await request(url, { method, headers, body: body?.text ?? null, signal: timeout, dispatcher })
      const receivedAt = now()
      return {
        ok: true,
        proof: headerOf(response, PROOF_HEADER),
        clock: clockOf(headerOf(response, 'date'), (sentAt + receivedAt) / 2),
        answer: await readAnswer({ response, endpoint, receivedAt }),
      }
    } catch (error) {
      return timeout.aborted ? { ok: false, obstacle: 'timeout', code: 'no answer in time' } : unreached(codeOf(error))
    }
  }

  return { probe, close: () => dispatcher.destroy() }
}

/** The header has whole seconds, so on average half a second has passed since. */
function clockOf(date: string | null, ours: number): Reached['clock'] {
  const theirs = date === null ? Number.NaN : Date.parse(date)
  return Number.isNaN(theirs) ? null : { theirs: theirs + 500, ours }
}

const OBSTACLES: readonly (readonly [RegExp, Obstacle])[] = [
  [/^(ENOTFOUND|EAI_)/, 'dns'],
  [/^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT)$/, 'refused'],
  [/CERT|^(ERR_TLS_|ERR_SSL_|UNABLE_TO_|EPROTO$)/, 'tls'],
]

function unreached(code: string): Unreached {
  const [, obstacle = 'cut'] = OBSTACLES.find(([pattern]) => pattern.test(code)) ?? []
  return { ok: false, obstacle, code }
}
