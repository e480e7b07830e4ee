import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { listening } from '../listening.ts'

/** A request that the scripted server received. */
export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export type Reply = (response: ServerResponse, seen: Seen) => void

export interface ScriptedLms {
  readonly url: string
  /** The requests, in order. */
  readonly seen: readonly Seen[]
  /** The requests of one method and path, without their queries. */
  seenAt(route: string): readonly Seen[]
  /** Sets the replies to a route ('GET /heartbeat'), one after another. The last one repeats. */
  on(route: string, ...replies: Reply[]): void
}

/** A real HTTP server with the replies that a test sets. By default it gives tokens, and a 404 page for all else. */
export async function startScriptedLms(t: TestContext): Promise<ScriptedLms> {
  const scripts = new Map<string, Reply[]>([['POST /oauth2/access_token', [token('first')]]])
  const seen: Seen[] = []
  const routeOf = (one: Pick<Seen, 'method' | 'url'>) => `${one.method} ${one.url.split('?')[0]}`

  const server = createServer(async (request, response) => {
    const { method = '', url = '', headers } = request
    const one = { method, url, headers, body: await text(request) }
    seen.push(one)
    const script = scripts.get(routeOf(one)) ?? [page(404, 'Page not found')]
    const reply = script.length > 1 ? script.shift() : script[0]
    reply?.(response, one)
  })
  const { host } = await listening(t, server)
  return {
    url: `http://${host}`,
    seen,
    seenAt: (route) => seen.filter((one) => routeOf(one) === route),
    on: (route, ...replies) => void scripts.set(route, replies),
  }
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Reply {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(body === '' ? '' : JSON.stringify(body))
  }
}

export function page(status: number, title: string, headers: Record<string, string> = {}): Reply {
  return (response) => {
    response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', ...headers })
    response.end(`<html>${title}</html>`)
  }
}

/** Accepts the request and never answers. */
export const hang: Reply = () => {}

/** Cuts the connection without an answer. */
export const cut: Reply = (response) => void response.socket?.destroy()

/** A JWT with the claims that the client reads. `name` makes it unique. */
export function jwt(name: string, claims: Record<string, unknown> = {}): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const all = { preferred_username: 'lernito_service', administrator: true, ...claims }
  return `${part({ alg: 'HS256', typ: 'JWT' })}.${part(all)}.${name}`
}

/** A token answer of the recorded shape. */
export function token(name: string, expiresIn = 3600, claims: Record<string, unknown> = {}): Reply {
  return json(200, { access_token: jwt(name, claims), expires_in: expiresIn, token_type: 'JWT', scope: 'read write' })
}
