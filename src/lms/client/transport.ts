import { Pool } from 'undici'
import { CONNECT_TIMEOUT_MS, connectionCause, connectionOptions, USER_AGENT } from '../../service/lib/outgoing-call.ts'
import { type Answer, readAnswer } from './answer.ts'
import { failed, type Judged, neverSent, succeeded } from './failure.ts'

export interface LmsRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** The route, see Failure. */
  readonly endpoint: string
  /** The encoded path below LERNITO_LMS_URL, with its query. */
  readonly path: string
  readonly body: { readonly contentType: string; readonly text: string } | null
  /** Whether it changes enrollments or allowances. One that doesn't can be repeated at will. */
  readonly changes: boolean
}

/** A request with the judgment of its answer. */
export interface LmsCall<T> extends LmsRequest {
  readonly judge: (answer: Answer) => Judged<T>
}

/** One HTTP request, for log and metrics. `status` is null if no answer came. */
export interface Call {
  readonly endpoint: string
  readonly method: LmsRequest['method']
  readonly status: number | null
  readonly ms: number
}

interface SendOptions {
  /** The whole value of the header; absent or null for a call without one. */
  readonly authorization?: string | null
  /** false for a call that waits for no slot: the heartbeat, which has to tell whether the LMS is up. */
  readonly queued?: boolean
  /** In place of the limit of all calls. */
  readonly timeoutMs?: number
}

export interface TransportOptions {
  /** LERNITO_LMS_URL. A path in it comes before every path. */
  readonly url: URL
  /** How many calls may be in flight at once, at least 1; read before each. */
  readonly concurrency: () => number
  /**
   * The right to call, checked before each queued call. Gives the signal that ends the right, and throws if it has
   * ended. A command always has it.
   */
  readonly mayCall?: () => AbortSignal
  /** How long a call may take, from getting its slot to the last byte of the answer, in ms. */
  readonly timeoutMs: number
  /** ms since 1970 */
  readonly now: () => number
  /** Receives every call after it has ended. */
  readonly onCall: (call: Call) => void
}

const MAX_ANSWER_BYTES = 2 * 1024 * 1024
/**
 * The LMS still works on a call that we no longer wait for, so its slot stays taken: another call would be one too
 * many.
 */
const KEEP_SLOT_MS = 60_000

type Texts = Readonly<Record<string, string>>

/** The path of an endpoint. `at`: encoded values for the {names} in it. */
const pathOf = (endpoint: string, at: Texts): string =>
  endpoint.replace(/\{(\w+)\}/g, (blank, name: string) => at[name] ?? blank)

/** A request that reads. `at`: encoded values for the {names} in the endpoint. */
export function getRequest(endpoint: string, { at = {}, query = {} }: { at?: Texts; query?: Texts } = {}): LmsRequest {
  const [path, search] = [pathOf(endpoint, at), new URLSearchParams(query).toString()]
  return { method: 'GET', endpoint, path: search === '' ? path : `${path}?${search}`, body: null, changes: false }
}

/** A request with a JSON body. `changes`: true if absent. */
export function jsonRequest(of: {
  method?: 'POST' | 'DELETE'
  endpoint: string
  at?: Texts
  body: object
  changes?: false
}): LmsRequest {
  const { method = 'POST', endpoint, at = {}, changes = true } = of
  const body = { contentType: 'application/json', text: JSON.stringify(of.body) }
  return { method, endpoint, path: pathOf(endpoint, at), body, changes }
}

/**
 * HTTP to one LMS. It makes at most `concurrency` calls at once, each with its own timeout. It reads at most 2 MiB of
 * an answer and decompresses nothing. It always checks certificates. It never follows a redirect, since a token must
 * not travel to another host.
 */
