import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { PageParts } from '../parts.ts'

interface File {
  readonly type: string
  readonly bytes: Buffer
  /** A hash of the contents; a browser can cache an address with it forever. */
  readonly version: string
}

const YEAR_SECONDS = 365 * 24 * 60 * 60

const ownFile = (name: string): Buffer => readFileSync(new URL(`./static/${name}`, import.meta.url))
const packageFile = (path: string): Buffer => readFileSync(fileURLToPath(import.meta.resolve(path)))

const SHEETS = [
  '@openedx/brand-openedx/paragon/build/core/variables.css',
  '@openedx/brand-openedx/paragon/build/themes/light/variables.css',
]

/** The scripts of every page, in the order in which they run. */
export const SCRIPTS = [
  'htmx.js',
  'times.js',
  'palette.js',
  'keys.js',
  'rows.js',
  'live.js',
  'copy.js',
  'notices.js',
  'keep.js',
  'once.js',
]
const TYPES: Readonly<Record<string, string>> = { css: 'text/css', js: 'text/javascript', svg: 'image/svg+xml' }

/** Reads all files at the start. An address can only name one of them, and never a path. */
function readFiles(): ReadonlyMap<string, File> {
  const names = [...SCRIPTS, 'console.css', 'icon.svg']
  return new Map(
    names.map((name) => {
      const bytes = bytesOf(name)
      const version = createHash('sha256').update(bytes).digest('hex').slice(0, 16)
      return [name, { type: `${TYPES[name.replace(/.*\./, '')]}; charset=utf-8`, bytes, version }]
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
export function addStaticFiles({ scope }: PageParts): void {
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

/** htmx.js is a package's file, and console.css begins with the brand's variables that it uses. */
function bytesOf(name: string): Buffer {
  if (name === 'htmx.js') return packageFile('htmx.org/dist/htmx.min.js')
  const own = ownFile(name)
  return name === 'console.css' ? Buffer.concat([Buffer.from(brandVariables(own.toString())), own]) : own
}

/**
 * Returns a CSS rule with the variables of Open edX's brand that `css` uses, and those that they refer to. The brand has
 * about 2,500 variables in 200 KB, and a page needs two dozen. Throws Error for a variable that the brand doesn't have.
 */
function brandVariables(css: string): string {
  const all = new Map<string, string>()
  for (const sheet of SHEETS) {
    const text = packageFile(sheet).toString()
    for (const [, name = '', value = ''] of text.matchAll(/^\s*(--pgn-[\w-]+):\s*([^;]+);/gm)) all.set(name, value)
  }
  const used = new Map<string, string>()
  const use = (text: string): void => {
    for (const [, name = ''] of text.matchAll(/var\((--pgn-[\w-]+)/g)) {
      const value = all.get(name)
      if (value === undefined) throw new Error(`the brand has no ${name}`)
      if (used.has(name)) continue
      used.set(name, value)
      use(value)
    }
  }
  use(css)
  return `:root {\n${[...used].map(([name, value]) => `  ${name}: ${value};\n`).join('')}}\n`
}
