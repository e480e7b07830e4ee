import { createServer, type ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import { type Answered, exchange } from '../harness.ts'
import { listening } from '../listening.ts'

export interface Knock {
  readonly method: string
  /** Without its query. */
  readonly path: string
  readonly body: string
  /** Has the LMS carry out the call, and gives its answer; null if it cut the connection. */
  readonly pass: () => Promise<Answered | null>
}
export type Reply = (response: ServerResponse) => void

/**
 * Stands before the stand-in LMS and passes every call on, but for those to which `trouble` has a reply of its own.
 * For what the stand-in's faults can't say: trouble with one person only, and answers without an end.
 */
export async function startDoor(t: TestContext) {
  let lmsUrl = ''
  let trouble: (knock: Knock) => Reply | null = () => null
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString()
    const { method = '', url = '' } = request
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
    const pass = () => exchange({ url: `${lmsUrl}${url}`, method, headers, body }).catch(() => null)
    const reply = trouble({ method, path: url.split('?')[0] ?? '', body, pass })
    return reply === null ? answerOf(await pass())(response) : reply(response)
  })
  const { host } = await listening(t, server)
  return {
    url: `http://${host}`,
    leadsTo: (url: string): void => {
      lmsUrl = url
    },
    onKnock: (next: typeof trouble): void => {
      trouble = next
    },
  }
}

/** What the LMS answered; without an answer the connection is cut. */
export const answerOf =
  (passed: Answered | null): Reply =>
  (response) => {
    if (passed === null) response.destroy()
    else response.writeHead(passed.status, passed.headers).end(passed.text)
  }

/** A page of HTML. */
export const page =
  (status: number): Reply =>
  (response) =>
    void response.writeHead(status, { 'content-type': 'text/html' }).end('<html>Error</html>')

/** JSON that has no end. */
export const endless: Reply = (response) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  const more = (): void => {
    while (!response.destroyed && response.write(`"${'x'.repeat(65_536)}",`));
  }
  response.on('drain', more).write('[')
  more()
}