export function createTransport(from: TransportOptions) {
  const { url, mayCall, now, onCall } = from
  const takeSlot = createConcurrencyLimiter(from.concurrency)
  const pool = new Pool(url.origin, { ...connectionOptions(), maxResponseSize: MAX_ANSWER_BYTES })
  const prefix = url.pathname.replace(/\/+$/, '')

  async function send(request: LmsRequest, options: SendOptions = {}): Promise<Judged<Answer>> {
    const { endpoint, method, body } = request
    const { timeoutMs = from.timeoutMs, authorization = null, queued = true } = options
    const release = queued ? await takeSlot() : () => {}
    const right = queued && mayCall !== undefined ? rightToCall(mayCall, release) : null
    const timeout = AbortSignal.timeout(timeoutMs)
    const signal = right === null ? timeout : AbortSignal.any([timeout, right])
    const startedAt = performance.now()
    let outcome: Judged<Answer>
    try {
      const headers = headersOf(request, authorization)
      const path = prefix + request.path
      const response = await pool.request({ method, path, headers, body: body?.text ?? null, signal })
      outcome = succeeded(await readAnswer({ response, endpoint, receivedAt: now() }))
    } catch (error) {
      const reason = timeout.aborted
        ? `no complete answer within ${timeoutMs / 1000} s`
        : connectionCause(error, url.protocol === 'https:' ? CAUSES_WITH_TLS : CAUSES)
      const message = `The LMS at ${url.host} can't be reached: ${reason}`
      const mayHaveTakenEffect = request.changes && !neverSent(error)
      outcome = failed({ kind: 'unreachable', endpoint, status: null, message, mayHaveTakenEffect })
    }
    release(!outcome.ok && timeout.aborted ? KEEP_SLOT_MS : 0)
    onCall({ endpoint, method, status: outcome.ok ? outcome.value.status : null, ms: performance.now() - startedAt })
    if (!outcome.ok) right?.throwIfAborted()
    return outcome
  }

  return {
    /**
     * Sends a request once. Every answer of the LMS is a success here; a failure means that there was no answer. Rejects
     * with what `mayCall` throws, and with the reason of its signal if that cuts a call in flight.
     */
    send,
    /** The same for a call without a token, whose answer is judged. */
    async ask<T>(call: LmsCall<T>, options: Omit<SendOptions, 'authorization'> = {}): Promise<Judged<T>> {
      const sent = await send(call, options)
      return sent.ok ? call.judge(sent.value) : sent
    },
    /** Cuts the calls in flight and closes the connections. */
    close: () => pool.destroy(),
  }
}
export type Transport = ReturnType<typeof createTransport>

function rightToCall(mayCall: () => AbortSignal, release: ReleaseSlot): AbortSignal {
  try {
    return mayCall()
  } catch (error) {
    release(0)
    throw error
  }
}

function headersOf({ body }: LmsRequest, authorization: string | null): Record<string, string> {
  return {
    accept: 'application/json',
    'user-agent': USER_AGENT,
    ...(authorization === null ? {} : { authorization }),
    ...(body === null ? {} : { 'content-type': body.contentType }),
  }
}

const NO_TLS = 'the server there does not use TLS: write http:// in LERNITO_LMS_URL, or use the port that does use TLS'

/** What more is known of a call to the LMS. */
const CAUSES: Readonly<Record<string, string>> = {
  UND_ERR_RES_EXCEEDED_MAX_SIZE: 'its answer is larger than 2 MiB',
  UND_ERR_DESTROYED: 'this service is stopping',
  UND_ERR_HEADERS_OVERFLOW: 'the headers of its answer are too large',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name than that in LERNITO_LMS_URL',
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
}

/** A plain HTTP server that waits for the end of a request never answers a handshake, which gives the same code. */
const NO_TLS_CONNECTION = `no TLS connection within ${CONNECT_TIMEOUT_MS / 1000} s: nothing accepts it, or the port uses plain HTTP; in that case write http:// in LERNITO_LMS_URL`
const CAUSES_WITH_TLS = { ...CAUSES, UND_ERR_CONNECT_TIMEOUT: NO_TLS_CONNECTION }

/** Gives the slot back after `afterMs`. */
type ReleaseSlot = (afterMs: number) => void

/**
 * Limits how many calls are in flight at once. The returned function waits for a slot, in the order of the calls.
 * @param slots how many calls may be in flight at once, at least 1; read each time, since it may change
 */
export function createConcurrencyLimiter(slots: () => number) {
  const waiting: (() => void)[] = []
  let inFlight = 0

  const admit = (): void => {
    while (inFlight < slots() && waiting.length > 0) {
      inFlight += 1
      waiting.shift()?.()
    }
  }
  const release = (): void => {
    inFlight -= 1
    admit()
  }
  return async (): Promise<ReleaseSlot> => {
    await new Promise<void>((resolve) => {
      waiting.push(resolve)
      admit()
    })
    return (afterMs) => {
      if (afterMs > 0) setTimeout(release, afterMs).unref()
      else release()
    }
  }
}
