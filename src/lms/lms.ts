import { type BatchCalls, createBatchCalls } from './apis/batch-calls.ts'
import { heartbeatRequest, judgeHeartbeat } from './apis/heartbeat.ts'
import { createLookUps, type LookUps } from './apis/look-ups.ts'
import { createSingleCalls, type SingleCalls } from './apis/single-calls.ts'
import { createAsk } from './client/ask.ts'
import { type Judged, succeeded } from './client/failure.ts'
import { createTokens, type Token } from './client/token.ts'
import { type Call, createTransport, type LmsRequest } from './client/transport.ts'

/** For each call. */
const TIMEOUT_MS = 30_000

/**
 * The LMS's REST API. Each call is sent once, or twice if its token has to be renewed, and its answer is judged.
 * Retries are up to the caller. An API that the LMS throttles takes a permit. No answer of the LMS makes a call reject;
 * it rejects only with what `mayCall` throws.
 */
export interface Lms extends LookUps, BatchCalls, SingleCalls {
  /** The service user that the LMS's token names. */
  serviceUser(): Promise<Judged<Pick<Token, 'username' | 'administrator'>>>
  /** Waits for no slot, so that it works while calls hang. */
  heartbeat(): Promise<Judged<true>>
  /** Cuts the calls in flight. */
  close(): Promise<void>
}

interface LmsOptions {
  /** LERNITO_LMS_URL */
  readonly url: string
  readonly clientId: string
  readonly clientSecret: string
  /** The version of this program, for the user-agent header. */
  readonly version: string
  /** How many calls may be in flight at once, at least 1; read before each. */
  readonly concurrency: () => number
  /**
   * The right to call, checked before each call. Gives the signal that ends the right, and throws if it has ended. A
   * command always has it.
   */
  readonly mayCall?: () => AbortSignal
  readonly now?: () => number
  /** Receives every call after it has ended, for log and metrics. */
  readonly onCall?: (call: Call) => void
}

/** The client of one LMS. */
export function createLms(from: LmsOptions): Lms {
  const { clientId, clientSecret, version, now = Date.now, onCall = () => {}, ...options } = from
  const url = new URL(from.url)
  const userAgent = `lernito-openedx/${version}`
  const transport = createTransport({ ...options, url, userAgent, timeoutMs: TIMEOUT_MS, now, onCall })
  const sendWithoutToken = (request: LmsRequest) => transport.send(request, { authorization: null, queued: true })
  const tokens = createTokens({ url, clientId, clientSecret, now, send: sendWithoutToken })
  const ask = createAsk({ transport, tokens })

  return {
    async serviceUser() {
      const token = await tokens.get()
      if (!token.ok) return token
      const { username, administrator } = token.value
      return succeeded({ username, administrator })
    },
    ...createLookUps({ ask, tokens, now }),
    ...createBatchCalls({ ask, sendWithoutToken, now }),
    ...createSingleCalls(ask),
    async heartbeat() {
      const sent = await transport.send(heartbeatRequest(), { authorization: null, queued: false })
      return sent.ok ? judgeHeartbeat(sent.value) : sent
    },
    close: () => transport.close(),
  }
}
