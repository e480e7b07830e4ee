import { createServer, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { type Answered, exchange } from '../harness.ts'
import { listening } from '../listening.ts'

export interface LmsCall {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly body: string
  /** Forwards the call to the LMS and returns its answer; null if the LMS cut the connection. */
  readonly forward: () => Promise<Answered | null>
}
export type Reply = (response: ServerResponse) => void

/**
 * A proxy in front of the stand-in LMS. It forwards every call unless `onCall` returns its own reply. It makes faults
 * that the stand-in can't: those of one person only, and endless answers.
 */
export async function startFaultProxy(t: TestContext) {
  let lmsUrl = ''
  let replyFor: (call: LmsCall) => Reply | null = () => null
  const server = createServer(async (request, response) => {
    const body = await text(request)
    const { method = '', url = '' } = request
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
    const forward = () => exchange({ url: `${lmsUrl}${url}`, method, headers, body }).catch(() => null)
    const reply = replyFor({ method, path: url.split('?')[0] ?? '', body, forward })
    return reply === null ? answerOf(await forward())(response) : reply(response)
  })
  const { host } = await listening(t, server)
  return {
    url: `http://${host}`,
    forwardTo: (url: string): void => {
      lmsUrl = url
    },
    onCall: (next: typeof replyFor): void => {
      replyFor = next
    },
  }
}

/** Sends the LMS's answer; cuts the connection if there is none. */
export const answerOf =
  (passed: Answered | null): Reply =>
  (response) => {
    if (passed === null) response.destroy()
    else response.writeHead(passed.status, passed.headers).end(passed.text)
  }

/** Sends an HTML page. */
export const page =
  (status: number): Reply =>
  (response) =>
    void response.writeHead(status, { 'content-type': 'text/html' }).end('<html>Error</html>')

/** Sends JSON that never ends. */
export const endless: Reply = (response) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  const more = (): void => {
    while (!response.destroyed && response.write(`"${'x'.repeat(65_536)}",`));
  }
  response.on('drain', more).write('[')
  more()
}
