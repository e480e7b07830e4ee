import { readFileSync } from 'node:fs'
import { z } from 'zod'
import type { Answer } from '../../src/lms/client/answer.ts'
import type { Judged } from '../../src/lms/client/failure.ts'
import type { LmsRequest } from '../../src/lms/client/transport.ts'
import { jwt } from './scripted-lms.ts'

const exchange = z.object({
  name: z.string(),
  request: z.object({
    method: z.string(),
    path: z.string(),
    headers: z.record(z.string(), z.string()).default({}),
    // A body that isn't an object is one that this client never sends.
    json: z.record(z.string(), z.unknown()).optional().catch(undefined),
    form: z.record(z.string(), z.string()).optional(),
  }),
  response: z.object({ status: z.number(), headers: z.record(z.string(), z.string()).default({}), body: z.unknown() }),
  jwt_claims: z.record(z.string(), z.unknown()).optional(),
})

export type Exchange = z.infer<typeof exchange>

/** The exchanges of test/recordings/lms/{file}.json, in order, without entries that only show state. */
export function recorded(file: string): readonly Exchange[] {
  const text = readFileSync(new URL(`../recordings/lms/${file}.json`, import.meta.url), 'utf8')
  const { exchanges } = z.object({ exchanges: z.array(z.looseObject({})) }).parse(JSON.parse(text))
  return exchanges.filter((entry) => 'request' in entry).map((entry) => exchange.parse(entry))
}

/** One exchange by its name. */
export function exchangeOf(file: string, name: string): Exchange {
  const found = recorded(file).find((one) => one.name === name)
  if (found === undefined) throw new Error(`${file}.json has no '${name}'`)
  return found
}

/** A recorded response as the transport gives it. A text body stays as it is: it was a page, or empty. */
export function answerOf({ request, response }: Exchange): Answer {
  return { ...answer(response.status, response.body, response.headers), endpoint: request.path }
}

/** The same, with a JWT of the recorded claims in place of the omitted one. */
export function answerWithJwt(exchange: Exchange): Answer {
  const { body, status, headers } = exchange.response
  if (exchange.jwt_claims === undefined) return answerOf(exchange)
  return answer(status, { ...Object(body), access_token: jwt('recorded', exchange.jwt_claims) }, headers)
}

/** An invented answer. A text body stays as it is; any other body becomes JSON. */
export function answer(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return {
    endpoint: '/api/some/',
    status,
    retryAfter: headers['retry-after'] ?? null,
    location: headers.location ?? null,
    text: typeof body === 'string' ? body : JSON.stringify(body),
    receivedAt: Date.UTC(2026, 10, 24),
  }
}

/** A judged answer in short: the value, or the kind of the failure. */
export function verdict<T>(judged: Judged<T>): T | string {
  return judged.ok ? judged.value : judged.failure.kind
}

/** The content of a request, however its path is encoded, for comparison with a recorded request. */
export function asked(request: LmsRequest | Exchange['request']) {
  const body = 'json' in request ? request.json : 'body' in request ? JSON.parse(request.body?.text ?? 'null') : null
  const [path = '', query = ''] = request.path.split('?')
  return {
    method: request.method,
    path: decodeURIComponent(path),
    query: Object.fromEntries(new URLSearchParams(query)),
    body: body ?? null,
  }
}
