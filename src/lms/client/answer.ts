import type { Dispatcher } from 'undici'
import { z } from 'zod'
import { originOf } from '../../service/lib/outgoing-call.ts'
import { type Failed, failed, type Judged, succeeded } from './failure.ts'

/** A complete answer of the LMS. */
export interface Answer {
  /** The route that was called: see Failure. */
  readonly endpoint: string
  readonly status: number
  /** Headers as sent, or null if absent. */
  readonly retryAfter: string | null
  readonly location: string | null
  readonly text: string
  /** When its headers arrived, in ms since 1970. */
  readonly receivedAt: number
}

/** The fields in which Django REST framework and the LMS's own views explain an error. */
const explanation = z.object({ message: z.string(), detail: z.string(), developer_message: z.string() }).partial()

/**
 * The JSON value of an answer, or undefined if its text isn't JSON (an HTML page, or empty).
 * V8's bug with escaped keys (nodejs/node#63785) doesn't matter here: no key in an LMS answer needs an escape.
 */
export function jsonOf(answer: Answer): unknown {
  try {
    return JSON.parse(answer.text)
  } catch {
    return undefined
  }
}

/** The LMS's explanation of an error: `message`, else `detail`, else `developer_message`, else null. */
function explanationOf(answer: Answer): string | null {
  const read = explanation.safeParse(jsonOf(answer))
  return read.success ? (read.data.message ?? read.data.detail ?? read.data.developer_message ?? null) : null
}

/** The answer's JSON if it has the recorded shape. Ignores other fields. Any other shape is never a success. */
export function readAs<T>(answer: Answer, shape: z.ZodType<T>): Judged<T> {
  const read = shape.safeParse(jsonOf(answer))
  return read.success ? succeeded(read.data) : notUnderstood(answer)
}

/** The same of an answer with status 200. Any other status is judged by judgeOther. */
export function readOk<T>(answer: Answer, shape: z.ZodType<T>): Judged<T> {
  return answer.status === 200 ? readAs(answer, shape) : judgeOther(answer)
}

/** What `resultOf` makes of such an answer; undefined if it is about something else than was asked. */
export function judgeOk<T, Value>(
  answer: Answer,
  shape: z.ZodType<T>,
  resultOf: (read: T) => Value | undefined,
): Judged<Value> {
  const read = readOk(answer, shape)
  if (!read.ok) return read
  const value = resultOf(read.value)
  return value === undefined ? notUnderstood(answer) : succeeded(value)
}

/** Whether an answer has this status and shape, by which the LMS says that it lacks something. */
export const hasShape = (answer: Answer, status: number, shape: z.ZodType): boolean =>
  answer.status === status && shape.safeParse(jsonOf(answer)).success

/**
 * Judges whether the LMS has an API, by the answer to a call without authorization: it asks for that, or has no such page.
 */
export function judgeAvailable(answer: Answer): Judged<boolean> {
  if (answer.status === 401) return succeeded(true)
  if (answer.status === 404 && jsonOf(answer) === undefined) return succeeded(false)
  return judgeOther(answer)
}

/** A time in an answer, in ms since 1970. */
export const lmsTime = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text))

/** An answer with a status or shape that was never recorded. It proves nothing. */
export function notUnderstood({ endpoint, status }: Answer): Failed {
  const message = `The LMS gave an answer that this version does not understand (${status} from ${endpoint})`
  return failed({ kind: 'server_error', endpoint, status, message })
}

/**
 * Judges an answer that isn't the expected one and says nothing about a person or course. These rules are the same for
 * every endpoint. Each API file first checks for the answers that were recorded for its own endpoint.
 */
