import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const CALL = /\blog\??(?:\.(?<level>debug|info|warn|error)|\[(?<choice>[^\]]+)\])\(/g
const LEVEL = /'(debug|info|warn|error)'/g
/** What errorFields of src/telemetry/log.ts gives. */
const ERROR_FIELDS = ['error', 'cause', 'stack']

/** One call of the log in the source. */
export interface LogCall {
  readonly file: string
  /** The message, with … for what differs; null: it is not written in the call. */
  readonly text: string | null
  readonly level: string
  /** The names in the call's object; null: the object is not written in the call. */
  readonly fields: readonly string[] | null
}

/** Every call of a log in src, in the order of files and lines. */
export function logCalls(): LogCall[] {
  return globSync('src/**/*.ts', { cwd: ROOT })
    .sort()
    .flatMap((file) => callsIn(file, readFileSync(`${ROOT}/${file}`, 'utf8')))
}

function callsIn(file: string, source: string): LogCall[] {
  return [...source.matchAll(CALL)].flatMap(({ index, 0: start, groups }) => {
    const args = split(argumentsAt(source, index + start.length))
    const levels = groups?.level ?? [...(groups?.choice ?? '').matchAll(LEVEL)].map(([, one]) => one).join(' or ')
    const message = args.at(-1) ?? ''
    const fields = args.length > 1 ? fieldsOf(args[0] ?? '') : []
    return textsOf(message, source).map((text) => ({ file, text, level: levels, fields }))
  })
}

/** The messages that an argument can stand for: a text, or one of a constant's texts. */
function textsOf(argument: string, source: string): (string | null)[] {
  if (/^(['"]).*\1$/s.test(argument)) return [argument.slice(1, -1)]
  if (/^`[^$]/.test(argument)) return [argument.slice(1, -1).replaceAll(/\$\{[^}]*\}/g, '…')]
  const constant = /^([A-Z_]+)\[/.exec(argument)?.[1]
  if (constant === undefined) return [null]
  const [, body = ''] = new RegExp(`const ${constant} = \\{([^}]*)\\}`).exec(source) ?? []
  return [...body.matchAll(/: '([^']+)'/g)].map(([, text = '']) => text)
}

/** The names of an object as it is written. */
function fieldsOf(argument: string): string[] | null {
  if (argument.startsWith('errorFields(')) return ERROR_FIELDS
  if (!argument.startsWith('{')) return null
  return split(argument.slice(1, -1)).flatMap((part) => {
    if (part.startsWith('...errorFields(')) return ERROR_FIELDS
    return part.replace(/:.*$/s, '').trim()
  })
}

const OPENING = '([{'
const CLOSING = ')]}'

/** What stands between the parenthesis that opened before `start` and the one that closes it. */
function argumentsAt(source: string, start: number): string {
  let depth = 0
  for (const { at, character } of outsideTexts(source, start)) {
    if (OPENING.includes(character)) depth++
    if (CLOSING.includes(character) && depth-- === 0) return source.slice(start, at)
  }
  return ''
}

/** The parts between the commas that are in no bracket. */
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

/** The characters of a source from `start` on that are in no text and no comment at the end of a line. */
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
