import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const CALL = /\blog\??(?:\.(?:debug|info|warn|error)|\[[^\]]+\])\(/g

/** A call of the logger in the source. `text` is its message, with … for variable parts; null if the call doesn't contain it. */
interface LogCall {
  readonly file: string
  readonly text: string | null
}

/** Returns every call of a logger in src, in the order of files and lines. */
export function logCalls(): LogCall[] {
  return globSync('{src,sandbox}/**/*.ts', { cwd: ROOT })
    .sort()
    .flatMap((file) => callsIn(file, readFileSync(`${ROOT}/${file}`, 'utf8')))
}

function callsIn(file: string, source: string): LogCall[] {
  return [...source.matchAll(CALL)].flatMap(({ index, 0: start }) => {
    const message = split(argumentsAt(source, index + start.length)).at(-1) ?? ''
    return textsOf(message, source).map((text) => ({ file, text }))
  })
}

/** Returns the messages that an argument can be: a literal text, or each text of a constant. */
function textsOf(argument: string, source: string): (string | null)[] {
  if (/^(['"]).*\1$/s.test(argument)) return [argument.slice(1, -1)]
  if (/^`[^$]/.test(argument)) return [argument.slice(1, -1).replaceAll(/\$\{[^}]*\}/g, '…')]
  const constant = /^([A-Z_]+)\[/.exec(argument)?.[1]
  if (constant === undefined) return [null]
  const [, body = ''] = new RegExp(`const ${constant} = \\{([^}]*)\\}`).exec(source) ?? []
  return [...body.matchAll(/: '([^']+)'/g)].map(([, text = '']) => text)
}

const OPENING = '([{'
const CLOSING = ')]}'

/** Returns the source from `start`, just after an opening parenthesis, to the matching closing one. */
function argumentsAt(source: string, start: number): string {
  let depth = 0
  for (const { at, character } of outsideTexts(source, start)) {
    if (OPENING.includes(character)) depth++
    if (CLOSING.includes(character) && depth-- === 0) return source.slice(start, at)
  }
  return ''
}

/** Splits at the commas that are not inside brackets. */
function split(text: string): string[] {
  const parts = []
  let [depth, from] = [0, 0]
  for (const { at, character } of outsideTexts(text, 0)) {
    if (OPENING.includes(character)) depth++
    if (CLOSING.includes(character)) depth--
    if (character !== ',' || depth > 0) continue
    parts.push(text.slice(from, at))
    from = at + 1
  }
  return [...parts, text.slice(from)].map((part) => part.trim()).filter((part) => part !== '')
}

/** Yields the characters of a source from `start` that are not in a string or a line comment. */
function* outsideTexts(source: string, start: number): Generator<{ at: number; character: string }> {
  let quote: string | null = null
  for (let at = start; at < source.length; at++) {
    const character = source[at] ?? ''
    if (quote !== null) {
      if (character === '\\') at++
      else if (character === quote) quote = null
    } else if (`'"\``.includes(character)) quote = character
    else if (source.startsWith('// ', at)) at = source.indexOf('\n', at)
    else yield { at, character }
  }
}