export function judgeOther(answer: Answer): Failed {
  const { endpoint, status } = answer
  const fail = (kind: Failed['failure']['kind'], message: string, retryAfterMs: number | null = null) =>
    failed({ kind, endpoint, status, message, retryAfterMs })

  if (status === 429) {
    const wait = waitAsked(answer, explanationOf(answer) ?? '') ?? THROTTLED_MS
    return fail('throttled', `The LMS throttles our calls: wait ${Math.ceil(wait / 1000)} s`, wait)
  }
  if (status >= 502 && status <= 504)
    return fail('unreachable', `The LMS is not available (${status})`, waitAsked(answer))
  if (status >= 500) return fail('server_error', `The LMS failed (${status} from ${endpoint})`)
  if (status === 401) return fail('unauthorized', `The LMS does not accept our token (401 from ${endpoint})`)
  if (status >= 300 && status < 400) return fail('misconfigured', redirected(answer))
  // An API answers an error in JSON. An HTML page or an empty answer comes from something else
  // (recorded: bulk-enroll-off.json, 'an unknown API path'), such as a firewall that answers 403.
  const isApi = jsonOf(answer) !== undefined
  if (status === 403 && isApi) return fail('misconfigured', notStaff(answer))
  if (status === 404 && !isApi) {
    return fail(
      'misconfigured',
      `There is no ${endpoint} (404): LERNITO_LMS_URL must be the LMS's address, not Studio's`,
    )
  }
  if (status >= 400 && !isApi) {
    const remedy = 'check LERNITO_LMS_URL, the ALLOWED_HOSTS of the LMS and the proxy or firewall in front of it'
    return fail(
      'misconfigured',
      `The call did not get through to the LMS's API (${status} from ${endpoint}): ${remedy}`,
    )
  }
  return notUnderstood(answer)
}

/** The message for a 403, and for the 404 that some endpoints give instead: the cause and what to do. */
export function notStaff({ endpoint, status }: Answer): string {
  const remedy = 'make the user of the OAuth application LERNITO_LMS_CLIENT_ID a staff user in the LMS'
  return `The LMS does not let our service user do this (${status} from ${endpoint}): ${remedy}`
}

function redirected(answer: Answer): string {
  const target = originOf(answer.location)
  const where = target === null ? '' : ` to ${target}`
  return `The LMS redirects our calls${where} (${answer.status}): write its own address in LERNITO_LMS_URL`
}

/** Reads a response of undici to its end. `receivedAt` is when its headers arrived, in ms since 1970. */
export async function readAnswer(
  of: Pick<Answer, 'endpoint' | 'receivedAt'> & { response: Dispatcher.ResponseData },
): Promise<Answer> {
  const { response, endpoint, receivedAt } = of
  return {
    endpoint,
    status: response.statusCode,
    retryAfter: headerOf(response, 'retry-after'),
    location: headerOf(response, 'location'),
    text: await response.body.text(),
    receivedAt,
  }
}

/** A header as sent, the first of several, or null if absent. `name` is in lowercase. */
export function headerOf({ headers }: Dispatcher.ResponseData, name: string): string | null {
  const value = headers[name]
  return (Array.isArray(value) ? value[0] : value) ?? null
}

const FLOOR_MS = 1_000
/** No answer stops all sales for longer. */
const CAP_MS = 60_000
/** The LMS's throttles count calls per minute, so a minute is always enough. */
const THROTTLED_MS = 60_000

/**
 * How long an answer asks to wait, in ms, from 1 s to 1 min; null if it can't be read. The header `Retry-After` (seconds or
 * an HTTP date) comes first, then the first whole number in the text: the enrollment list sends no header, only "Expected
 * available in 58 seconds." (recorded: throttle.json, 'another view, while throttled').
 */
function waitAsked({ retryAfter, receivedAt }: Answer, text = ''): number | null {
  const asked = headerMs(retryAfter, receivedAt) ?? textMs(text)
  return asked === null ? null : Math.min(Math.max(asked, FLOOR_MS), CAP_MS)
}

function headerMs(header: string | null, receivedAt: number): number | null {
  if (header === null) return null
  const value = header.trim()
  if (/^\d+$/.test(value)) return Number(value) * 1000
  // An HTTP date starts with the name of a weekday. Date.parse alone would also accept "-5" or "2".
  if (!/^[A-Z][a-z]{2,8},? /.test(value)) return null
  const at = Date.parse(value)
  return Number.isNaN(at) ? null : at - receivedAt
}

function textMs(text: string): number | null {
  const seconds = /\d+/.exec(text)?.[0]
  return seconds === undefined ? null : Number(seconds) * 1000
}
