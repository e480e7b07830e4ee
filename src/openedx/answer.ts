import { z } from 'zod'
import { type Endpoint, type Failed, failed, type Judged, succeeded } from './failure.ts'
import { waitAfterThrottle, waitAsked } from './retry-after.ts'

/** An answer of the LMS, read to its end. */
export interface Answer {
  readonly status: number
  /** Headers as sent; null where there was none. */
  readonly contentType: string | null
  readonly retryAfter: string | null
  readonly location: string | null
  readonly text: string
  /** When its headers were in, in ms since 1970. */
  readonly receivedAt: number
}

/** The shape in which Django REST framework and the LMS's own views word an error. */
const words = z.object({ message: z.string(), detail: z.string(), developer_message: z.string() }).partial()

/**
 * The JSON value of an answer. undefined: its text isn't JSON (a page of HTML, or nothing at all).
 * V8's fault with escaped keys (nodejs/node#63785) can't show here: no key in an LMS answer needs an escape.
 */
export function jsonOf(answer: Answer): unknown {
  try {
    return JSON.parse(answer.text)
  } catch {
    return undefined
  }
}

/** What the LMS says in words about an error: `message`, else `detail`, else `developer_message`, else null. */
function wordsOf(answer: Answer): string | null {
  const said = words.safeParse(jsonOf(answer))
  return said.success ? (said.data.message ?? said.data.detail ?? said.data.developer_message ?? null) : null
}

/** The answer's JSON if it has the recorded shape; other fields are ignored. Anything else is never a success. */
export function readAs<T>(answer: Answer, endpoint: Endpoint, shape: z.ZodType<T>): Judged<T> {
  const read = shape.safeParse(jsonOf(answer))
  return read.success ? succeeded(read.data) : notUnderstood(answer, endpoint)
}

/** An answer of a status or shape that was never recorded: not proof of anything. */
export function notUnderstood(answer: Answer, endpoint: Endpoint): Failed {
  const message = `The LMS gave an answer that this version does not understand (${answer.status} from ${endpoint})`
  return failed({ kind: 'server_error', endpoint, status: answer.status, message })
}

/**
 * What an answer means that isn't the wanted one and says nothing about a person or course; the rules that hold for
 * every endpoint alike. Each API file first looks for what was recorded of its own endpoint.
 */
export function judgeOther(answer: Answer, endpoint: Endpoint): Failed {
  const { status } = answer
  const say = (kind: Failed['failure']['kind'], message: string, retryAfterMs: number | null = null) =>
    failed({ kind, endpoint, status, message, retryAfterMs })

  if (status === 429) {
    const wait = waitAfterThrottle({ ...answer, text: wordsOf(answer) ?? '' })
    return say('throttled', `The LMS throttles our calls: wait ${Math.ceil(wait / 1000)} s`, wait)
  }
  if (status >= 502 && status <= 504)
    return say('unreachable', `The LMS is not available (${status})`, waitAsked(answer))
  if (status >= 500) return say('server_error', `The LMS failed (${status} from ${endpoint})`)
  if (status === 401) return say('unauthorized', `The LMS does not accept our token (401 from ${endpoint})`)
  if (status === 403) return say('misconfigured', notStaff(answer, endpoint))
  if (status >= 300 && status < 400) return say('misconfigured', redirected(answer))
  // An API answers an error in JSON; a page, or nothing, comes from something else
  // (recorded: bulk-enroll-off.json, 'an unknown API path').
  const isApi = jsonOf(answer) !== undefined
  if (status === 404 && !isApi) {
    return say(
      'misconfigured',
      `There is no ${endpoint} (404): LERNITO_LMS_URL must be the LMS's address, not Studio's`,
    )
  }
  if (status >= 400 && !isApi) {
    const place = 'check LERNITO_LMS_URL, the ALLOWED_HOSTS of the LMS and the proxy before it'
    return say('misconfigured', `The call did not get through to the LMS's API (${status} from ${endpoint}): ${place}`)
  }
  return notUnderstood(answer, endpoint)
}

/** The cause of a 403, and of the 404 that the enrollment endpoint gives instead, in words that say what to do. */
export function notStaff(answer: Answer, endpoint: Endpoint): string {
  const remedy = 'make the user of the OAuth application LERNITO_LMS_CLIENT_ID a staff user in the LMS'
  return `The LMS does not let our service user do this (${answer.status} from ${endpoint}): ${remedy}`
}

function redirected(answer: Answer): string {
  const target = answer.location !== null && URL.canParse(answer.location) ? new URL(answer.location).origin : null
  const where = target === null ? '' : ` to ${target}`
  return `The LMS redirects our calls${where} (${answer.status}): write its own address in LERNITO_LMS_URL`
}
