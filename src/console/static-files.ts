import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'
import { brandVariables } from './brand.ts'

interface File {
  readonly type: string
  readonly bytes: Buffer
  /** Of the contents: an address with it can be kept for ever. */
  readonly version: string
}

const YEAR_SECONDS = 365 * 24 * 60 * 60

const own = (name: string): Buffer => readFileSync(new URL(`./static/${name}`, import.meta.url))
const ofPackage = (path: string): Buffer => readFileSync(fileURLToPath(import.meta.resolve(path)))

/** All files that there are, read at the start: an address leads to one of these names or nowhere. */
function readFiles(): ReadonlyMap<string, File> {
  const css = own('console.css').toString()
  const files: [name: string, type: string, bytes: Buffer][] = [
    ['console.css', 'text/css', Buffer.from(brandVariables(css) + css)],
    ['times.js', 'text/javascript', own('times.js')],
    ['icon.svg', 'image/svg+xml', own('icon.svg')],
    ['htmx.js', 'text/javascript', ofPackage('htmx.org/dist/htmx.min.js')],
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

/** The address of a file below the console's, with its version. */
export const fileUrl = (name: string): string => `/static/${name}?v=${files().get(name)?.version ?? ''}`

/** Style, script and icon: nothing secret, so they need no session. */
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
