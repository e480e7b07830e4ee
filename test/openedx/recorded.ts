import { readFileSync } from 'node:fs'
import { z } from 'zod'
import type { Answer } from '../../src/openedx/answer.ts'
import type { Judged } from '../../src/openedx/failure.ts'
import type { LmsRequest } from '../../src/openedx/transport.ts'

const exchange = z.object({
  name: z.string(),
  request: z.object({
    method: z.string(),
    path: z.string(),
    headers: z.record(z.string(), z.string()).default({}),
    json: z.record(z.string(), z.unknown()).optional(),
    form: z.record(z.string(), z.string()).optional(),
  }),
  response: z.object({ status: z.number(), headers: z.record(z.string(), z.string()).default({}), body: z.unknown() }),
  jwt_claims: z.record(z.string(), z.unknown()).optional(),
})

export type Exchange = z.infer<typeof exchange>

/** The exchanges of test/recordings/lms/{file}.json, in order; an entry that only shows state is left out. */
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

/** A recorded response as the transport gives it. A body of text is kept as it is: it was a page, or nothing. */
export function answerOf({ response }: Exchange): Answer {
  return answer(response.status, response.body, response.headers)
}

/** An answer made up by a test, with a body of text as it is and of anything else as JSON. */
export function answer(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return {
    status,
    contentType: headers['content-type'] ?? null,
    retryAfter: headers['retry-after'] ?? null,
    location: headers.location ?? null,
    text: typeof body === 'string' ? body : JSON.stringify(body),
    receivedAt: Date.UTC(2026, 10, 24),
  }
}

/** A judged answer in short: the value, or the failure's kind. */
export function verdict<T>(judged: Judged<T>): T | string {
  return judged.ok ? judged.value : judged.failure.kind
}

/** What a request asks for, whichever way its path is encoded; to be compared with that of a recorded request. */
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
