import type { Dispatcher } from 'undici'
import type { Answer } from './answer.ts'

/** Reads a response of undici to its end. `receivedAt` is when its headers arrived, in ms since 1970. */
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

/** A header as sent, the first of several, or null if absent. `name` is in lowercase. */
export function headerOf({ headers }: Dispatcher.ResponseData, name: string): string | null {
  const value = headers[name]
  return (Array.isArray(value) ? value[0] : value) ?? null
}

/** The code of an error of undici, such as ECONNREFUSED. Its message isn't shown, since it may quote what was sent. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'no cause given'
}
