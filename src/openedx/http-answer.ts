import type { Dispatcher } from 'undici'
import type { Answer } from './answer.ts'

/** Reads an answer of undici to its end. `receivedAt`: when its headers were in, ms since 1970. */
export async function readAnswer(of: { response: Dispatcher.ResponseData; receivedAt: number }): Promise<Answer> {
  const { response, receivedAt } = of
  return {
    status: response.statusCode,
    contentType: headerOf(response, 'content-type'),
    retryAfter: headerOf(response, 'retry-after'),
    location: headerOf(response, 'location'),
    text: await response.body.text(),
    receivedAt,
  }
}

/** A header as sent, the first of several; null where there is none. `name` is in lower case. */
export function headerOf({ headers }: Dispatcher.ResponseData, name: string): string | null {
  const value = headers[name]
  return (Array.isArray(value) ? value[0] : value) ?? null
}

/** The code of what undici threw, such as ECONNREFUSED. Nothing else of it is shown: its text may hold what was sent. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'no cause given'
}
