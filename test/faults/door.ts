import { createServer, type ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import { exchange } from '../harness.ts'
import { listening } from '../listening.ts'

interface Knock {
  readonly method: string
  /** Without its query. */
  readonly path: string
  readonly body: string
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
    const reply = trouble({ method, path: url.split('?')[0] ?? '', body })
    if (reply !== null) return reply(response)
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
    const passed = await exchange({ url: `${lmsUrl}${url}`, method, headers, body }).catch(() => null)
    if (passed === null) return response.destroy()
    return response.writeHead(passed.status, passed.headers).end(passed.text)
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
