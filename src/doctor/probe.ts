import { Agent, request } from 'undici'
import type { Answer } from '../openedx/answer.ts'
import { codeOf, headerOf, readAnswer } from '../openedx/http-answer.ts'

const MAX_ANSWER_BYTES = 2 * 1024 * 1024
/** A connection that takes most of the time is told from an answer that takes all of it. */
const CONNECT_SHARE = 0.75

export interface ProbeRequest {
  readonly method: 'GET' | 'POST' | 'OPTIONS'
  readonly url: string
  readonly authorization?: string
  readonly body?: { readonly contentType: string; readonly text: string } | null
}

/** An answer, whatever it says. */
export interface Reached {
  readonly ok: true
  readonly answer: Answer
  /** The answerer's clock by its Date header, and ours at the same moment, ms since 1970; null without the header. */
  readonly clock: { readonly theirs: number; readonly ours: number } | null
}

export type Hindrance = 'dns' | 'refused' | 'tls' | 'timeout' | 'cut'

/** No answer. `code` is the system's word for it, such as ECONNREFUSED. `timeout`: connected, and no answer in time. */
export interface Unreached {
  readonly ok: false
  readonly hindrance: Hindrance
  readonly code: string
}

export type Probe = (of: ProbeRequest) => Promise<Reached | Unreached>

/**
 * Makes single HTTP requests with the limits of the LMS client: redirects are not followed, certificates are checked.
 * @param from.callMs how long one request may take as a whole, in ms
 * @param from.signal aborted when there is no more time at all
 */
export function createProbe(from: { callMs: number; signal: AbortSignal; now: () => number }) {
  const { callMs, signal, now } = from
  const dispatcher = new Agent({
    connect: { timeout: callMs * CONNECT_SHARE, rejectUnauthorized: true },
    allowH2: false,
    headersTimeout: 0, // the signal covers the whole request
    bodyTimeout: 0,
    maxResponseSize: MAX_ANSWER_BYTES,
  })

  const probe: Probe = async ({ method, url, authorization, body = null }) => {
    const timeout = AbortSignal.any([signal, AbortSignal.timeout(callMs)])
    const headers: Record<string, string> = { accept: 'application/json', 'user-agent': 'lernito-openedx doctor' }
    if (authorization !== undefined) headers.authorization = authorization
    if (body !== null) headers['content-type'] = body.contentType
    const sentAt = now()
    try {
      const response = await request(url, { method, headers, body: body?.text ?? null, signal: timeout, dispatcher })
      const receivedAt = now()
      return {
        ok: true,
        clock: clockOf(headerOf(response, 'date'), (sentAt + receivedAt) / 2),
        answer: await readAnswer({ response, receivedAt }),
      }
    } catch (error) {
      return timeout.aborted ? { ok: false, hindrance: 'timeout', code: 'no answer in time' } : unreached(codeOf(error))
    }
  }

  return { probe, close: () => dispatcher.destroy() }
}

/** The header has whole seconds; on average half of one has passed since. */
function clockOf(date: string | null, ours: number): Reached['clock'] {
  const theirs = date === null ? Number.NaN : Date.parse(date)
  return Number.isNaN(theirs) ? null : { theirs: theirs + 500, ours }
}

const HINDRANCES: readonly (readonly [RegExp, Hindrance])[] = [
  [/^(ENOTFOUND|EAI_)/, 'dns'],
  [/^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT)$/, 'refused'],
  [/CERT|^(ERR_TLS_|ERR_SSL_|UNABLE_TO_|EPROTO$)/, 'tls'],
]

function unreached(code: string): Unreached {
  const [, hindrance = 'cut'] = HINDRANCES.find(([pattern]) => pattern.test(code)) ?? []
  return { ok: false, hindrance, code }
}
