import { Pool } from 'undici'
import type { Answer } from './answer.ts'
import { changesSomething, neverSent } from './effect.ts'
import { type Endpoint, failed, type Judged, succeeded } from './failure.ts'
import { createGate, type Leave } from './gate.ts'
import { codeOf, readAnswer } from './http-answer.ts'
import { type Later, later as timer } from './later.ts'

export interface LmsRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly endpoint: Endpoint
  /** The path below LERNITO_LMS_URL, encoded, with its query. */
  readonly path: string
  readonly body: { readonly contentType: string; readonly text: string } | null
}

/** One attempt, for log and metrics. `status` is null where no answer came. */
export interface Call {
  readonly endpoint: Endpoint
  readonly method: LmsRequest['method']
  readonly status: number | null
  readonly ms: number
}

export interface SendOptions {
  /** The header's whole value; null for a call that needs none. */
  readonly authorization: string | null
  /** false lets a call pass the gate at once: the heartbeat, which has to tell whether the LMS lives. */
  readonly queued: boolean
}

export interface Transport {
  /**
   * Sends a request once. Whatever the LMS answers is a success here; a failure is no answer. Throws what `mayCall`
   * throws, and the reason of its signal if that cuts a call under way.
   */
  send(request: LmsRequest, options: SendOptions): Promise<Judged<Answer>>
  /** Cuts what is under way and closes the connections. */
  close(): Promise<void>
}

const MAX_ANSWER_BYTES = 2 * 1024 * 1024
const CONNECT_TIMEOUT_MS = 10_000
/** The LMS goes on with a call that we no longer wait for, so another one in its place would be one too many. */
const KEEP_SLOT_MS = 60_000

/** A body of JSON. */
export function jsonBody(value: object): LmsRequest['body'] {
  return { contentType: 'application/json', text: JSON.stringify(value) }
}

/**
 * HTTP to one LMS: at most `concurrency` calls at once, a fresh timeout for each, answers of at most 2 MiB that are
 * never decompressed, certificates always checked, redirects never followed (a token must not travel to another host).
 * @param from.url LERNITO_LMS_URL; a path in it is put before every path
 * @param from.userAgent the header's value
 * @param from.timeoutMs how long one attempt may take, from its turn at the gate to the answer's last byte
 * @param from.mayCall the right to call: gives what ends it, and throws if it has ended. Asked before each queued call
 * @param from.onCall told of every attempt
 * @param from.later the timer for a slot that a timed-out call keeps
 */
export function createTransport(from: {
  url: URL
  userAgent: string
  concurrency: () => number
  mayCall?: () => AbortSignal
  timeoutMs: number
  now: () => number
  onCall: (call: Call) => void
  later?: Later
}): Transport {
  const { url, mayCall = always, timeoutMs, now, onCall, later = timer } = from
  const prefix = url.pathname.replace(/\/+$/, '')
  const gate = createGate({ slots: from.concurrency, later })
  // Our own timeout covers the whole attempt; undici's two run on a coarse clock.
  const pool = new Pool(url.origin, {
    // Said outright: NODE_TLS_REJECT_UNAUTHORIZED=0 would turn off only what is left to the default.
    connect: { timeout: CONNECT_TIMEOUT_MS, rejectUnauthorized: true },
    allowH2: false, // two calls at once gain nothing by it, and the limits here were tried on HTTP/1.1
    headersTimeout: 0,
    bodyTimeout: 0,
    maxResponseSize: MAX_ANSWER_BYTES,
  })

  async function attempt(request: LmsRequest, authorization: string | null, signal: AbortSignal): Promise<Answer> {
    const headers: Record<string, string> = { accept: 'application/json', 'user-agent': from.userAgent }
    if (authorization !== null) headers.authorization = authorization
    if (request.body !== null) headers['content-type'] = request.body.contentType
    const response = await pool.request({
      method: request.method,
      path: prefix + request.path,
      headers,
      body: request.body?.text ?? null,
      signal,
    })
    return readAnswer({ response, receivedAt: now() })
  }

  async function send(request: LmsRequest, options: SendOptions): Promise<Judged<Answer>> {
    const { endpoint, method } = request
    const leave = options.queued ? await gate.enter() : () => {}
    const right = options.queued ? rightToCall(leave) : null
    const timeout = AbortSignal.timeout(timeoutMs)
    const signal = right === null ? timeout : AbortSignal.any([timeout, right])
    const startedAt = performance.now()
    let outcome: Judged<Answer>
    try {
      outcome = succeeded(await attempt(request, options.authorization, signal))
    } catch (error) {
      const reason = timeout.aborted ? `no whole answer within ${timeoutMs / 1000} s` : causeOf(error, url)
      const message = `The LMS at ${url.host} can't be reached: ${reason}`
      const mayHaveTakenEffect = changesSomething(request) && !neverSent(error)
      outcome = failed({ kind: 'unreachable', endpoint, status: null, message, mayHaveTakenEffect })
    }
    leave(!outcome.ok && timeout.aborted ? KEEP_SLOT_MS : 0)
    onCall({ endpoint, method, status: outcome.ok ? outcome.value.status : null, ms: performance.now() - startedAt })
    if (!outcome.ok) right?.throwIfAborted()
    return outcome
  }

  function rightToCall(leave: Leave): AbortSignal {
    try {
      return mayCall()
    } catch (error) {
      leave(0)
      throw error
    }
  }

  return { send, close: () => pool.destroy() }
}

const always = (): AbortSignal => new AbortController().signal

const UNKNOWN_AUTHORITY =
  "its certificate is from nobody whom this machine trusts; if the authority is your own, name its certificate's file in NODE_EXTRA_CA_CERTS"

const NO_TLS = 'what listens there does not speak TLS: write http:// in LERNITO_LMS_URL, or the port that speaks TLS'

const CAUSES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no such host',
  UND_ERR_CONNECT_TIMEOUT: `no connection within ${CONNECT_TIMEOUT_MS / 1000} s`,
  UND_ERR_RES_EXCEEDED_MAX_SIZE: 'its answer is larger than 2 MiB',
  UND_ERR_SOCKET: 'the connection was cut',
  ECONNRESET: 'the connection was cut',
  UND_ERR_DESTROYED: 'this service is stopping',
  UND_ERR_HEADERS_OVERFLOW: 'the headers of its answer are too large',
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_AUTHORITY,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: "its certificate is not valid yet, or this machine's clock is wrong",
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name than that in LERNITO_LMS_URL',
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
}

/** A plain HTTP server that waits for the end of a request never answers a handshake: the same code as no connection. */
const NO_TLS_CONNECTION = `no TLS connection within ${CONNECT_TIMEOUT_MS / 1000} s: nothing accepts it, or that port speaks plain HTTP; then write http:// in LERNITO_LMS_URL`

function causeOf(error: unknown, { protocol }: URL): string {
  const code = codeOf(error)
  const words = code === 'UND_ERR_CONNECT_TIMEOUT' && protocol === 'https:' ? NO_TLS_CONNECTION : CAUSES[code]
  return words === undefined ? code : `${words} (${code})`
}
