import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'
import { brandVariables } from './brand.ts'

interface File {
  readonly type: string
  readonly bytes: Buffer
  /** A hash of the contents; a browser can cache an address with it forever. */
  readonly version: string
}

const YEAR_SECONDS = 365 * 24 * 60 * 60

const ownFile = (name: string): Buffer => readFileSync(new URL(`./static/${name}`, import.meta.url))
const packageFile = (path: string): Buffer => readFileSync(fileURLToPath(import.meta.resolve(path)))

/** Reads all files at the start. An address can only name one of them, and never a path. */
function readFiles(): ReadonlyMap<string, File> {
  const css = ownFile('console.css').toString()
  const files: [name: string, type: string, bytes: Buffer][] = [
    ['console.css', 'text/css', Buffer.from(brandVariables(css) + css)],
    ['times.js', 'text/javascript', ownFile('times.js')],
    ['copy.js', 'text/javascript', ownFile('copy.js')],
    ['keys.js', 'text/javascript', ownFile('keys.js')],
    ['live.js', 'text/javascript', ownFile('live.js')],
    ['icon.svg', 'image/svg+xml', ownFile('icon.svg')],
    ['htmx.js', 'text/javascript', packageFile('htmx.org/dist/htmx.min.js')],
  ]
  return new Map(
    files.map(([name, type, bytes]) => {
      const version = createHash('sha256').update(bytes).digest('hex').slice(0, 16)
      return [name, { type: `${type}; charset=utf-8`, bytes, version }]
    }),
  )
}

let read: ReadonlyMap<string, File> | null = null
const files = (): ReadonlyMap<string, File> => {
  read ??= readFiles()
  return read
}

/** Returns the address of a file, relative to the console, with its version. */
export const fileUrl = (name: string): string => `/static/${name}?v=${files().get(name)?.version ?? ''}`

/** Adds styles, scripts and the icon. They hold nothing secret, so they need no session. */
export function addStaticFiles({ scope }: { scope: FastifyInstance }): void {
  scope.get<{ Params: { name: string } }>('/static/:name', { config: { open: true } }, (request, reply) => {
    const file = files().get(request.params.name)
    if (file === undefined) return reply.callNotFound()
    const current = request.url.endsWith(`?v=${file.version}`)
    return reply
      .header('cache-control', current ? `public, max-age=${YEAR_SECONDS}, immutable` : 'no-cache')
      .type(file.type)
      .send(file.bytes)
  })
}
